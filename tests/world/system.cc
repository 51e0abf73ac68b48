#include "tests/world/system.h"

#include <algorithm>
#include <deque>
#include <utility>

#include "tests/world/system_parts.h"

namespace pawl::hostile {

bool DataFolder::is_locked(const StepKey& place, Us now) const {
  const auto found = places.find(place);
  if (found == places.end()) return false;
  const auto holds = [](const ProcessPtr& process) { return process->alive && process->holds_lock; };
  return found->second.held || found->second.shared_until > now ||
         std::any_of(found->second.processes.begin(), found->second.processes.end(), holds);
}

HostileSystem::HostileSystem(Story& story, ProcessPtr daemon)
    : story_(story), scheduler_(story.scheduler), daemon_(std::move(daemon)) {}

/// Everything that blocks lets others go first, or not.
void HostileSystem::breathe() {
  if (story_.dice.one_in(4)) scheduler_.pause();
}

// Time and threads.

Deadline HostileSystem::now() const {
  return Deadline(std::chrono::microseconds(scheduler_.now()));
}

TimeUs HostileSystem::wall_time() const {
  return TimeUs{story_.wall_us()};
}

void HostileSystem::sleep_for(std::chrono::steady_clock::duration time) {
  scheduler_.sleep(us_of_span(time));
}

class HostileSystem::FiberSignal final : public Signal {
 public:
  explicit FiberSignal(Scheduler& scheduler) : scheduler_(scheduler) {}

  void notify() override {
    for (const ActorId actor : waiting_) scheduler_.wake(actor);
  }
  bool wait(MutexLock& lock, Deadline deadline) override PAWL_UNCHECKED_LOCKS {
    const ActorId self = scheduler_.self();
    waiting_.insert(self);
    lock.unlock();
    if (deadline == no_deadline) {
      scheduler_.wait();
    } else {
      scheduler_.wait_until(us_of(deadline));
    }
    waiting_.erase(self);
    lock.lock();
    return deadline == no_deadline || scheduler_.now() < us_of(deadline);
  }

 private:
  Scheduler& scheduler_;
  std::set<ActorId> waiting_;
};

class HostileSystem::FiberThread final : public RunningThread {
 public:
  FiberThread(HostileSystem& system, std::function<void()> body)
      : system_(system), state_(std::make_shared<State>(system.scheduler_)) {
    system.scheduler_.spawn(Party::daemon, [state = state_, body = std::move(body)] {
      body();
      state->has_ended = true;
      state->ended.notify();
    });
  }
  void join() override {
    MutexLock lock(state_->mutex);
    while (!state_->has_ended && !system_.is_gone_) state_->ended.wait(lock, no_deadline);
  }

 private:
  struct State {
    explicit State(Scheduler& scheduler) : ended(scheduler) {}
    Mutex mutex;
    FiberSignal ended;
    bool has_ended = false;
  };
  HostileSystem& system_;
  std::shared_ptr<State> state_;
};

/// Fibers that take work as it comes; with more than one, the order is arbitrary.
class HostileSystem::FiberPool final : public Pool {
 public:
  FiberPool(HostileSystem& system, unsigned threads)
      : system_(system), threads_max_(threads), changed_(system.scheduler_) {}

  void post(std::function<void()> work) override {
    if (stopping_ || system_.is_gone_) return;
    queue_.push_back(std::move(work));
    if (idle_ == 0 && threads_ < threads_max_) {
      ++threads_;
      system_.scheduler_.spawn(Party::daemon, [this] { run(); });
    } else {
      changed_.notify();
    }
  }
  void stop() override {
    stopping_ = true;
    changed_.notify();
    MutexLock lock(mutex_);
    while (threads_ > 0 && !system_.is_gone_) changed_.wait(lock, no_deadline);
  }

 private:
  void run() {
    MutexLock lock(mutex_);
    for (;;) {
      ++idle_;
      while (queue_.empty() && !stopping_) changed_.wait(lock, no_deadline);
      --idle_;
      if (queue_.empty()) break;
      const std::function<void()> work = std::move(queue_.front());
      queue_.pop_front();
      lock.unlock();
      work();
      lock.lock();
    }
    --threads_;
    changed_.notify();
  }

