#include "store/log.h"

#include <utility>

#include "store/rocks_log.h"

namespace pawl {

Result<std::unique_ptr<Log>> open_log(const std::string& data_dir, LogMode mode) {
  return std::unique_ptr<Log>(PAWL_TRY(RocksLog::open(data_dir, mode)));
}

Result<std::unique_ptr<Log>> open_log(std::shared_ptr<const DirLock> held) {
  return std::unique_ptr<Log>(PAWL_TRY(RocksLog::open(std::move(held))));
}

}  // namespace pawl
