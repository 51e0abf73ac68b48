#include "tests/crashpoints/crash_files.h"

#include <rocksdb/env.h>
#include <rocksdb/file_system.h>
#include <rocksdb/system_clock.h>

#include <algorithm>
#include <condition_variable>
#include <cstring>
#include <mutex>

namespace pawl::crash {
namespace {

using rocksdb::FileOptions;
using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;

IOStatus absent(const std::string& path) {
  return IOStatus::PathNotFound(path, "there is no such file");
}

Result<void> result_of(const IOStatus& status, const std::string& path) {
  if (status.ok()) return {};
  return Error{status.IsPathNotFound() ? ErrorCode::missing : ErrorCode::io, path + ": " + status.ToString()};
}

}  // namespace

/// Jobs that were handed to RocksDB's threads and are unfinished.
struct Jobs {
  std::mutex mutex;
  std::condition_variable changed;
  int open = 0;

  void begin() {
    const std::lock_guard lock(mutex);
    ++open;
  }
  void end() {
    const std::lock_guard lock(mutex);
    --open;
    changed.notify_all();
  }
};

/// One of them, wrapped for a thread pool that knows only functions and pointers.
struct Job {
  Jobs& jobs;
  void (*run)(void*);
  void (*undo)(void*);
  void* argument;

  static void do_run(void* self) {
    const std::unique_ptr<Job> job(static_cast<Job*>(self));
    job->run(job->argument);
    job->jobs.end();
  }
  static void do_undo(void* self) {
    const std::unique_ptr<Job> job(static_cast<Job*>(self));
    if (job->undo) job->undo(job->argument);
    job->jobs.end();
  }
};

/// After a background failure RocksDB waits a second. Here it does not wait.
class ImpatientClock final : public rocksdb::SystemClockWrapper {
 public:
  ImpatientClock() : rocksdb::SystemClockWrapper(rocksdb::SystemClock::Default()) {}
  const char* Name() const override { return "ImpatientClock"; }
  void SleepForMicroseconds(int) override {}
};

/// RocksDB asks some things of a FileSystem and some of an older Env; the same files answer both.
class CountingEnv final : public rocksdb::EnvWrapper {
 public:
  explicit CountingEnv(const std::shared_ptr<rocksdb::FileSystem>& files)
      : rocksdb::EnvWrapper(rocksdb::NewCompositeEnv(files)) {
    file_system_ = files;
    system_clock_ = std::make_shared<ImpatientClock>();
  }
  void SleepForMicroseconds(int) override {}
  void Schedule(void (*function)(void*), void* argument, Priority priority, void* tag, void (*undo)(void*)) override {
    jobs_.begin();
    target()->Schedule(Job::do_run, new Job{jobs_, function, undo, argument}, priority, tag, Job::do_undo);
  }
  void wait() {
    std::unique_lock lock(jobs_.mutex);
    jobs_.changed.wait(lock, [&] { return jobs_.open == 0; });
  }

 private:
  Jobs jobs_;
};

/// The disk and all operations on it, one at a time.
struct CrashFiles::State {
  explicit State(Tree start) : tree(std::move(start)) {}

  mutable std::mutex mutex;
  Tree tree;
  std::vector<Step> trace;
  std::size_t tried = 0;
  std::optional<std::size_t> fails_at;
  Trouble trouble = Trouble::io_error;
  bool power = true;

  IOStatus failure(const std::string& path) const {
    return trouble == Trouble::no_space ? IOStatus::NoSpace(path, "told to fail")
                                        : IOStatus::IOError(path, "told to fail");
  }

  IOStatus take(Step step) {
    if (!power) return IOStatus::IOError(step.path, "the power is off");
    if (fails_at && tried++ == *fails_at) {
      const IOStatus failed = failure(step.path);
      if (step.kind == StepKind::sync_file) step.kind = StepKind::failed_sync;
      if (step.kind == StepKind::write) step.bytes.resize(step.bytes.size() / 2);
      if (step.kind != StepKind::write && step.kind != StepKind::failed_sync) return failed;
      tree.apply(step);
      trace.push_back(std::move(step));
      return failed;
    }
    if (!fails_at) ++tried;
    tree.apply(step);
    trace.push_back(std::move(step));
    return IOStatus::OK();
  }

