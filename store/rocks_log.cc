#include "store/rocks_log.h"

#include <rocksdb/db.h>
#include <rocksdb/table.h>
#include <rocksdb/utilities/checkpoint.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <filesystem>
#include <mutex>
#include <set>

#include "store/data_dir.h"
#include "store/key_format.h"
#include "store/tail.h"
#include "store/wal_scan.h"

namespace pawl {
namespace {

constexpr std::size_t mib = 1024 * 1024;

// Of whoever only reads, beside a writer that moves files.
constexpr int attempts_max = 10;

// A family of keys each. RocksDB insists on one named default; it stays empty.
enum Family : std::size_t { unused, meta, log_blocks, checkpoint_values, archive, family_count };
constexpr std::array<const char*, family_count> family_names = {"default", "meta", "log", "checkpoint", "archive"};

// In `meta`.
constexpr const char* written_by_key = "format";    // the newest format in this log
constexpr const char* readable_by_key = "barrier";  // the oldest format whose programs may open it

// RocksDB's own notes would be files in the folder, also of those who only read.
class Silent final : public rocksdb::Logger {
 public:
  using rocksdb::Logger::Logv;
  void Logv(const char*, va_list) override {}
};

rocksdb::DBOptions db_options(Files& files, rocksdb::WALRecoveryMode recovery) {
  rocksdb::DBOptions options;
  if (rocksdb::Env* env = files.rocksdb_env()) options.env = env;
  options.wal_recovery_mode = recovery;
  options.info_log = std::make_shared<Silent>();
  options.max_total_wal_size = 64 * mib;
  options.max_open_files = 512;
  options.max_file_opening_threads = 1;  // by default 16 threads a family are started for it, at every opening
  options.max_background_jobs = 2;
  options.skip_stats_update_on_db_open = true;
  options.stats_dump_period_sec = 0;
  options.stats_persist_period_sec = 0;
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

Error error_of(const rocksdb::Status& status, const std::string& where) {
  if (status.IsCorruption()) return {ErrorCode::damaged, where + ": " + status.ToString()};
  if (status.IsNotFound() || status.IsPathNotFound()) return {ErrorCode::missing, where + ": " + status.ToString()};
  return {ErrorCode::io, where + ": " + status.ToString()};
}

/// An open RocksDB with its families. Closed by the destructor.
struct Database {
  std::unique_ptr<rocksdb::DB> db;
  std::vector<rocksdb::ColumnFamilyHandle*> families;

  Database() = default;
  Database(Database&&) = default;
  Database& operator=(Database&& other) noexcept {
    std::swap(db, other.db);
    std::swap(families, other.families);
    return *this;
  }
  ~Database() {  // RocksDB wants its handles back before it is closed
    for (rocksdb::ColumnFamilyHandle* family : families) db->DestroyColumnFamilyHandle(family);
  }

  std::unique_ptr<rocksdb::Iterator> iterate(Family family, const rocksdb::ReadOptions& options = {}) const {
    return std::unique_ptr<rocksdb::Iterator>(db->NewIterator(options, families[family]));
  }
};

enum class Purpose { create, write, survey };

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
    case Purpose::survey:
      status = rocksdb::DB::OpenForReadOnly(options, path, all_families(), &opened.families, &db);
      break;
  }
  opened.db.reset(db);
  return status;
}

/// Reads blocks in order and watches that no seq is missing between them.
class BlockWalk {
 public:
  /// Begins with the block that holds `from`, or would: the one before it if there is none behind.
  BlockWalk(const Database& database, Seq from, std::string where) : where_(std::move(where)) {
    rocksdb::ReadOptions options;
    options.readahead_size = 2 * mib;
    options.fill_cache = false;
    iterator_ = database.iterate(log_blocks, options);
    iterator_->SeekForPrev(encode_key(raw(from)));
    if (!iterator_->Valid() && iterator_->status().ok()) iterator_->SeekToFirst();
    const auto key = iterator_->Valid() ? decode_key(iterator_->key().ToStringView()) : std::nullopt;
    if (key && *key > 0 && *key <= raw(from)) last_ = static_cast<Seq>(*key - 1);
  }

