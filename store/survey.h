// What a log on RocksDB still holds, found without writing anything (store/rocks_log.h says why).
#pragma once

#include <optional>
#include <string>

#include "store/rocks_database.h"

namespace pawl {

struct Survey {
  Database database;  // open for reading
  bool begun = false;
  Seq last{};
  std::optional<Seq> torn_at;
  rocksdb::WALRecoveryMode recovery = rocksdb::WALRecoveryMode::kAbsoluteConsistency;
};

/// `dir`/log, held against its seal and against what stands in its write-ahead files. `damaged` names the first seq
/// that cannot be read; else the errors of RocksLog::open. Also beside a writer, if it is asked again when files moved.
Result<Survey> survey(Files& files, const std::string& dir);

}  // namespace pawl
