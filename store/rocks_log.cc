#include "store/rocks_log.h"

#include <rocksdb/utilities/checkpoint.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "store/data_dir.h"
#include "store/durable_seq.h"
#include "store/log_scan.h"
#include "store/os/mutex.h"
#include "store/rocks_index.h"
#include "store/tail.h"

namespace pawl {
namespace {

// For readers, while a writer moves files.
constexpr int attempts_max = 10;

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
  std::shared_ptr<const DirLock> lock;  // declared before the database, so released after it is closed
  Database database;
  RocksIndex index{files, dir + "/index"};
  std::optional<Seq> torn_at;
  std::optional<Error> damage;  // what follows the last record of a readable part

  DurableSeq durable;
  bool failed = false;  // appending thread only
  std::string block;    // reused by append
  rocksdb::WriteBatch write;
  Mutex checkpointing;

  std::string path() const { return dir + "/log"; }
  rocksdb::ColumnFamilyHandle* family(Family family) const { return database.families[family]; }

  Result<void> check_not_lost();
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
    case Mode::readable_part:
      PAWL_TRY(impl->open_for_reading());
      break;
  }
  return std::unique_ptr<RocksLog>(new RocksLog(std::move(impl)));
}

Result<std::unique_ptr<RocksLog>> RocksLog::open(std::shared_ptr<const DirLock> held) {
  auto impl = std::make_unique<Impl>(disk_files(), ".", Mode::write);
  impl->lock = std::move(held);
  PAWL_TRY(impl->open_for_writing());
  return std::unique_ptr<RocksLog>(new RocksLog(std::move(impl)));
}

/// Requires: the log has no CURRENT file. `damaged` if there was a log here.
Result<void> RocksLog::Impl::check_not_lost() {
  const Seq sealed = PAWL_TRY(read_seal(dir, files));
  const bool has_files = !names_in(files, path()).empty();
  if (sealed > Seq{}) {
    return damaged_at(Seq{1}, path(),
                      std::string("the log ") + (has_files ? "has no CURRENT file" : "is gone") +
                          "; it was sealed at " + std::to_string(raw(sealed)));
  }
  if (has_files) return damaged_at(Seq{1}, path(), "the log has no CURRENT file");
  return {};
}

/// Creates the log under a temporary name: creating a database takes many steps, and one interrupted halfway could not
/// be distinguished from a foreign one.
Result<void> RocksLog::Impl::create() {
  PAWL_TRY(check_not_lost());
  const std::string fresh = path() + ".new";
  files.remove_all(fresh);  // from an interrupted start
  Database made;
  const rocksdb::Status status =
      open_database(files, fresh, rocksdb::WALRecoveryMode::kAbsoluteConsistency, Purpose::create, made);
  if (!status.ok()) return error_of(status, fresh);
  PAWL_TRY(write_format(made, fresh));
  made = Database();
  return files.rename(fresh, path());
}

Result<void> RocksLog::Impl::open_for_writing() {
  PAWL_TRY(make_data_dir(dir, files));
  // Check before anything is changed: RocksDB moves files at every opening, and gets far before it finds that it lacks
  // a permission.
  PAWL_TRY(files.check_writable(dir));
  const bool is_old = PAWL_TRY(files.exists(path()));
  if (is_old) PAWL_TRY(files.check_writable(path()));
  if (!lock) lock = std::make_shared<const DirLock>(PAWL_TRY(DirLock::take(dir)));
  if (!PAWL_TRY(files.exists(path() + "/CURRENT"))) PAWL_TRY(create());
  // Sync the log's directory entry even if it already existed: the process that created it may have been killed before
  // this.
  PAWL_TRY(files.sync(dir));
  LogScan found = PAWL_TRY(scan_log(files, dir));
  found.database = Database();
  durable.advance(found.last);
  torn_at = found.torn_at;
  const rocksdb::Status status = open_database(files, path(), found.recovery, Purpose::write, database);
  if (!status.ok()) return error_of(status, path());
  if (!found.begun) PAWL_TRY(write_format(database, path()));
  return {};
}

