#include "store/rocks_index.h"

#include <rocksdb/table.h>

#include "store/rocks_database.h"

namespace pawl {
namespace {

rocksdb::Options index_options(Files& files) {
  rocksdb::Options options(quiet_options(files), {});
  options.create_if_missing = true;
  options.max_open_files = 64;
  options.max_background_jobs = 1;
  options.write_buffer_size = std::size_t{8} << 20;
  options.compression = rocksdb::kLZ4Compression;
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = rocksdb::NewLRUCache(std::size_t{4} << 20);
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return options;
}

}  // namespace

Result<void> RocksIndex::open() {
  const std::unique_lock lock(mutex_);
  if (db_) return {};
  PAWL_TRY(files_.make_dir(path_));
  rocksdb::DB* db = nullptr;
  const rocksdb::Status status = rocksdb::DB::Open(index_options(files_), path_, &db);
  if (!status.ok()) return error_of(status, path_);
  db_.reset(db);
  return {};
}

Result<std::shared_lock<std::shared_mutex>> RocksIndex::hold_open() {
  while (true) {
    std::shared_lock lock(mutex_);
    if (db_) return lock;
    // A clear() may come between the opening and the lock.
    lock.unlock();
    PAWL_TRY(open());
  }
}

Result<void> RocksIndex::add(std::span<const IndexEntry> entries) {
  const std::shared_lock lock = PAWL_TRY(hold_open());
  rocksdb::WriteBatch write;
  rocksdb::Status status;
  for (const IndexEntry& entry : entries) {
    if (status.ok()) status = write.Put(entry.key, entry.value);
  }
  // Without the write-ahead file: what a crash takes is made again from the log. All is in one column family, so a
  // table that is complete has whole batches, and all those before them.
  rocksdb::WriteOptions aside;
  aside.disableWAL = true;
  if (status.ok()) status = db_->Write(aside, &write);
  if (!status.ok()) return error_of(status, path_);
  return {};
}

Result<void> RocksIndex::scan(std::string_view from,
                              const std::function<bool(std::string_view key, std::string_view value)>& each) {
  const std::shared_lock lock = PAWL_TRY(hold_open());
  const std::unique_ptr<rocksdb::Iterator> at(db_->NewIterator({}));
  for (at->Seek(from); at->Valid(); at->Next()) {
    if (!each(at->key().ToStringView(), at->value().ToStringView())) return {};
  }
  if (!at->status().ok()) return error_of(at->status(), path_);
  return {};
}

Result<void> RocksIndex::clear() {
  const std::unique_lock lock(mutex_);
  db_.reset();
  files_.remove_all(path_);
  const bool is_left = PAWL_TRY(files_.exists(path_));
  if (is_left) return Error{ErrorCode::io, path_ + " cannot be removed"};
  return {};
}

}  // namespace pawl