  /// The next block; none at the end; `damaged` naming the first seq that cannot be read.
  Result<std::optional<Block>> next_block() {
    if (started_ && iterator_->Valid()) iterator_->Next();
    started_ = true;
    if (!iterator_->Valid()) {
      if (!iterator_->status().ok()) return damaged_at(next(last_), where_, iterator_->status().ToString());
      return std::optional<Block>();
    }
    const Result<Block> block = decode_block(iterator_->value().ToStringView());
    if (!block && block.error().code == ErrorCode::unsupported) return block.error();
    if (!block) return damaged_at(next(last_), where_, block.error().message);
    if (block->first != next(last_) || decode_key(iterator_->key().ToStringView()) != raw(block->first)) {
      return damaged_at(next(last_), where_, "the next block begins with " + std::to_string(raw(block->first)));
    }
    last_ = block->last;
    return std::optional<Block>(*block);
  }

  /// The last seq of the blocks so far; before the first, the one before it.
  Seq last() const { return last_; }

 private:
  std::string where_;
  std::unique_ptr<rocksdb::Iterator> iterator_;
  bool started_ = false;
  Seq last_{};
};

/// Whether this program may open the log. Answers whether the log was begun at all.
Result<bool> check_format(const Database& database, const std::string& path) {
  std::string value;
  const rocksdb::Status status = database.db->Get({}, database.families[meta], readable_by_key, &value);
  if (status.IsNotFound()) {
    const auto blocks = database.iterate(log_blocks);
    blocks->SeekToFirst();
    if (!blocks->Valid() && blocks->status().ok())
      return false;  // by an earlier pawl, made and not begun: a crash came between
    return damaged_at(Seq{1}, path, "the log does not say which format it has");
  }
  if (!status.ok()) return error_of(status, path);
  const auto barrier = decode_version(value);
  if (!barrier) return damaged_at(Seq{1}, path, "the log does not say which format it has");
  if (*barrier > format_version) {
    return Error{ErrorCode::unsupported, path + " was written by a newer version: it asks for format " +
                                             std::to_string(*barrier) + ", this program knows " +
                                             std::to_string(format_version)};
  }
  return true;
}

/// Says in the log which format it has.
Result<void> begin(const Database& database, const std::string& path) {
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

struct Survey {
  Database database;  // open for reading
  bool begun = false;
  Seq last{};
  std::optional<Seq> torn_at;
  rocksdb::WALRecoveryMode recovery = rocksdb::WALRecoveryMode::kAbsoluteConsistency;
};

/// Opens for reading by ever more lenient rules; what the strict ones refused is evidence.
Result<LogEnd> open_leniently(Files& files, const std::string& path, Survey& survey) {
  using Mode = rocksdb::WALRecoveryMode;
  rocksdb::Status status;
  for (const auto& [mode, end] : {std::pair(Mode::kAbsoluteConsistency, LogEnd::clean),
                                  std::pair(Mode::kTolerateCorruptedTailRecords, LogEnd::cut_short),
                                  std::pair(Mode::kSkipAnyCorruptedRecords, LogEnd::wrong_bytes)}) {
    survey.database = Database();
    survey.recovery = mode;
    status = open_database(files, path, mode, Purpose::survey, survey.database);
    if (status.ok()) return end;
    if (!status.IsCorruption()) break;
  }
  // CURRENT is there, so what it leads to has to be.
  const bool gone = status.IsNotFound() || status.IsPathNotFound();
  if (status.IsCorruption() || gone) return damaged_at(Seq{1}, path, status.ToString());
  return error_of(status, path);
}

/// Whether RocksDB and its families are there. `malformed`: it is not pawl's.
Result<void> check_families(Files& files, const std::string& path) {
  if (!PAWL_TRY(files.exists(path + "/CURRENT"))) return Error{ErrorCode::missing, path + ": there is no log"};
  PAWL_TRY(files.check_readable(path));  // RocksDB says the same of what is damaged and of what it may not read
  std::vector<std::string> names;
  const rocksdb::Status status =
      rocksdb::DB::ListColumnFamilies(db_options(files, rocksdb::WALRecoveryMode::kAbsoluteConsistency), path, &names);
  // CURRENT is there, so what it leads to has to be.
  if (!status.ok()) return damaged_at(Seq{1}, path, status.ToString());
  for (const char* wanted : family_names) {
    if (std::find(names.begin(), names.end(), wanted) == names.end()) {
      return Error{ErrorCode::malformed, path + " is a database, but no log of pawl: it has no '" + wanted + "'"};
    }
  }
  return {};
}

/// Where a survey begins to look for gaps. What is in tables was looked at when it got there, so that is where the
/// write-ahead files begin, and the block before; where anything is wrong, the log's beginning, to find the first seq
/// concerned.
Seq first_to_walk(const Database& database, const FoundBlocks& in_wal, LogEnd end) {
  if (end == LogEnd::wrong_bytes) return Seq{1};
  if (in_wal.lowest > Seq{1}) return static_cast<Seq>(raw(in_wal.lowest) - 1);
  const auto blocks = database.iterate(log_blocks);
  blocks->SeekToLast();
  if (in_wal.lowest == Seq{1} || !blocks->Valid()) return Seq{1};
  return static_cast<Seq>(decode_key(blocks->key().ToStringView()).value_or(1));
}

Result<Survey> survey(Files& files, const std::string& dir) {
  const std::string path = dir + "/log";
  TailEvidence evidence;
  // In this order: a writer beside us only adds, so what seal and files show now, the database must have later.
  evidence.sealed = PAWL_TRY(read_seal(dir, files));
  const FoundInWal in_wal = PAWL_TRY(blocks_in_wal(path, files));
  PAWL_TRY(check_families(files, path));

  Survey survey;
  evidence.end = PAWL_TRY(open_leniently(files, path, survey));
  if (evidence.end == LogEnd::clean && in_wal.has_hole) evidence.end = LogEnd::cut_short;
  evidence.highest = in_wal.highest;
  survey.begun = PAWL_TRY(check_format(survey.database, path));

  BlockWalk walk(survey.database, first_to_walk(survey.database, in_wal, evidence.end), path);
  while (true) {
    const Result<std::optional<Block>> block = walk.next_block();
    if (!block && block.error().code == ErrorCode::unsupported) return block.error();
    if (!block) evidence.end = LogEnd::wrong_bytes;
    if (!block || !*block) break;
  }
  evidence.last = walk.last();
  survey.last = evidence.last;
  survey.torn_at = PAWL_TRY(judge_tail(evidence, path));
  return survey;
}

std::set<std::string> names_in(Files& files, const std::string& folder) {
  const Result<std::vector<std::string>> names = files.names_in(folder);
  return names ? std::set<std::string>(names->begin(), names->end()) : std::set<std::string>();
}

}  // namespace

struct RocksLog::Impl {
  Impl(Files& files_, std::string dir_, Mode mode_) : files(files_), dir(std::move(dir_)), mode(mode_) {}