Result<void> RocksLog::Impl::open_for_reading() {
  if (!PAWL_TRY(files.exists(dir))) return Error{ErrorCode::missing, dir + ": no such folder"};
  if (!PAWL_TRY(files.exists(path() + "/CURRENT"))) {
    PAWL_TRY(check_not_lost());
    return Error{ErrorCode::missing, dir + " is not a pawl data folder (it has no log/)"};
  }
  const Extent extent = mode == Mode::readable_part ? Extent::part : Extent::whole;
  // While we look, a concurrent writer may delete a file whose content it has just moved to another: an apparent
  // problem counts only if the folder did not change meanwhile.
  for (int attempt = 1;; ++attempt) {
    const std::set<std::string> names = names_in(files, path());
    Result<LogScan> found = scan_log(files, dir, extent);
    const bool is_whole = found && !found->damage;
    if (!is_whole && attempt < attempts_max && names_in(files, path()) != names) continue;
    if (!found) return std::move(found).error();
    if (!found->begun) return Error{ErrorCode::missing, path() + ": the log has not been begun yet"};
    database = std::move(found->database);
    durable.advance(found->last);
    torn_at = found->torn_at;
    damage = std::move(found->damage);
    return {};
  }
}

Result<void> RocksLog::append(const Batch& batch, Seq expected_next) {
  if (impl_->mode != Mode::write) return Error{ErrorCode::io, impl_->path() + ": opened read-only"};
  if (impl_->failed) return Error{ErrorCode::io, impl_->path() + ": an earlier append failed"};
  const Seq last = impl_->durable.last();
  const Seq first = first_after(last, expected_next, batch.records.front());
  if (expected_next != first) {
    return Error{ErrorCode::superseded, impl_->path() + ": the next record is " + std::to_string(raw(first)) +
                                            ", not " + std::to_string(raw(expected_next))};
  }

  encode_block(batch.records, first, last, impl_->block);
  impl_->write.Clear();
  rocksdb::Status status;
  for (const ArchivedBytes& archived : batch.archived) {
    status = impl_->write.Put(impl_->family(archive), encode_key(raw(archived.task)), encode_archived(archived));
    if (!status.ok()) break;
  }
  // The block comes last: if it is complete in the write-ahead file, so is everything written with it, and what a crash
  // cut off is never mistaken for damage.
  if (status.ok()) {
    status = impl_->write.Put(impl_->family(log_blocks), encode_key(raw(first)), impl_->block);
  }
  rocksdb::WriteOptions durable;
  durable.sync = true;
  if (status.ok()) status = impl_->database.db->Write(durable, &impl_->write);
  if (!status.ok()) {
    impl_->failed = true;
    return error_of(status, impl_->path() + ": record " + std::to_string(raw(first)));
  }
  // It would be durable in a folder where it would never be found: the next start opens whatever has that name now.
  if (const auto named = impl_->lock->check_name(); !named) {
    impl_->failed = true;
    return named.error();
  }
  impl_->durable.advance(static_cast<Seq>(raw(first) + batch.records.size() - 1));
  return {};
}

Result<void> RocksLog::read(Seq from, const std::function<bool(RecordBytes)>& each) {
  from = std::max(from, Seq{1});
  const Result<void> end = impl_->damage ? Result<void>(*impl_->damage) : Result<void>();
  if (from > impl_->durable.last()) return end;
  BlockWalk walk(impl_->database, from, impl_->path());
  BlockReader reader;
  while (!impl_->damage || walk.last() < impl_->durable.last()) {
    const std::optional<Block> block = PAWL_TRY(walk.next_block());
    if (!block) break;
    if (!reader.read(*block, from, each)) return {};
  }
  return end;
}

Result<void> RocksLog::follow(Seq from, const std::function<bool(RecordBytes)>& each, std::stop_token stop) {
  return impl_->durable.follow(*this, from, each, stop);
}

Result<void> RocksLog::store(const StoredCheckpoint& checkpoint) {
  const MutexLock lock(impl_->checkpointing);
  // Bypasses the write-ahead file: a checkpoint is as large as the state, and losing one loses nothing.
  rocksdb::WriteOptions aside;
  aside.disableWAL = true;
  rocksdb::ColumnFamilyHandle* family = impl_->family(checkpoint_values);
  const std::string where = impl_->path() + ": checkpoint " + std::to_string(raw(checkpoint.seq));
  rocksdb::DB& db = *impl_->database.db;
  rocksdb::Status status = db.Put(aside, family, encode_key(raw(checkpoint.seq)), encode_checkpoint(checkpoint));
  if (status.ok()) status = db.Flush({}, family);
  if (!status.ok()) return error_of(status, where);

  const std::vector<Seq> stored = list();
  for (std::size_t i = checkpoints_kept; i < stored.size(); ++i) {
    status = db.Delete(aside, family, encode_key(raw(stored[i])));
    if (!status.ok()) return error_of(status, where);
  }
  return {};
}

std::optional<Seq> RocksLog::torn_at() const {
  return impl_->torn_at;
}