  HostileSystem& system_;
  const unsigned threads_max_;
  Mutex mutex_;
  FiberSignal changed_;
  std::deque<std::function<void()>> queue_;
  unsigned threads_ = 0;
  unsigned idle_ = 0;
  bool stopping_ = false;
};

std::unique_ptr<Signal> HostileSystem::make_signal() {
  return std::make_unique<FiberSignal>(scheduler_);
}

std::unique_ptr<CancelToken> HostileSystem::make_cancel_token() {
  return std::make_unique<FiberCancelToken>(scheduler_);
}

std::unique_ptr<RunningThread> HostileSystem::start_thread(std::function<void()> body) {
  return std::make_unique<FiberThread>(*this, std::move(body));
}

std::unique_ptr<Pool> HostileSystem::make_pool(unsigned threads) {
  return std::make_unique<FiberPool>(*this, threads);
}

// Processes.

pid_t HostileSystem::own_pid() const {
  return static_cast<pid_t>(daemon_->pid);
}

std::string HostileSystem::own_host() const {
  return daemon_->host;
}

bool HostileSystem::kernel_has_ended(const std::string& host) {
  return host != own_host() && story_.own_hosts.contains(host);
}

bool HostileSystem::is_of_worker(pid_t pid, std::int64_t worker, std::int64_t worker_start) {
  const ProcessPtr process = story_.machines.find(own_host(), pid);
  const ProcessPtr parent = story_.machines.find(own_host(), worker);
  const bool both_live = process && process->alive && parent && parent->alive;
  return both_live && parent->start == worker_start && process->worker == worker_start;
}

Liveness HostileSystem::liveness_of(const std::string& host, std::int64_t pid, std::optional<std::int64_t> pid_start) {
  if (host == own_host()) {
    const ProcessPtr process = story_.machines.find(host, pid);
    if (process && story_.strikes(Hostility::unseen, 1)) {
      story_.mark(Mark::liveness_unknown);
      return Liveness::unknown;
    }
    return story_.machines.exists(host, pid, pid_start) ? Liveness::alive : Liveness::dead;
  }
  return kernel_has_ended(host) ? Liveness::dead : Liveness::invisible;
}

/// A process that is gone does not bar a task for long.
void HostileSystem::check_barred() {
  const State& state = story_.witness().state();
  std::map<JobId, Us> gone;
  for (const auto& [task, id] : state.indexes.barred) {
    const Previous& previous = *state.jobs.find(id)->previous;
    if (story_.machines.exists(previous.host, previous.pid, previous.pid_start)) continue;
    // If this folder's daemon never ran under that kernel, as after a restore, it cannot know that the kernel has
    // ended.
    if (previous.host != own_host() && !story_.own_hosts.contains(previous.host)) continue;
    gone[id] = barred_by_gone_.contains(id) ? barred_by_gone_.at(id) : scheduler_.now();
    if (scheduler_.now() - gone[id] > gone_is_seen_within) {
      story_.broken("job " + std::to_string(raw(id)) + " is barred by process " + std::to_string(previous.pid) +
                    ", which is gone");
    }
  }
  barred_by_gone_ = std::move(gone);
}

/// A process whose fate begins when it is released.
class HostileSystem::HeldRunFile final : public RunFile {
 public:
  HeldRunFile(HostileSystem& system, std::string run) : system_(system), run_(std::move(run)) {}
  ~HeldRunFile() override {
    const auto noted = system_.story_.folder.runs.find(run_);
    if (noted == system_.story_.folder.runs.end()) return;
    noted->second.held = false;
    noted->second.shared_until = system_.story_.shared_until();
  }

  const std::string& run() const override { return run_; }
  Result<void> record_leader(const Child& leader) override {
    if (system_.story_.strikes(Hostility::full_disk, 1)) return Error{ErrorCode::io, "no space left"};
    const auto noted = system_.story_.folder.runs.find(run_);
    if (noted == system_.story_.folder.runs.end()) return {};
    RunNote& note = noted->second.note;
    note.host = system_.own_host();
    note.pid = leader.pid();
    note.pid_start = leader.pid_start();
    return {};
  }