  Files& files;
  std::string dir;
  Mode mode;
  std::optional<DirLock> lock;  // before the database: released after it is closed
  Database database;
  std::optional<Seq> torn_at;

  std::atomic<Seq> last{};  // durable
  bool failed = false;      // appending thread alone
  std::string block;        // reused by append
  rocksdb::WriteBatch write;
  std::mutex checkpointing;

  std::string path() const { return dir + "/log"; }
  rocksdb::ColumnFamilyHandle* family(Family family) const { return database.families[family]; }

  Result<void> create();
  Result<void> open_for_writing();
  Result<void> open_for_reading();
  Result<void> copy_to(const std::string& target);
};

RocksLog::RocksLog(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
RocksLog::~RocksLog() = default;

Result<std::unique_ptr<RocksLog>> RocksLog::open(const std::string& dir, Mode mode, Files& files) {
  auto impl = std::make_unique<Impl>(files, dir, mode);
  switch (mode) {
    case Mode::write:
      PAWL_TRY(impl->open_for_writing());
      break;
    case Mode::read_only:
      PAWL_TRY(impl->open_for_reading());
      break;
  }
  return std::unique_ptr<RocksLog>(new RocksLog(std::move(impl)));
}

/// Makes the log under another name: a database comes in many steps, and one that was cut short in the midst of them
/// could not be told from somebody else's.
Result<void> RocksLog::Impl::create() {
  const Seq sealed = PAWL_TRY(read_seal(dir, files));
  if (sealed > Seq{}) {
    return damaged_at(Seq{1}, path(), "the log is gone; it was sealed at " + std::to_string(raw(sealed)));
  }
  if (!names_in(files, path()).empty()) return damaged_at(Seq{1}, path(), "there is a log without its CURRENT");
  const std::string fresh = path() + ".new";
  files.remove_all(fresh);  // of a start that was cut short
  Database made;
  const rocksdb::Status status =
      open_database(files, fresh, rocksdb::WALRecoveryMode::kAbsoluteConsistency, Purpose::create, made);
  if (!status.ok()) return error_of(status, fresh);
  PAWL_TRY(begin(made, fresh));
  made = Database();
  return files.rename(fresh, path());
}

Result<void> RocksLog::Impl::open_for_writing() {
  PAWL_TRY(make_data_dir(dir, files));
  // Before anything is changed: RocksDB moves files at each opening, and gets far before it misses a right.
  PAWL_TRY(files.check_writable(dir));
  const bool is_old = PAWL_TRY(files.exists(path()));
  if (is_old) PAWL_TRY(files.check_writable(path()));
  lock = PAWL_TRY(DirLock::take(dir));
  if (!PAWL_TRY(files.exists(path() + "/CURRENT"))) PAWL_TRY(create());
  // Of the log's own name; also if it was there: whoever gave it may have been killed before this.
  PAWL_TRY(files.sync(dir));
  Survey found = PAWL_TRY(survey(files, dir));
  found.database = Database();
  last = found.last;
  torn_at = found.torn_at;
  const rocksdb::Status status = open_database(files, path(), found.recovery, Purpose::write, database);
  if (!status.ok()) return error_of(status, path());
  if (!found.begun) PAWL_TRY(begin(database, path()));
  return {};
}

Result<void> RocksLog::Impl::open_for_reading() {
  // A writer beside us may delete, while we look, a file whose content it has just moved to another: what looks like
  // trouble counts only if the folder stood still meanwhile.
  for (int attempt = 1;; ++attempt) {
    const std::set<std::string> names = names_in(files, path());
    Result<Survey> found = survey(files, dir);
    if (!found && attempt < attempts_max && names_in(files, path()) != names) continue;
    if (!found) return std::move(found).error();
    if (!found->begun) return Error{ErrorCode::missing, path() + ": the log was not begun yet"};
    database = std::move(found->database);
    last = found->last;
    torn_at = found->torn_at;
    return {};
  }
}

Result<void> RocksLog::append(const Batch& batch, Seq expected_next) {
  if (impl_->mode == Mode::read_only) return Error{ErrorCode::io, impl_->path() + ": opened for reading only"};
  if (impl_->failed) return Error{ErrorCode::io, impl_->path() + ": an append failed before"};
  const Seq last = impl_->last;
  if (expected_next != next(last)) {
    return Error{ErrorCode::busy, impl_->path() + ": the next record is " + std::to_string(raw(last) + 1) + ", not " +
                                      std::to_string(raw(expected_next))};
  }

  encode_block(batch.records, expected_next, last, impl_->block);
  impl_->write.Clear();
  rocksdb::Status status;
  for (const ArchivedBytes& archived : batch.archived) {
    status = impl_->write.Put(impl_->family(archive), encode_key(raw(archived.task)), encode_archived(archived));
    if (!status.ok()) break;
  }
  // The block comes last: if it stands whole in the write-ahead file, then so does all that was written with it, and
  // what a crash cut off is never taken for damage.
  if (status.ok()) {
    status = impl_->write.Put(impl_->family(log_blocks), encode_key(raw(expected_next)), impl_->block);
  }
  rocksdb::WriteOptions durable;
  durable.sync = true;
  if (status.ok()) status = impl_->database.db->Write(durable, &impl_->write);
  if (!status.ok()) {
    impl_->failed = true;
    return error_of(status, impl_->path() + ": record " + std::to_string(raw(expected_next)));
  }
  impl_->last = static_cast<Seq>(raw(last) + batch.records.size());
  return {};
}

Result<void> RocksLog::read(Seq from, const std::function<bool(RecordBytes)>& each) {
  from = std::max(from, Seq{1});
  if (from > impl_->last.load()) return {};
  BlockWalk walk(impl_->database, from, impl_->path());
  BlockReader reader;
  while (true) {
    const std::optional<Block> block = PAWL_TRY(walk.next_block());
    if (!block) break;
    if (!reader.read(*block, from, each)) return {};
  }
  return {};
}

Result<void> RocksLog::checkpoint(const StoredCheckpoint& checkpoint) {
  const std::lock_guard lock(impl_->checkpointing);
  // Not through the write-ahead file: a checkpoint is no smaller than the state, and losing one loses nothing.
  rocksdb::WriteOptions aside;
  aside.disableWAL = true;
  rocksdb::ColumnFamilyHandle* family = impl_->family(checkpoint_values);
  const std::string where = impl_->path() + ": checkpoint " + std::to_string(raw(checkpoint.seq));
  rocksdb::DB& db = *impl_->database.db;
  rocksdb::Status status = db.Put(aside, family, encode_key(raw(checkpoint.seq)), encode_checkpoint(checkpoint));
  if (status.ok()) status = db.Flush({}, family);
  if (!status.ok()) return error_of(status, where);

  const std::vector<Seq> stored = checkpoints();
  for (std::size_t i = checkpoints_kept; i < stored.size(); ++i) {
    status = db.Delete(aside, family, encode_key(raw(stored[i])));
    if (!status.ok()) return error_of(status, where);
  }
  return {};
}

std::optional<Seq> RocksLog::torn_at() const {
  return impl_->torn_at;
}

std::vector<Seq> RocksLog::checkpoints() {
  std::vector<Seq> seqs;
  const auto at = impl_->database.iterate(checkpoint_values);
  for (at->SeekToLast(); at->Valid(); at->Prev()) {
    if (const auto key = decode_key(at->key().ToStringView())) seqs.push_back(Seq{*key});
  }
  return seqs;
}

Result<StoredCheckpoint> RocksLog::load_checkpoint(Seq seq) {
  rocksdb::PinnableSlice value;
  const rocksdb::Status status =
      impl_->database.db->Get({}, impl_->family(checkpoint_values), encode_key(raw(seq)), &value);
  if (!status.ok()) return error_of(status, impl_->path() + ": checkpoint " + std::to_string(raw(seq)));
  return decode_checkpoint(value.ToStringView(), seq);
}

Result<std::vector<std::uint8_t>> RocksLog::archived(TaskId task) {
  rocksdb::PinnableSlice value;
  const rocksdb::Status status = impl_->database.db->Get({}, impl_->family(archive), encode_key(raw(task)), &value);
  if (!status.ok()) return error_of(status, impl_->path() + ": archived task " + std::to_string(raw(task)));
  return decode_archived(value.ToStringView(), task);
}

Result<void> RocksLog::read_archive(TaskId from, const std::function<bool(TaskId, RecordBytes)>& each) {
  const auto at = impl_->database.iterate(archive);
  for (at->Seek(encode_key(raw(from))); at->Valid(); at->Next()) {
    const auto key = decode_key(at->key().ToStringView());
    if (!key) return Error{ErrorCode::damaged, impl_->path() + ": a key of the archive is no task's"};
    const std::vector<std::uint8_t> bytes = PAWL_TRY(decode_archived(at->value().ToStringView(), TaskId{*key}));
    if (!each(TaskId{*key}, bytes)) return {};
  }
  if (!at->status().ok()) return error_of(at->status(), impl_->path() + ": the archive");
  return {};
}

Result<void> RocksLog::seal() {
  if (impl_->mode == Mode::read_only) return Error{ErrorCode::io, impl_->path() + ": opened for reading only"};
  return write_seal(impl_->dir, impl_->last, impl_->files);
}

Seq RocksLog::last_seq() const {
  return impl_->last;
}

Result<void> RocksLog::Impl::copy_to(const std::string& target) {
  const Seq covered = last;
  rocksdb::Checkpoint* made = nullptr;
  rocksdb::Status status = rocksdb::Checkpoint::Create(database.db.get(), &made);
  const std::unique_ptr<rocksdb::Checkpoint> checkpoint(made);
  // A writer moves its write-ahead file to tables first; who only reads has to take it as it is.
  const std::uint64_t flush_beyond = mode == Mode::write ? 0 : UINT64_MAX;
  if (status.ok()) status = checkpoint->CreateCheckpoint(target + "/log", flush_beyond);
  if (!status.ok()) return error_of(status, target);
  PAWL_TRY(write_seal(target, covered, files));
  const Survey copy = PAWL_TRY(survey(files, target));  // what cannot be opened is no backup
  if (copy.last < covered) return damaged_at(next(copy.last), target, "the copy lacks it");
  return {};
}

Result<void> RocksLog::backup(const std::string& target) {
  Files& files = impl_->files;
  const bool made = PAWL_TRY(files.make_dir(target));
  if (!made) return Error{ErrorCode::malformed, target + " exists already"};
  Result<void> copied = impl_->copy_to(target);
  // A writer beside us may have deleted what we saw when we opened: look again.
  for (int attempt = 1; !copied && impl_->mode == Mode::read_only && attempt < attempts_max; ++attempt) {
    files.remove_all(target + "/log");
    const Result<std::unique_ptr<RocksLog>> again = open(impl_->dir, Mode::read_only, files);
    if (!again) break;
    copied = (*again)->impl_->copy_to(target);
  }
  if (!copied) {
    files.remove_all(target);  // made by us just now
    return copied.error();
  }
  return files.sync(std::filesystem::absolute(target).lexically_normal().parent_path().string());
}

}  // namespace pawl