std::vector<Seq> RocksLog::list() {
  std::vector<Seq> seqs;
  const auto at = impl_->database.iterate(checkpoint_values);
  for (at->SeekToLast(); at->Valid(); at->Prev()) {
    if (const auto key = decode_key(at->key().ToStringView())) seqs.push_back(Seq{*key});
  }
  return seqs;
}

Result<StoredCheckpoint> RocksLog::load(Seq seq) {
  rocksdb::PinnableSlice value;
  const rocksdb::Status status =
      impl_->database.db->Get({}, impl_->family(checkpoint_values), encode_key(raw(seq)), &value);
  if (!status.ok()) return error_of(status, impl_->path() + ": checkpoint " + std::to_string(raw(seq)));
  return decode_checkpoint(value.ToStringView(), seq);
}

Result<std::vector<std::uint8_t>> RocksLog::find(TaskId task) {
  rocksdb::PinnableSlice value;
  const rocksdb::Status status = impl_->database.db->Get({}, impl_->family(archive), encode_key(raw(task)), &value);
  if (!status.ok()) return error_of(status, impl_->path() + ": archived task " + std::to_string(raw(task)));
  return decode_archived(value.ToStringView(), task);
}

Result<void> RocksLog::walk(TaskId from, const std::function<bool(TaskId, RecordBytes)>& each) {
  const auto at = impl_->database.iterate(archive);
  for (at->Seek(encode_key(raw(from))); at->Valid(); at->Next()) {
    const auto key = decode_key(at->key().ToStringView());
    if (!key) return Error{ErrorCode::damaged, impl_->path() + ": the archive has a key that is not a task id"};
    const std::vector<std::uint8_t> bytes = PAWL_TRY(decode_archived(at->value().ToStringView(), TaskId{*key}));
    if (!each(TaskId{*key}, bytes)) return {};
  }
  if (!at->status().ok()) return error_of(at->status(), impl_->path() + ": the archive");
  return {};
}

Result<void> RocksLog::add(std::span<const IndexEntry> entries) {
  if (impl_->mode != Mode::write) return Error{ErrorCode::io, impl_->path() + ": opened read-only"};
  return impl_->index.add(entries);
}

Result<void> RocksLog::scan(std::string_view from,
                            const std::function<bool(std::string_view key, std::string_view value)>& each) {
  if (impl_->mode != Mode::write) return {};
  return impl_->index.scan(from, each);
}

Result<void> RocksLog::clear() {
  if (impl_->mode != Mode::write) return Error{ErrorCode::io, impl_->path() + ": opened read-only"};
  return impl_->index.clear();
}

Result<void> RocksLog::seal() {
  if (impl_->mode != Mode::write) return Error{ErrorCode::io, impl_->path() + ": opened read-only"};
  return write_seal(impl_->dir, impl_->durable.last(), impl_->files);
}

Seq RocksLog::last_seq() const {
  return impl_->durable.last();
}

Result<void> RocksLog::Impl::copy_to(const std::string& target) {
  const Seq covered = durable.last();
  rocksdb::Checkpoint* made = nullptr;
  rocksdb::Status status = rocksdb::Checkpoint::Create(database.db.get(), &made);
  const std::unique_ptr<rocksdb::Checkpoint> checkpoint(made);
  // A writer first moves its write-ahead file to tables; a reader has to copy it as it is.
  const std::uint64_t flush_beyond = mode == Mode::write ? 0 : UINT64_MAX;
  if (status.ok()) status = checkpoint->CreateCheckpoint(target + "/log", flush_beyond);
  if (!status.ok()) return error_of(status, target);
  PAWL_TRY(write_seal(target, covered, files));
  const LogScan copy = PAWL_TRY(scan_log(files, target));  // a copy that cannot be opened is not a backup
  if (copy.last < covered) return damaged_at(next(copy.last), target, "it is missing from the copy");
  return {};
}

Result<void> RocksLog::backup(const std::string& target) {
  Files& files = impl_->files;
  const bool made = PAWL_TRY(files.make_dir(target));
  if (!made) return Error{ErrorCode::malformed, target + " already exists"};
  Result<void> copied = impl_->copy_to(target);
  // A concurrent writer may have deleted files that we saw when we opened: look again.
  for (int attempt = 1; !copied && impl_->mode != Mode::write && attempt < attempts_max; ++attempt) {
    files.remove_all(target + "/log");
    const Result<std::unique_ptr<RocksLog>> again = open(impl_->dir, Mode::read_only, files);
    if (!again) break;
    copied = (*again)->impl_->copy_to(target);
  }
  if (!copied) {
    files.remove_all(target);  // we have just created it
    return copied.error();
  }
  return files.sync(std::filesystem::absolute(target).lexically_normal().parent_path().string());
}

}  // namespace pawl
