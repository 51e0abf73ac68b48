// A log: a journal, the checkpoints made of it, and the archive of what it finished. For those who open one; everybody
// else takes the part that they need. RocksDB is the embedded one (store/rocks_log.h); a log in memory keeps the same
// contract in tests (store/memory_log.h).
#pragma once

#include <memory>
#include <string>

#include "store/archive.h"
#include "store/checkpoint_store.h"
#include "store/data_dir.h"
#include "store/journal.h"

namespace pawl {

class Log : public Journal, public CheckpointStore, public Archive {};

enum class LogMode {
  /// Makes the log where there is none, and holds the folder's lock until it is destroyed.
  write,
  /// Takes no lock and writes nothing: also beside a daemon that writes. Shows what was durable when it was opened.
  read_only,
};

/// The log of a data folder, of the kind that is kept there.
/// `missing`: no log there (read_only); `busy`: another process writes, named by its pid; `malformed`: a folder that is
/// not pawl's; `unsupported`: a newer format; `damaged`: names the first seq that cannot be read.
Result<std::unique_ptr<Log>> open_log(const std::string& data_dir, LogMode mode);
/// The same for writing, of a folder that is held already. Requires: it was entered, and is not left again. Then no
/// path of the log's leads anywhere else, whatever becomes of the folder's name.
Result<std::unique_ptr<Log>> open_log(std::shared_ptr<const DirLock> held);

}  // namespace pawl
