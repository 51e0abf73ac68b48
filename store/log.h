// A log: a journal, its checkpoints, the archive of finished tasks, and the index. Only code that opens a log uses this
// type; all other code takes the part that it needs. The embedded log uses RocksDB (store/rocks_log.h); for tests, a
// log in memory meets the same contract (store/memory_log.h).
#pragma once

#include <memory>
#include <string>

#include "store/archive.h"
#include "store/checkpoint_store.h"
#include "store/data_dir.h"
#include "store/index_store.h"
#include "store/journal.h"

namespace pawl {

class Log : public Journal, public CheckpointStore, public Archive, public IndexStore {};

enum class LogMode {
  /// Creates the log if there is none, and holds the folder's lock until it is destroyed.
  write,
  /// Takes no lock and writes nothing, so it works while a daemon is writing. Shows what was durable when it was
  /// opened.
  read_only,
  /// As read_only, but damage is an error only if it leaves no record before it. Otherwise it is the error with which
  /// each read ends that gets there. For forensics alone: nothing may be decided on such a log.
  readable_part,
};

/// Opens the log in a data folder, whatever kind it is.
/// `missing`: the folder has no log (only for reading); `busy`: another process, named by its pid, is writing;
/// `malformed`: not a pawl folder; `unsupported`: a newer format; `damaged`: names the first seq that cannot be read.
Result<std::unique_ptr<Log>> open_log(const std::string& data_dir, LogMode mode);
/// Opens a log for writing in a folder whose lock is already held. Requires: the folder was entered and stays the
/// working folder. Then the log's paths always lead into it, whatever happens to the folder's name.
Result<std::unique_ptr<Log>> open_log(std::shared_ptr<const DirLock> held);

}  // namespace pawl