  std::optional<NodeId> file(const std::string& path) const {
    const auto node = tree.find(path);
    return node && !tree.is_dir(*node) ? node : std::nullopt;
  }

  /// An empty file, new or truncated.
  IOStatus create(const std::string& path, NodeId& node) {
    if (const auto there = file(path)) {
      node = *there;
      if (tree.content(node).empty()) return IOStatus::OK();
      return take({.kind = StepKind::truncate, .node = node, .path = path});
    }
    const auto place = tree.place(path);
    if (!place) return absent(path);
    node = tree.next_id();
    return take({.kind = StepKind::create, .node = node, .dir = place->first, .name = place->second, .path = path});
  }

  IOStatus append(NodeId node, const std::string& path, std::string_view bytes) {
    if (bytes.empty()) return IOStatus::OK();
    return take({.kind = StepKind::write,
                 .node = node,
                 .offset = tree.content(node).size(),
                 .bytes = std::string(bytes),
                 .path = path});
  }

  IOStatus truncate(NodeId node, const std::string& path, std::uint64_t size) {
    if (tree.content(node).size() == size) return IOStatus::OK();
    return take({.kind = StepKind::truncate, .node = node, .offset = size, .path = path});
  }

  IOStatus sync(NodeId node, const std::string& path) {
    return take({.kind = tree.is_dir(node) ? StepKind::sync_dir : StepKind::sync_file, .node = node, .path = path});
  }

  IOStatus make_dir(const std::string& path) {
    const auto place = tree.place(path);
    if (!place) return absent(path);
    return take({.kind = StepKind::make_dir,
                 .node = tree.next_id(),
                 .is_folder = true,
                 .dir = place->first,
                 .name = place->second,
                 .path = path});
  }

  IOStatus remove(const std::string& path) {
    const auto node = tree.find(path);
    if (!node) return absent(path);
    const auto place = tree.place(path);
    return take({.kind = StepKind::remove, .node = *node, .dir = place->first, .name = place->second, .path = path});
  }

  IOStatus rename(const std::string& from, const std::string& to) {
    const auto node = tree.find(from);
    const auto target = tree.place(to);
    if (!node || !target) return absent(from);
    const auto source = tree.place(from);
    return take({.kind = StepKind::rename,
                 .node = *node,
                 .is_folder = tree.is_dir(*node),
                 .dir = target->first,
                 .name = target->second,
                 .from_dir = source->first,
                 .from_name = source->second,
                 .path = to});
  }

  IOStatus link(const std::string& from, const std::string& to) {
    const auto node = file(from);
    const auto target = tree.place(to);
    if (!node || !target) return absent(from);
    if (tree.find(to)) return IOStatus::IOError(to, "exists already");
    return take({.kind = StepKind::link, .node = *node, .dir = target->first, .name = target->second, .path = to});
  }

  void remove_all(const std::string& path) {
    const auto node = tree.find(path);
    if (!node) return;
    if (tree.is_dir(*node)) {
      const auto entries = tree.entries(*node);
      for (const auto& [entry, child] : entries) remove_all(path + "/" + entry);
    }
    (void)remove(path);
  }

  std::unique_ptr<CountingEnv> env;
};

namespace {

using Shared = std::shared_ptr<CrashFiles::State>;

class OpenFile {
 public:
  OpenFile(Shared state, NodeId node, std::string path)
      : state_(std::move(state)), node_(node), path_(std::move(path)) {}

 protected:
  std::string part(std::uint64_t offset, std::size_t n) const {
    const std::lock_guard lock(state_->mutex);
    const std::string& content = state_->tree.content(node_);
    return offset < content.size() ? content.substr(offset, n) : std::string();
  }
  IOStatus read(std::uint64_t offset, std::size_t n, Slice* result, char* scratch) const {
    const std::string bytes = part(offset, n);
    std::memcpy(scratch, bytes.data(), bytes.size());
    *result = Slice(scratch, bytes.size());
    return IOStatus::OK();
  }

