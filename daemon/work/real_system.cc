#include "daemon/work/real_system.h"

#include <unistd.h>

#include <condition_variable>
#include <cstdlib>
#include <thread>
#include <utility>

#include "daemon/thread_pool.h"
#include "daemon/work/death_watch.h"
#include "daemon/work/output_log.h"
#include "daemon/work/process.h"
#include "daemon/work/process_table.h"
#include "store/os/mutex.h"
#include "store/os/regular_file.h"

namespace pawl {
namespace {

class ConditionSignal final : public Signal {
 public:
  void notify() override { condition_.notify_all(); }
  bool wait(MutexLock& lock, Deadline deadline) override {
    if (deadline != no_deadline) return condition_.wait_until(lock.waiting(), deadline) == std::cv_status::no_timeout;
    condition_.wait(lock.waiting());
    return true;
  }

 private:
  std::condition_variable condition_;
};

class StartedThread final : public RunningThread {
 public:
  explicit StartedThread(std::function<void()> body) : thread_(std::move(body)) {}
  void join() override { thread_.join(); }

 private:
  std::thread thread_;
};

class PoolOfThreads final : public Pool {
 public:
  explicit PoolOfThreads(unsigned threads) : threads_(threads) {}
  void post(std::function<void()> work) override { threads_.post(std::move(work)); }
  void stop() override { threads_.stop(); }

