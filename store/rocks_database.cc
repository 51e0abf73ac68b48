#include "store/rocks_database.h"

#include <rocksdb/table.h>

#include <algorithm>
#include <array>

#include "store/tail.h"

namespace pawl {
namespace {

constexpr std::size_t mib = 1024 * 1024;

constexpr std::array<const char*, family_count> family_names = {"default", "meta", "log", "checkpoint", "archive"};

// In `meta`.
constexpr const char* written_by_key = "format";    // the newest format in this log
constexpr const char* readable_by_key = "barrier";  // the oldest format whose programs may open it

// RocksDB's text logs would create files in the folder, even for readers.
class Silent final : public rocksdb::Logger {
 public:
  using rocksdb::Logger::Logv;
  void Logv(const char*, va_list) override {}
};

rocksdb::DBOptions db_options(Files& files, rocksdb::WALRecoveryMode recovery) {
  rocksdb::DBOptions options = quiet_options(files);
  options.wal_recovery_mode = recovery;
  options.max_total_wal_size = 64 * mib;
  options.max_open_files = 512;
  options.max_background_jobs = 2;
  return options;
}

rocksdb::ColumnFamilyOptions family_options(std::size_t family) {
  rocksdb::ColumnFamilyOptions options;
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = rocksdb::NewLRUCache(4 * mib);
  if (family == log_blocks) {
    // Values are large and read in order, once.
    table.block_size = 64 * 1024;
    options.write_buffer_size = 32 * mib;
    options.compression = rocksdb::kNoCompression;
  } else {
    options.write_buffer_size = 8 * mib;
    options.compression = rocksdb::kLZ4Compression;
  }
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return options;
}

std::vector<rocksdb::ColumnFamilyDescriptor> all_families() {
  std::vector<rocksdb::ColumnFamilyDescriptor> families;
  for (std::size_t i = 0; i < family_count; ++i) families.emplace_back(family_names[i], family_options(i));
  return families;
}

}  // namespace

rocksdb::DBOptions quiet_options(Files& files) {
  rocksdb::DBOptions options;
  if (rocksdb::Env* env = files.rocksdb_env()) options.env = env;
  options.info_log = std::make_shared<Silent>();
  options.max_file_opening_threads = 1;  // by default, every opening starts 16 threads per column family for this
  options.skip_stats_update_on_db_open = true;
  options.stats_dump_period_sec = 0;
  options.stats_persist_period_sec = 0;
  return options;
}

Error error_of(const rocksdb::Status& status, const std::string& where) {
  if (status.IsCorruption()) return {ErrorCode::damaged, where + ": " + status.ToString()};
  if (status.IsNotFound() || status.IsPathNotFound()) return {ErrorCode::missing, where + ": " + status.ToString()};
  return {ErrorCode::io, where + ": " + status.ToString()};
}

Database::~Database() {  // RocksDB requires its handles back before it is closed
  for (rocksdb::ColumnFamilyHandle* family : families) db->DestroyColumnFamilyHandle(family);
}

std::unique_ptr<rocksdb::Iterator> Database::iterate(Family family, const rocksdb::ReadOptions& options) const {
  return std::unique_ptr<rocksdb::Iterator>(db->NewIterator(options, families[family]));
}

rocksdb::Status open_database(Files& files, const std::string& path, rocksdb::WALRecoveryMode recovery, Purpose purpose,
                              Database& opened) {
  rocksdb::DB* db = nullptr;
  rocksdb::Status status;
  rocksdb::DBOptions options = db_options(files, recovery);
  switch (purpose) {
    case Purpose::create:
      options.create_if_missing = true;
      options.create_missing_column_families = true;
      [[fallthrough]];
    case Purpose::write:
      status = rocksdb::DB::Open(options, path, all_families(), &opened.families, &db);
      break;
    case Purpose::read_only:
      status = rocksdb::DB::OpenForReadOnly(options, path, all_families(), &opened.families, &db);
      break;
  }
  opened.db.reset(db);
  return status;
}

Result<void> check_families(Files& files, const std::string& path) {
  if (!PAWL_TRY(files.exists(path + "/CURRENT"))) return Error{ErrorCode::missing, path + ": there is no log here"};
  PAWL_TRY(files.check_readable(path));  // RocksDB reports damaged and unreadable files alike
  std::vector<std::string> names;
  const rocksdb::Status status =
      rocksdb::DB::ListColumnFamilies(db_options(files, rocksdb::WALRecoveryMode::kAbsoluteConsistency), path, &names);
  // CURRENT exists, so the file it names must exist.
  if (!status.ok()) return damaged_at(Seq{1}, path, status.ToString());
  for (const char* wanted : family_names) {
    if (std::find(names.begin(), names.end(), wanted) == names.end()) {
      return Error{ErrorCode::malformed,
                   path + " is a RocksDB database but not a pawl log: it has no column family '" + wanted + "'"};
    }
  }
  return {};
}

Result<bool> check_format(const Database& database, const std::string& path) {
  std::string value;
  const rocksdb::Status status = database.db->Get({}, database.families[meta], readable_by_key, &value);
  if (status.IsNotFound()) {
    const auto blocks = database.iterate(log_blocks);
    blocks->SeekToFirst();
    if (!blocks->Valid() && blocks->status().ok()) {
      return false;  // an earlier pawl created the log and crashed before beginning it
    }
    return damaged_at(Seq{1}, path, "the log does not record its format");
  }
  if (!status.ok()) return error_of(status, path);
  const auto barrier = decode_version(value);
  if (!barrier) return damaged_at(Seq{1}, path, "the log does not record its format");
  if (*barrier > format_version) {
    return Error{ErrorCode::unsupported, path + " was written by a newer version: it needs format " +
                                             std::to_string(*barrier) + ", but this program knows only up to " +
                                             std::to_string(format_version)};
  }
  return true;
}

Result<void> write_format(const Database& database, const std::string& path) {
  rocksdb::WriteOptions durable;
  durable.sync = true;
  rocksdb::WriteBatch versions;
  rocksdb::Status status = versions.Put(database.families[meta], written_by_key, encode_version(format_version));
  if (status.ok()) {
    status = versions.Put(database.families[meta], readable_by_key, encode_version(format_version));
  }
  if (status.ok()) status = database.db->Write(durable, &versions);
  if (!status.ok()) return error_of(status, path);
  return {};
}

BlockWalk::BlockWalk(const Database& database, Seq from, std::string where)
    : database_(database), where_(std::move(where)), bytes_left_(mib / 4) {
  rocksdb::ReadOptions options;
  options.fill_cache = false;
  iterator_ = database.iterate(log_blocks, options);
  iterator_->SeekForPrev(encode_key(raw(from)));
  if (!iterator_->Valid() && iterator_->status().ok()) iterator_->SeekToFirst();
  const auto key = iterator_->Valid() ? decode_key(iterator_->key().ToStringView()) : std::nullopt;
  if (key && *key > 0 && *key <= raw(from)) last_ = static_cast<Seq>(*key - 1);
}

/// Stays at the same block. Not done at once, because the first look reads ahead in each of the tables.
void BlockWalk::read_ahead() {
  rocksdb::ReadOptions options;
  options.readahead_size = 2 * mib;
  options.fill_cache = false;
  const std::string key = iterator_->key().ToString();
  iterator_ = database_.iterate(log_blocks, options);
  iterator_->Seek(key);
}

Result<std::optional<Block>> BlockWalk::next_block() {
  if (started_ && iterator_->Valid()) {
    const std::size_t bytes = iterator_->value().size();
    if (bytes_left_ > 0 && bytes >= bytes_left_) read_ahead();
    bytes_left_ -= std::min(bytes_left_, bytes);
    if (iterator_->Valid()) iterator_->Next();
  }
  started_ = true;
  if (!iterator_->Valid()) {
    if (!iterator_->status().ok()) return damaged_at(next(last_), where_, iterator_->status().ToString());
    return std::optional<Block>();
  }
  const Result<Block> block = decode_block(iterator_->value().ToStringView());
  if (!block && block.error().code == ErrorCode::unsupported) return block.error();
  if (!block) return damaged_at(next(last_), where_, block.error().message);
  if (block->first != first_after(last_, *block) || decode_key(iterator_->key().ToStringView()) != raw(block->first)) {
    return damaged_at(next(last_), where_, "the next block begins at " + std::to_string(raw(block->first)));
  }
  last_ = block->last;
  return std::optional<Block>(*block);
}

}  // namespace pawl