 private:
  HostileSystem& system_;
  const std::string run_;
};

Result<std::unique_ptr<RunFile>> HostileSystem::new_run(const std::string& purpose) {
  if (story_.strikes(Hostility::full_disk, 1)) return Error{ErrorCode::io, "no space left"};
  const std::string run = story_.fresh_id("run");
  DataFolder::Run& noted = story_.folder.runs[run];
  noted.note.run = run;
  noted.note.purpose = purpose;
  noted.held = true;
  return std::unique_ptr<RunFile>(std::make_unique<HeldRunFile>(*this, run));
}

std::vector<RunNote> HostileSystem::noted_runs() {
  std::vector<RunNote> notes;
  for (const auto& [run, noted] : story_.folder.runs) {
    story_.mark(Mark::run_of_earlier_boot);
    notes.push_back(noted.note);
  }
  return notes;
}

/// Looking at a run means it is about to be ended.
std::optional<RunNote> HostileSystem::noted_run(const std::string& run) {
  check_settles_nothing_owned(run);
  const auto noted = story_.folder.runs.find(run);
  return noted == story_.folder.runs.end() ? std::nullopt : std::optional(noted->second.note);
}

/// A step whose owner holds the lease, and waits for it, is the owner's alone. For an outside step only the lease
/// shows.
void HostileSystem::check_settles_nothing_owned(const std::string& run) {
  for (const auto& [id, task] : story_.witness().state().tasks.rows()) {
    const StepRow* step = open_step(task);
    if (!step || step->run != run || !story_.witness().is_owners_step(id, step->started)) continue;
    const std::vector<ProcessPtr> processes = story_.machines.of_run(own_host(), run);
    const bool is_at_work =
        std::any_of(processes.begin(), processes.end(), [](const ProcessPtr& each) { return each->leads; });
    if (!is_at_work && !story_.workers.contains(step->boot)) continue;
    story_.broken("another party ends step '" + step->step + "' of task " + std::to_string(raw(id)) +
                  ", whose owner holds the lease and waits for it");
  }
}

bool HostileSystem::is_run_unlocked(const std::string& run) {
  const auto noted = story_.folder.runs.find(run);
  if (noted == story_.folder.runs.end()) return true;
  if (noted->second.shared_until > scheduler_.now()) story_.mark(Mark::lock_shared);
  if (noted->second.held || noted->second.shared_until > scheduler_.now()) return false;
  const std::vector<ProcessPtr> processes = story_.machines.of_run(own_host(), run);
  return std::none_of(processes.begin(), processes.end(), [](const ProcessPtr& each) { return each->holds_lock; });
}

void HostileSystem::forget_run(const std::string& run) {
  if (is_gone_) return;
  if (!story_.machines.of_run(own_host(), run).empty()) {
    story_.broken("run " + run + " is taken for gone, but a process of it is alive");
  }
  story_.mark(Mark::run_forgotten);
  story_.folder.runs.erase(run);
}

Result<std::unique_ptr<Handle>> HostileSystem::lock_step(const StepKey& key) {
  if (story_.folder.is_locked(key, scheduler_.now())) {
    story_.mark(Mark::place_busy);
    return Error{ErrorCode::busy, "somebody works on this step"};
  }
  if (story_.strikes(Hostility::full_disk, 1)) return Error{ErrorCode::io, "no space left"};
  return std::unique_ptr<Handle>(std::make_unique<HeldPlace>(story_, key));
}

Result<void> HostileSystem::note_place(const Handle& place, const std::string& run, const std::string& gone) {
  if (story_.strikes(Hostility::full_disk, 1)) return Error{ErrorCode::io, "no space left"};
  story_.folder.places[dynamic_cast<const HeldPlace&>(place).key()].note = {
      .run = run, .gone = gone, .host = own_host()};
  return {};
}

PlaceNote HostileSystem::place_note(const Handle& place) {
  return story_.folder.places[dynamic_cast<const HeldPlace&>(place).key()].note;
}

std::vector<TaskId> HostileSystem::placed() {
  std::set<TaskId> tasks;
  for (const auto& [key, place] : story_.folder.places) tasks.insert(key.task);
  return {tasks.begin(), tasks.end()};
}

void HostileSystem::forget_places(TaskId task) {
  if (is_gone_) return;
  std::erase_if(story_.folder.places, [&](const auto& place) {
    return place.first.task == task && !story_.folder.is_locked(place.first, scheduler_.now());
  });
}

class HostileSystem::SilentLog final : public OutputLog {
 public:
  void say(const std::string&) override {}
  std::string last_line() const override { return {}; }
};

Result<std::shared_ptr<OutputLog>> HostileSystem::open_log(const std::string&, LogAge) {
  if (story_.strikes(Hostility::full_disk, 1)) return Error{ErrorCode::io, "no space left"};
  return std::shared_ptr<OutputLog>(std::make_shared<SilentLog>());
}

// Git.

/// Origin answers within some time, or not at all.
}  // namespace pawl::hostile