  Shared state_;
  NodeId node_;
  std::string path_;
};

class Sequential final : public rocksdb::FSSequentialFile, OpenFile {
 public:
  using OpenFile::OpenFile;
  IOStatus Read(std::size_t n, const IOOptions&, Slice* result, char* scratch, IODebugContext*) override {
    const IOStatus status = read(at_, n, result, scratch);
    at_ += result->size();
    return status;
  }
  IOStatus Skip(std::uint64_t n) override {
    at_ += n;
    return IOStatus::OK();
  }

 private:
  std::uint64_t at_ = 0;
};

class RandomAccess final : public rocksdb::FSRandomAccessFile, OpenFile {
 public:
  using OpenFile::OpenFile;
  IOStatus Read(std::uint64_t offset, std::size_t n, const IOOptions&, Slice* result, char* scratch,
                IODebugContext*) const override {
    return read(offset, n, result, scratch);
  }
};

class Writable final : public rocksdb::FSWritableFile, OpenFile {
 public:
  using OpenFile::OpenFile;
  using rocksdb::FSWritableFile::Append;
  IOStatus Append(const Slice& data, const IOOptions&, IODebugContext*) override {
    const std::lock_guard lock(state_->mutex);
    return state_->append(node_, path_, data.ToStringView());
  }
  IOStatus Truncate(std::uint64_t size, const IOOptions&, IODebugContext*) override {
    const std::lock_guard lock(state_->mutex);
    return state_->truncate(node_, path_, size);
  }
  IOStatus Close(const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }
  IOStatus Flush(const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }
  IOStatus Sync(const IOOptions&, IODebugContext*) override {
    const std::lock_guard lock(state_->mutex);
    return state_->sync(node_, path_);
  }
  IOStatus RangeSync(std::uint64_t, std::uint64_t, const IOOptions&, IODebugContext*) override {
    const std::lock_guard lock(state_->mutex);
    return state_->take({.kind = StepKind::sync_range, .node = node_, .path = path_});
  }
  bool IsSyncThreadSafe() const override { return true; }
  std::uint64_t GetFileSize(const IOOptions&, IODebugContext*) override {
    const std::lock_guard lock(state_->mutex);
    return state_->tree.content(node_).size();
  }
};

class Folder final : public rocksdb::FSDirectory, OpenFile {
 public:
  using OpenFile::OpenFile;
  IOStatus Fsync(const IOOptions&, IODebugContext*) override {
    const std::lock_guard lock(state_->mutex);
    return state_->sync(node_, path_);
  }
};

struct NoLock final : rocksdb::FileLock {};

/// RocksDB's view of the disk.
class RocksFiles final : public rocksdb::FileSystem {
 public:
  explicit RocksFiles(std::weak_ptr<CrashFiles::State> state) : weak_(std::move(state)) {}
  const char* Name() const override { return "CrashFiles"; }

