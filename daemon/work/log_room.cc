#include "daemon/work/log_room.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <optional>
#include <tuple>
#include <vector>

#include "daemon/work/stored_output.h"
#include "engine/state/state.h"

namespace pawl {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view log_suffix = ".log";
constexpr std::int64_t block_bytes = 512;

/// Does not follow links: commands can write there.
std::optional<struct stat> about(const fs::path& path) {
  struct stat found {};
  return ::lstat(path.c_str(), &found) == 0 ? std::optional(found) : std::nullopt;
}

bool is_folder(const fs::path& path) {
  const auto found = about(path);
  return found && S_ISDIR(found->st_mode);
}

template <class Each>
void for_each_in(const fs::path& folder, Each each) {
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
    each(entry->path());
  }
}

}  // namespace

/// Walks the folder: adds up the total size, and collects the oldest removable logs.
class LogRoom::Walk {
 public:
  Walk(const Live& live, std::size_t kept) : live_(live), kept_(kept) {}

  void visit(const fs::path& logs) {
    if (!is_folder(logs)) return;
    for_each_in(logs, [&](const fs::path& path) {
      const LogOwner owner = owner_of_log(path.filename().string());
      if (!is_folder(path)) return visit_log(path, owner);
      if (!owner.task) return;
      for_each_in(path, [&](const fs::path& log) { visit_log(log, owner); });
    });
    keep_oldest();
  }
  std::int64_t bytes() const { return bytes_; }
  const std::vector<Log>& oldest() const { return oldest_; }

 private:
  void visit_log(const fs::path& path, const LogOwner& owner) {
    if (path.extension() != log_suffix) return;
    const auto head = about(path);
    if (!head || !S_ISREG(head->st_mode)) return;
    Log log{.path = path, .owner = owner, .written_at_s = head->st_mtim.tv_sec, .bytes = head->st_blocks * block_bytes};
    if (is_folder(parts_of(path))) {
      for_each_in(parts_of(path), [&](const fs::path& part) {
        const auto found = about(part);
        if (!found) return;
        log.written_at_s = std::max<std::int64_t>(log.written_at_s, found->st_mtim.tv_sec);
        log.bytes += found->st_blocks * block_bytes;
      });
    }
    bytes_ += log.bytes;
    if ((!owner.job && !owner.task) || live_.has(owner)) return;
    oldest_.push_back(std::move(log));
    if (oldest_.size() >= 2 * kept_) keep_oldest();
  }

  void keep_oldest() {
    std::sort(oldest_.begin(), oldest_.end(), [](const Log& a, const Log& b) {
      return std::tie(a.written_at_s, a.path) < std::tie(b.written_at_s, b.path);
    });
    if (oldest_.size() > kept_) oldest_.resize(kept_);
  }

  const Live& live_;
  const std::size_t kept_;
  std::int64_t bytes_ = 0;
  std::vector<Log> oldest_;
};

LogRoom::LogRoom(Desk& desk, Options options) : desk_(desk), options_(std::move(options)) {}

LogRoom::~LogRoom() {
  stop();
}

void LogRoom::start() {
  thread_ = std::thread([this] { run(); });
}

void LogRoom::stop() {
  {
    const MutexLock lock(mutex_);
    stopping_ = true;
    wake_.notify_one();
  }
  if (thread_.joinable()) thread_.join();
}

void LogRoom::run() {
  MutexLock lock(mutex_);
  while (!stopping_) {
    lock.unlock();
    const bool is_done = look() < options_.removed_per_look;
    lock.lock();
    if (is_done)
      wake_.wait_for(lock.waiting(), options_.interval, [this]() PAWL_REQUIRES(mutex_) { return stopping_; });
  }
}

bool LogRoom::Live::has(const LogOwner& owner) const {
  return (owner.task && tasks.contains(*owner.task)) || (owner.job && jobs.contains(*owner.job));
}

/// A bounded number of rows at a time: everything waits for the sequencer's thread.
LogRoom::Live LogRoom::live() {
  Live live;
  for (std::optional<TaskId> from = TaskId{0}; from;) {
    from = desk_.ask([&](const State& state) -> std::optional<TaskId> {
      std::size_t rows = 0;
      for (auto at = state.tasks.rows().lower_bound(*from); at != state.tasks.rows().end(); ++at) {
        if (++rows > options_.rows_per_ask) return at->first;
        if (is_terminal(at->second.stage)) continue;
        live.tasks.insert(at->first);
        const auto& jobs = state.indexes.jobs_of_task;
        for (auto job = jobs.lower_bound({at->first, JobId{0}}); job != jobs.end() && job->first == at->first; ++job) {
          live.jobs.insert(job->second);
        }
      }
      return std::nullopt;
    });
  }
  return live;
}

bool LogRoom::is_live(const LogOwner& owner) {
  return desk_.ask([&owner](const State& state) {
    const Job* job = owner.job ? state.jobs.find(*owner.job) : nullptr;
    const Task* task = state.tasks.find(job ? job->task : owner.task.value_or(TaskId{0}));
    return task && !is_terminal(task->stage);
  });
}

bool LogRoom::remove(const Log& log) {
  const auto stored = StoredOutput::look_at(log.path);
  // Checked again for each log: by now it may belong to a live task.
  if (!stored || stored->is_live() || is_live(log.owner)) return false;
  std::error_code ignored;
  if (is_folder(parts_of(log.path))) fs::remove_all(parts_of(log.path), ignored);
  if (::unlink(log.path.c_str()) != 0) return false;
  const fs::path folder = log.path.parent_path();
  if (folder != options_.folder) ::rmdir(folder.c_str());  // succeeds only if the task's folder is empty
  return true;
}

std::size_t LogRoom::look() {
  const Bounds bounds = options_.bounds ? options_.bounds() : Bounds();
  const Live live = this->live();
  Walk walk(live, options_.removed_per_look);
  walk.visit(options_.folder);
  const std::int64_t now_s =
      std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count();
  std::int64_t bytes = walk.bytes();
  std::size_t removed = 0;
  for (const Log& log : walk.oldest()) {
    const bool is_old = bounds.age_s_max > 0 && now_s - log.written_at_s > bounds.age_s_max;
    const bool is_too_much = bounds.bytes_max > 0 && bytes > bounds.bytes_max;
    if (!is_old && !is_too_much) break;
    if (!remove(log)) continue;
    bytes -= log.bytes;
    ++removed;
  }
  return removed;
}

}  // namespace pawl