 private:
  ThreadPool threads_;
};

}  // namespace

RealSystem::RealSystem(const Options& options)
    : data_folder_(options.data_folder),
      earlier_hosts_(options.earlier_hosts),
      folder_{options.data_folder, options.member},
      worktrees_(*this, options.data_folder, options.origins, options.warn) {}

Deadline RealSystem::now() const {
  return std::chrono::steady_clock::now();
}

TimeUs RealSystem::wall_time() const {
  const auto since_1970 = std::chrono::system_clock::now().time_since_epoch();
  return TimeUs{std::chrono::duration_cast<std::chrono::microseconds>(since_1970).count()};
}

void RealSystem::sleep_for(std::chrono::steady_clock::duration time) {
  std::this_thread::sleep_for(time);
}

std::unique_ptr<Signal> RealSystem::make_signal() {
  return std::make_unique<ConditionSignal>();
}

std::unique_ptr<CancelToken> RealSystem::make_cancel_token() {
  return std::make_unique<EventCancelToken>();
}

std::unique_ptr<RunningThread> RealSystem::start_thread(std::function<void()> body) {
  return std::make_unique<StartedThread>(std::move(body));
}

std::unique_ptr<Pool> RealSystem::make_pool(unsigned threads) {
  return std::make_unique<PoolOfThreads>(threads);
}

pid_t RealSystem::own_pid() const {
  return ::getpid();
}

std::string RealSystem::own_host() const {
  return this_host();
}

bool RealSystem::kernel_has_ended(const std::string& host) {
  return pawl::kernel_has_ended(host, earlier_hosts_);
}

bool RealSystem::is_of_worker(pid_t pid, std::int64_t worker, std::int64_t worker_start) {
  return pawl::is_of_worker(pid, worker, worker_start);
}

bool RealSystem::is_foreign(const std::optional<std::string>& member) {
  return member && !folder_.member.empty() && *member != folder_.member;
}

std::vector<std::string> RealSystem::clean_environment() const {
  return pawl::clean_environment();
}

std::optional<std::string> RealSystem::own_variable(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  return value ? std::optional<std::string>(value) : std::nullopt;
}

Result<std::string> RealSystem::read_value(const std::string& path, std::size_t bytes_max) {
  const Result<Descriptor> file = open_regular_file(path);
  if (!file) return Error{ErrorCode::io, file.error().message};  // any error: it may be fixed, so it is retried
  std::string value = PAWL_TRY(read_up_to(*file, path, bytes_max));
  if (value.size() > bytes_max) {
    return Error{ErrorCode::io, path + ": is longer than " + std::to_string(bytes_max) + " bytes"};
  }
  return value;
}

Result<std::unique_ptr<Child>> RealSystem::fork_stopped(const Launch& launch) {
  return ForkedChild::fork_stopped(launch);
}

Liveness RealSystem::liveness_of(const std::string& host, std::int64_t pid, std::optional<std::int64_t> pid_start) {
  return pawl::liveness_of(host, pid, pid_start, earlier_hosts_);
}

std::vector<std::unique_ptr<OtherProcess>> RealSystem::processes_of(const ProcessMarkers& signs) {
  return pawl::processes_of(signs, signs.by_lock ? path_of_run(data_folder_, signs.run) : std::string());
}

std::unique_ptr<OtherProcess> RealSystem::process(pid_t pid) {
  return other_process(pid);
}

std::unique_ptr<DeathWatch> RealSystem::watch_deaths(std::function<void()> died) {
  return std::make_unique<PidfdWatch>([this](const std::string& host, std::int64_t pid,
                                             std::int64_t pid_start) { return liveness_of(host, pid, pid_start); },
                                      std::move(died));
}

Result<std::unique_ptr<RunFile>> RealSystem::new_run(const std::string& purpose) {
  return pawl::new_run(folder_, purpose);
}

std::vector<RunNote> RealSystem::noted_runs() {
  return pawl::noted_runs(folder_);
}

std::optional<RunNote> RealSystem::noted_run(const std::string& run) {
  return pawl::noted_run(folder_, run);
}

bool RealSystem::is_run_unlocked(const std::string& run) {
  return pawl::is_run_unlocked(data_folder_, run);
}

bool RealSystem::is_run_kept(const std::string& run) {
  return pawl::is_run_kept(data_folder_, run);
}

void RealSystem::forget_run(const std::string& run) {
  pawl::forget_run(data_folder_, run);
}

Result<std::unique_ptr<Handle>> RealSystem::lock_step(const StepKey& place) {
  return pawl::lock_step(data_folder_, place);
}

Result<void> RealSystem::note_place(const Handle& place, const std::string& run, const std::string& gone) {
  return pawl::note_place(folder_, place, run, gone);
}

PlaceNote RealSystem::place_note(const Handle& place) {
  return pawl::place_note(folder_, place);
}

void RealSystem::forget_places(TaskId task) {
  pawl::forget_places(data_folder_, task);
}

std::vector<TaskId> RealSystem::placed() {
  return pawl::placed(data_folder_);
}

Result<std::shared_ptr<OutputLog>> RealSystem::open_log(const std::string& path, LogAge age) {
  return pawl::open_log(data_folder_ + "/logs/" + path, age);
}

Fetched RealSystem::fetch_origin(const std::string& repo, Deadline until, const CancelToken* off) {
  return worktrees_.fetch(repo, until, off);
}

Result<std::vector<std::string>> RealSystem::origin_branches(const std::string& repo, std::chrono::seconds within) {
  return worktrees_.branches(repo, within);
}

Result<Worktree> RealSystem::take_side(const WorkRequest& request, Side side) {
  return worktrees_.take(request, side);
}

Result<Worktree> RealSystem::prepare_worktree(const WorkRequest& request) {
  return worktrees_.prepare(request);
}

Result<Worktree> RealSystem::existing_worktree(const WorkRequest& request) {
  return worktrees_.existing(request);
}

Result<BranchDeletion> RealSystem::delete_branch(const WorkRequest& request, const std::function<bool()>& in_use) {
  return worktrees_.delete_branch(request, in_use);
}

Result<void> RealSystem::empty_worktree(TaskId task) {
  return worktrees_.empty(task);
}

Result<void> RealSystem::remove_worktree(TaskId task) {
  return worktrees_.remove(task);
}

std::vector<TaskId> RealSystem::worktrees() {
  return worktrees_.present();
}

void RealSystem::stop_git() {
  worktrees_.stop();
}

}  // namespace pawl