  IOStatus NewSequentialFile(const std::string& path, const FileOptions&,
                             std::unique_ptr<rocksdb::FSSequentialFile>* result, IODebugContext*) override {
    return open<Sequential>(path, result);
  }
  IOStatus NewRandomAccessFile(const std::string& path, const FileOptions&,
                               std::unique_ptr<rocksdb::FSRandomAccessFile>* result, IODebugContext*) override {
    return open<RandomAccess>(path, result);
  }
  IOStatus NewWritableFile(const std::string& path, const FileOptions&,
                           std::unique_ptr<rocksdb::FSWritableFile>* result, IODebugContext*) override {
    const Shared state = weak_.lock();
    const std::lock_guard lock(state->mutex);
    NodeId node{};
    IOStatus status = state->create(path, node);
    if (status.ok()) *result = std::make_unique<Writable>(state, node, path);
    return status;
  }
  IOStatus ReopenWritableFile(const std::string& path, const FileOptions&,
                              std::unique_ptr<rocksdb::FSWritableFile>* result, IODebugContext*) override {
    return open<Writable>(path, result);
  }
  IOStatus NewDirectory(const std::string& path, const IOOptions&, std::unique_ptr<rocksdb::FSDirectory>* result,
                        IODebugContext*) override {
    const Shared state = weak_.lock();
    const std::lock_guard lock(state->mutex);
    const auto node = state->tree.find(path);
    if (!node || !state->tree.is_dir(*node)) return absent(path);
    *result = std::make_unique<Folder>(state, *node, path);
    return IOStatus::OK();
  }
  IOStatus FileExists(const std::string& path, const IOOptions&, IODebugContext*) override {
    const Shared state = weak_.lock();
    const std::lock_guard lock(state->mutex);
    return state->tree.find(path) ? IOStatus::OK() : IOStatus::NotFound();
  }
  IOStatus GetChildren(const std::string& path, const IOOptions&, std::vector<std::string>* result,
                       IODebugContext*) override {
    const Shared state = weak_.lock();
    const std::lock_guard lock(state->mutex);
    result->clear();
    const auto node = state->tree.find(path);
    if (!node || !state->tree.is_dir(*node)) return IOStatus::NotFound(path);
    for (const auto& [entry, child] : state->tree.entries(*node)) result->push_back(entry);
    return IOStatus::OK();
  }
  IOStatus DeleteFile(const std::string& path, const IOOptions&, IODebugContext*) override {
    return locked([&](CrashFiles::State& state) { return state.remove(path); });
  }
  IOStatus Truncate(const std::string& path, std::size_t size, const IOOptions&, IODebugContext*) override {
    return locked([&](CrashFiles::State& state) {
      const auto node = state.file(path);
      return node ? state.truncate(*node, path, size) : absent(path);
    });
  }
  IOStatus CreateDir(const std::string& path, const IOOptions&, IODebugContext*) override {
    return locked([&](CrashFiles::State& state) {
      return state.tree.find(path) ? IOStatus::IOError(path, "exists already") : state.make_dir(path);
    });
  }
  IOStatus CreateDirIfMissing(const std::string& path, const IOOptions&, IODebugContext*) override {
    return locked(
        [&](CrashFiles::State& state) { return state.tree.find(path) ? IOStatus::OK() : state.make_dir(path); });
  }
  IOStatus DeleteDir(const std::string& path, const IOOptions&, IODebugContext*) override {
    return locked([&](CrashFiles::State& state) { return state.remove(path); });
  }
  IOStatus GetFileSize(const std::string& path, const IOOptions&, std::uint64_t* size, IODebugContext*) override {
    return locked([&](CrashFiles::State& state) {
      const auto node = state.file(path);
      if (!node) return absent(path);
      *size = state.tree.content(*node).size();
      return IOStatus::OK();
    });
  }
  IOStatus GetFileModificationTime(const std::string&, const IOOptions&, std::uint64_t* time,
                                   IODebugContext*) override {
    *time = 0;
    return IOStatus::OK();
  }
  IOStatus RenameFile(const std::string& from, const std::string& to, const IOOptions&, IODebugContext*) override {
    return locked([&](CrashFiles::State& state) { return state.rename(from, to); });
  }
  IOStatus LinkFile(const std::string& from, const std::string& to, const IOOptions&, IODebugContext*) override {
    return locked([&](CrashFiles::State& state) { return state.link(from, to); });
  }
  IOStatus LockFile(const std::string&, const IOOptions&, rocksdb::FileLock** lock, IODebugContext*) override {
    *lock = new NoLock;
    return IOStatus::OK();
  }
  IOStatus UnlockFile(rocksdb::FileLock* lock, const IOOptions&, IODebugContext*) override {
    delete lock;
    return IOStatus::OK();
  }
  IOStatus GetTestDirectory(const IOOptions&, std::string*, IODebugContext*) override {
    return IOStatus::NotSupported("GetTestDirectory");
  }
  IOStatus GetAbsolutePath(const std::string& path, const IOOptions&, std::string* absolute, IODebugContext*) override {
    *absolute = path;
    return IOStatus::OK();
  }
  IOStatus IsDirectory(const std::string& path, const IOOptions&, bool* is_dir, IODebugContext*) override {
    return locked([&](CrashFiles::State& state) {
      const auto node = state.tree.find(path);
      if (!node) return absent(path);
      *is_dir = state.tree.is_dir(*node);
      return IOStatus::OK();
    });
  }

