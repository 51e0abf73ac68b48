// The index of a log in a RocksDB of its own, DIR/index: a folder beside the log's database, so that nothing that
// happens to it can keep the log from being opened or written. Programs that do not know it leave it alone, and a
// backup leaves it out.
#pragma once

#include <rocksdb/db.h>

#include <functional>
#include <memory>
#include <shared_mutex>
#include <span>
#include <string>
#include <string_view>

#include "store/files.h"
#include "store/index_store.h"

namespace pawl {

/// Opened, and created if it is missing, at its first use. Threads: as IndexStore.
class RocksIndex final : public IndexStore {
 public:
  RocksIndex(Files& files, std::string path) : files_(files), path_(std::move(path)) {}

  Result<void> add(std::span<const IndexEntry> entries) override;
  Result<void> scan(std::string_view from,
                    const std::function<bool(std::string_view key, std::string_view value)>& each) override;
  Result<void> clear() override;

 private:
  Result<void> open();
  /// Opens it if it is not open, and keeps it so.
  Result<std::shared_lock<std::shared_mutex>> hold_open();

  Files& files_;
  const std::string path_;
  std::shared_mutex mutex_;  // held shared while the database is used
  std::unique_ptr<rocksdb::DB> db_;
};

}  // namespace pawl
