// Finds out what a log on RocksDB still contains, without writing anything (store/rocks_log.h says why).
#pragma once

#include <optional>
#include <string>

#include "store/rocks_database.h"

namespace pawl {

/// What a scan must find.
enum class Extent {
  whole,  // all that was once durable
  part,   // at least one record before the damage
};

struct LogScan {
  Database database;  // open for reading
  bool begun = false;
  Seq last{};
  std::optional<Error> damage;  // after `last`; only with Extent::part
  std::optional<Seq> torn_at;
  rocksdb::WALRecoveryMode recovery = rocksdb::WALRecoveryMode::kAbsoluteConsistency;
};

/// Compares `dir`/log with its seal and with the contents of its write-ahead files. `damaged` names the first seq that
/// cannot be read; otherwise the errors of RocksLog::open. Works concurrently with a writer, if repeated when files
/// have moved.
Result<LogScan> scan_log(Files& files, const std::string& dir, Extent extent = Extent::whole);

}  // namespace pawl