 private:
  template <typename Do>
  IOStatus locked(Do what) {
    const Shared state = weak_.lock();
    const std::lock_guard lock(state->mutex);
    return what(*state);
  }
  template <typename Kind, typename Opened>
  IOStatus open(const std::string& path, std::unique_ptr<Opened>* result) {
    const Shared state = weak_.lock();
    const std::lock_guard lock(state->mutex);
    const auto node = state->file(path);
    if (!node) return absent(path);
    *result = std::make_unique<Kind>(state, *node, path);
    return IOStatus::OK();
  }

  std::weak_ptr<CrashFiles::State> weak_;  // which owns this
};

}  // namespace

CrashFiles::CrashFiles(Tree tree) : state_(std::make_shared<State>(std::move(tree))) {
  state_->env = std::make_unique<CountingEnv>(std::make_shared<RocksFiles>(state_));
}

CrashFiles::~CrashFiles() {
  wait_for_quiet();
}

rocksdb::Env* CrashFiles::rocksdb_env() {
  return state_->env.get();
}

Result<std::string> CrashFiles::read(const std::string& path) {
  const std::lock_guard lock(state_->mutex);
  const auto node = state_->file(path);
  if (!node) return Error{ErrorCode::missing, path + ": there is no such file"};
  return state_->tree.content(*node);
}

Result<void> CrashFiles::write(const std::string& path, std::string_view bytes) {
  const std::lock_guard lock(state_->mutex);
  NodeId node{};
  PAWL_TRY(result_of(state_->create(path, node), path));
  return result_of(state_->append(node, path, bytes), path);
}

Result<void> CrashFiles::sync(const std::string& path) {
  const std::lock_guard lock(state_->mutex);
  const auto node = state_->tree.find(path);
  return result_of(node ? state_->sync(*node, path) : absent(path), path);
}

Result<void> CrashFiles::rename(const std::string& from, const std::string& to) {
  const std::lock_guard lock(state_->mutex);
  return result_of(state_->rename(from, to), to);
}

Result<bool> CrashFiles::make_dir(const std::string& path) {
  const std::lock_guard lock(state_->mutex);
  if (state_->tree.find(path)) return false;
  PAWL_TRY(result_of(state_->make_dir(path), path));
  return true;
}

Result<bool> CrashFiles::exists(const std::string& path) {
  const std::lock_guard lock(state_->mutex);
  return state_->tree.find(path).has_value();
}

Result<std::vector<std::string>> CrashFiles::names_in(const std::string& dir) {
  const std::lock_guard lock(state_->mutex);
  const auto node = state_->tree.find(dir);
  if (!node) return Error{ErrorCode::missing, dir + ": cannot be listed: there is no such folder"};
  std::vector<std::string> names;
  for (const auto& [entry, child] : state_->tree.entries(*node)) names.push_back(entry);
  return names;
}

void CrashFiles::remove_all(const std::string& path) {
  const std::lock_guard lock(state_->mutex);
  state_->remove_all(path);
}

void CrashFiles::wait_for_quiet() {
  state_->env->wait();
}

std::size_t CrashFiles::steps() const {
  const std::lock_guard lock(state_->mutex);
  return state_->trace.size();
}

const std::vector<Step>& CrashFiles::trace() const {
  return state_->trace;
}

const Tree& CrashFiles::tree() const {
  return state_->tree;
}

void CrashFiles::fail_step(std::size_t nth, Trouble trouble) {
  const std::lock_guard lock(state_->mutex);
  state_->tried = 0;
  state_->fails_at = nth;
  state_->trouble = trouble;
}

void CrashFiles::power_off() {
  const std::lock_guard lock(state_->mutex);
  state_->power = false;
}

}  // namespace pawl::crash
