#include "tests/world/system.h"

#include <algorithm>
#include <deque>
#include <utility>

#include "engine/rules/claim.h"
#include "tests/world/pipelines.h"

namespace pawl::hostile {
namespace {

/// As long as git may take by itself.
constexpr Us git_hangs_max = 900 * second;
constexpr Us deletion_hangs_max = 50 * second;
/// A thread that prepares a worktree may hang for as long as git, twice.
constexpr Us passed_over_max = 2 * git_hangs_max + minute;

Us us_of(Deadline time) {
  return std::chrono::duration_cast<std::chrono::microseconds>(time.time_since_epoch()).count();
}

Us us_of_span(std::chrono::steady_clock::duration span) {
  return std::chrono::ceil<std::chrono::microseconds>(span).count();
}

StepKey key_of(const StepPlace& place) {
  return {place.task, place.version, place.step};
}

/// What a command is told.
std::string told(const Launch& launch, const std::string& name) {
  const std::string begin = "PAWL_" + name + "=";
  for (const std::string& each : launch.environment) {
    if (each.starts_with(begin)) return each.substr(begin.size());
  }
  return {};
}

std::uint64_t number_in(const std::string& text) {
  return std::strtoull(text.c_str(), nullptr, 10);
}

}  // namespace

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
  bool wait(std::unique_lock<std::mutex>& lock, Deadline deadline) override {
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

class HostileSystem::FiberCallOff final : public CallOff {
 public:
  explicit FiberCallOff(Scheduler& scheduler) : scheduler_(scheduler) {}

  void call() override {
    if (!called_at_) called_at_ = scheduler_.now();
    scheduler_.wake(waiter_);
  }
  bool called() const override { return called_at_.has_value(); }
  Us called_at() const { return *called_at_; }
  void wakes(ActorId waiter) const { waiter_ = waiter; }

 private:
  Scheduler& scheduler_;
  std::optional<Us> called_at_;
  mutable ActorId waiter_ = 0;
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
    std::unique_lock lock(state_->mutex);
    while (!state_->has_ended && !system_.is_gone_) state_->ended.wait(lock, no_deadline);
  }

 private:
  struct State {
    explicit State(Scheduler& scheduler) : ended(scheduler) {}
    std::mutex mutex;
    FiberSignal ended;
    bool has_ended = false;
  };
  HostileSystem& system_;
  std::shared_ptr<State> state_;
};

/// Fibers that take up work as it comes, in an order of nobody's choosing once there is more than one.
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
    std::unique_lock lock(mutex_);
    while (threads_ > 0 && !system_.is_gone_) changed_.wait(lock, no_deadline);
  }

 private:
  void run() {
    std::unique_lock lock(mutex_);
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
  std::mutex mutex_;
  FiberSignal changed_;
  std::deque<std::function<void()>> queue_;
  unsigned threads_ = 0;
  unsigned idle_ = 0;
  bool stopping_ = false;
};

std::unique_ptr<Signal> HostileSystem::make_signal() {
  return std::make_unique<FiberSignal>(scheduler_);
}

std::unique_ptr<CallOff> HostileSystem::make_call_off() {
  return std::make_unique<FiberCallOff>(scheduler_);
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
  return host.starts_with(std::string(daemon_machine) + ' ') && host != own_host();
}

Liveness HostileSystem::liveness_of(const std::string& host, std::int64_t pid, std::optional<std::int64_t> pid_start) {
  if (host == own_host()) return story_.machines.exists(host, pid, pid_start) ? Liveness::alive : Liveness::dead;
  return kernel_has_ended(host) ? Liveness::dead : Liveness::invisible;
}

/// A process whose fate begins when it is released.
class HostileSystem::MadeUpChild final : public Child {
 public:
  MadeUpChild(HostileSystem& system, ProcessPtr process, const Launch& launch)
      : system_(system), story_(system.story_), process_(std::move(process)), launch_(launch) {
    system_.children_.insert(this);
  }
  ~MadeUpChild() override {
    system_.children_.erase(this);
    if (is_reaped_) return;
    Machines& machines = story_.machines;
    if (!system_.is_gone_) {
      machines.end(*process_, {.how = CommandExit::How::signalled, .code = 9});
    } else if (!is_released_) {
      // It reads the end of its pipe in place of a word, when it comes to that.
      story_.scheduler.at(story_.scheduler.now() + story_.dice.between(0, 20) * ms,
                          [&machines, process = process_] { machines.end(*process, {.code = 127}); });
    }
    machines.reap(*process_);
  }

  pid_t pid() const override { return static_cast<pid_t>(process_->pid); }
  std::int64_t pid_start() const override { return process_->start; }

  void release() override {
    is_released_ = true;
    released_at_ = story_.scheduler.now();
    if (!process_->alive) return;
    const std::string& what = launch_.command.front();
    if (what == "agent") return be_agent();
    if (what == "gate") return be_gate();
    const PipelineStep step = step_named(launch_.command.at(1), launch_.command.at(2));
    return what == "step" ? be_step(step) : be_probe(step);
  }

  Wake wait(Deadline deadline, const CallOff* call) override {
    const auto* off = static_cast<const FiberCallOff*>(call);
    const ActorId self = story_.scheduler.self();
    if (!is_told_ && us_of(deadline) > released_at_ + timeout_s() * second) {
      story_.broken("a " + launch_.command.front() + " of task " + std::to_string(raw(task())) +
                    " is waited for beyond its time");
    }
    for (;;) {
      if (!process_->alive) return Wake::ended;
      if (off && off->called()) {
        const std::string& what = launch_.command.front();
        story_.mark(what == "agent"  ? Mark::agent_called_off
                    : what == "gate" ? Mark::gate_called_off
                                     : Mark::step_cut_off);
        check_call(*off);
        return Wake::called;
      }
      if (story_.scheduler.now() >= us_of(deadline)) {
        if (!is_told_) story_.mark(Mark::timed_out);
        return Wake::deadline;
      }
      process_->waiter = self;
      if (off) off->wakes(self);
      story_.scheduler.wait_until(us_of(deadline));
    }
  }
  void signal_group(Stop how) override {
    is_told_ = true;
    if (how == Stop::terminate) return story_.machines.terminate(process_);
    story_.mark(Mark::killed);
    story_.machines.kill(process_);
  }
  CommandExit reap() override {
    is_reaped_ = true;
    if (system_.ends_since_ && !is_told_ && launch_.command.front() == "step") story_.mark(Mark::step_ends_in_drain);
    story_.machines.reap(*process_);
    return *process_->exit;
  }
  const std::optional<std::string>& exec_failure() const override { return exec_failure_; }

  /// Runs on although its task is to be cancelled.
  bool ignores_cancel() const {
    const State& state = story_.witness().state();
    const Task* row = state.tasks.find(task());
    const Job* job = state.jobs.find(JobId{number_in(told(launch_, "JOB"))});
    return launch_.command.front() == "agent" && is_released_ && process_->alive && !is_told_ && row &&
           !row->cancel_requested.empty() && !is_committed(*row) && job && job->status == JobStatus::running &&
           !story_.witness().was_stop_off();
  }
  /// Runs, and may not while the daemon ends: only steps, and what asks about them, get time for that.
  bool is_overlooked() const {
    const std::string& what = launch_.command.front();
    return (what == "agent" || what == "gate") && is_released_ && process_->alive && !is_told_;
  }

 private:
  std::int64_t timeout_s() const {
    const std::string& what = launch_.command.front();
    if (what == "agent") return Agent{}.timeout_s;
    return what == "gate" ? Gate{}.timeout_s : step_named(launch_.command.at(1), launch_.command.at(2)).timeout_s;
  }
  TaskId task() const { return TaskId{number_in(told(launch_, "TASK"))}; }
  StepKey key() const { return {task(), Version{number_in(told(launch_, "VERSION"))}, told(launch_, "STEP")}; }

  void ends_after(Us work, CommandExit exit) {
    if (story_.strikes(Hostility::stubborn, 2)) {
      process_->stubborn_until = story_.scheduler.now() + story_.dice.between(1, 3600) * second;
    }
    if (story_.strikes(Hostility::stubborn, 2)) leave_behind(story_.dice.between(0, work));
    story_.scheduler.at(story_.scheduler.now() + work,
                        [&machines = story_.machines, process = process_, exit] { machines.end(*process, exit); });
  }

  /// It starts something that is in no hurry, and that wants to be seen by one of its signs alone.
  void leave_behind(Us after) {
    story_.scheduler.at(story_.scheduler.now() + after, [&story = story_, parent = process_, key = key()] {
      if (!parent->alive) return;
      const ProcessPtr child = story.machines.start(daemon_machine);
      child->run = parent->run;
      child->may_be_ended = true;
      const std::uint64_t signs = story.dice.roll(3);
      child->shows_run = signs != 1 || !parent->holds_lock;
      child->holds_lock = parent->holds_lock && signs != 2;
      const auto place = story.folder.places.find(key);
      if (place != story.folder.places.end() && child->holds_lock) place->second.processes.push_back(child);
      if (story.dice.one_in(2)) child->stubborn_until = story.scheduler.now() + story.dice.between(1, 600) * second;
      story.scheduler.at(story.scheduler.now() + story.dice.between(1, 7200) * second,
                         [&machines = story.machines, child] { machines.end(*child, {}); });
    });
  }

  bool cannot_execute() {
    if (!story_.strikes(Hostility::bad_exit, 1)) return false;
    story_.mark(Mark::exec_failed);
    exec_failure_ = "its interpreter is not there";
    story_.machines.end(*process_, {.code = 127});
    return true;
  }

  void be_agent() {
    const std::string job = told(launch_, "JOB");
    const std::string here = system_.own_host();
    for (const auto& [run, of_run] : story_.folder.agents) {
      if (of_run.job != job || run == process_->run) continue;
      if (story_.machines.of_run(here, run).empty()) continue;
      story_.broken("attempt " + told(launch_, "ATTEMPT") + " of job " + job +
                    " begins beside a process of an earlier one");
    }
    story_.folder.agents[process_->run] = {.job = job};
    const auto origin = story_.origins.find(told(launch_, "REPO"));
    const std::string branch = told(launch_, "BRANCH");
    if (origin != story_.origins.end() && !branch.empty()) story_.branches.insert({origin->second, branch});
    if (cannot_execute()) return;
    const Fate fate = story_.fate_of_agent();
    ends_after(fate.work, fate.exit);
  }

  void be_gate() {
    if (cannot_execute()) return;
    const std::optional<bool> colour = story_.gate_of(task());
    const Us work = meddle(story_, task(), story_.duration(), Gate{}.timeout_s * second / 4);
    CommandExit exit;
    if (!colour) exit = {.how = CommandExit::How::signalled, .code = 6};
    if (colour == false) exit.code = 1;
    ends_after(work, exit);
  }

  void be_step(const PipelineStep& step) {
    if (cannot_execute()) return;
    const Fate fate = story_.fate_of_step(step);
    meddle(story_, task(), fate.work, fate.work);
    if (fate.effect) {
      story_.scheduler.at(story_.scheduler.now() + *fate.effect,
                          [&story = story_, process = process_, key = key(), latency = fate.latency] {
                            if (process->alive) story.targets.request(key, latency);
                          });
    }
    ends_after(fate.work, fate.exit);
  }

  /// It says what was so when it ended.
  void be_probe(const PipelineStep& step) {
    if (cannot_execute()) return;
    const Us work = meddle(story_, task(), story_.duration(), step.timeout_s * second / 4);
    if (story_.strikes(Hostility::bad_exit, 10)) return ends_after(work, {.code = 2});
    story_.scheduler.at(story_.scheduler.now() + work, [&story = story_, process = process_, key = key()] {
      const Verdict happened = story.targets.happened(key);
      story.machines.end(*process, {.code = happened == Verdict::yes ? 0 : happened == Verdict::no ? 1 : 2});
    });
  }

  /// A daemon that ends in order lets a step come to its own end, for a while.
  void check_call(const FiberCallOff& off) {
    if (launch_.command.front() == "agent" || launch_.command.front() == "gate" || !system_.ends_since_) return;
    const Us patience = story_.witness().state().settings().stop.kill_after_s * second;
    if (off.called_at() < *system_.ends_since_ || off.called_at() >= *system_.ends_since_ + patience) return;
    story_.broken("a step of task " + std::to_string(raw(task())) + " was cut off by a stop that had time left");
  }

  HostileSystem& system_;
  Story& story_;
  const ProcessPtr process_;
  const Launch launch_;
  bool is_released_ = false;
  bool is_reaped_ = false;
  bool is_told_ = false;
  Us released_at_ = 0;
  std::optional<std::string> exec_failure_;
};

void HostileSystem::begin_end() {
  ends_since_ = scheduler_.now();
  scheduler_.spawn(Party::daemon, [this] {
    // Everybody has had his turn by then.
    for (int turn = 0; turn < 500; ++turn) scheduler_.pause();
    for (const MadeUpChild* child : children_) {
      if (child->is_overlooked()) story_.broken("the daemon ends, and waits for an agent or a gate to end by itself");
    }
  });
}

void HostileSystem::check_idle(std::uint64_t passes) {
  check_claims();
  check_deaths(passes);
  check_watches();
  for (const MadeUpChild* child : children_) {
    if (child->ignores_cancel()) story_.broken("an agent runs on whose task is to be cancelled");
  }
}

/// A death that was told of is followed by a pass at once, unless the reaper is switched off.
void HostileSystem::check_deaths(std::uint64_t passes) {
  const bool is_enabled = story_.witness().state().settings().reaper.enabled;
  if (is_enabled && deaths_told_ != deaths_seen_ && passes == passes_then_) {
    story_.broken("a process has died, the daemon was told, and made no pass");
  }
  deaths_seen_ = deaths_told_;
  passes_then_ = passes;
}

/// Each live boot of this machine is watched, that of the daemon aside.
void HostileSystem::check_watches() {
  for (const auto& [id, boot] : story_.witness().state().boots.rows()) {
    if (boot.stale || boot.host != own_host() || boot.pid == daemon_->pid || boot.pid <= 0) continue;
    if (!watched_.contains({boot.pid, boot.pid_start})) story_.broken("the death of boot " + id + " would go unseen");
  }
}

/// What the driver can claim it claims.
void HostileSystem::check_claims() {
  const State& state = story_.witness().state();
  std::map<JobId, Us> passed_over;
  for (const JobId id : state.indexes.queued) {
    if (claim_outcome(state, id) != Outcome::accepted) continue;
    if (story_.is_passed_over(id)) {
      passed_over[id] = passed_over_.contains(id) ? passed_over_.at(id) : scheduler_.now();
      const bool is_alive =
          std::any_of(story_.folder.agents.begin(), story_.folder.agents.end(), [&](const auto& agent) {
            return agent.second.job == std::to_string(raw(id)) &&
                   !story_.machines.of_run(own_host(), agent.first).empty();
          });
      if (is_alive) passed_over[id] = scheduler_.now();
      if (scheduler_.now() - passed_over[id] > passed_over_max) {
        story_.broken("job " + std::to_string(raw(id)) + " is passed over, and no process of it is left");
      }
      continue;
    }
    const Job& job = *state.jobs.find(id);
    const Agent* agent = state.pipeline_of(*state.tasks.find(job.task)).agent(job.agent);
    if (agent && !agent->run.empty()) story_.broken("job " + std::to_string(raw(id)) + " could be claimed, and is not");
  }
  passed_over_ = std::move(passed_over);
}

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
  Result<void> note_leader(pid_t pid, std::int64_t pid_start) override {
    if (system_.story_.strikes(Hostility::full_disk, 1)) return Error{ErrorCode::io, "no space left"};
    const auto noted = system_.story_.folder.runs.find(run_);
    if (noted == system_.story_.folder.runs.end()) return {};
    RunNote& note = noted->second.note;
    note.host = system_.own_host();
    note.pid = pid;
    note.pid_start = pid_start;
    return {};
  }

 private:
  HostileSystem& system_;
  const std::string run_;
};

class HostileSystem::HeldPlace final : public Handle {
 public:
  HeldPlace(Story& story, StepKey key) : story_(story), key_(std::move(key)) { story_.folder.places[key_].held = true; }
  ~HeldPlace() override {
    DataFolder::Place& place = story_.folder.places[key_];
    place.held = false;
    place.shared_until = story_.shared_until();
  }
  const StepKey& key() const { return key_; }

 private:
  Story& story_;
  const StepKey key_;
};

Result<std::unique_ptr<Child>> HostileSystem::fork_stopped(const Launch& launch) {
  breathe();
  if (story_.strikes(Hostility::bad_exit, 2)) {
    story_.mark(Mark::fork_failed);
    return Error{ErrorCode::missing, "there is no such program"};
  }
  const ProcessPtr process = story_.machines.start(daemon_machine);
  process->run = told(launch, "RUN");
  process->is_kept = true;
  process->leads = true;
  process->may_be_ended = true;
  process->shows_run = true;
  process->holds_lock = !story_.strikes(Hostility::unseen, 5);
  for (const Handle* handle : launch.inherited) {
    if (const auto* place = dynamic_cast<const HeldPlace*>(handle)) {
      story_.folder.places[place->key()].processes = {process};
    }
  }
  auto child = std::make_unique<MadeUpChild>(*this, process, launch);
  breathe();
  return std::unique_ptr<Child>(std::move(child));
}

class HostileSystem::MadeUpProcess final : public OtherProcess {
 public:
  MadeUpProcess(HostileSystem& system, ProcessPtr process) : system_(system), process_(std::move(process)) {}

  pid_t pid() const override { return static_cast<pid_t>(process_->pid); }
  void signal(Stop how) override {
    Machines& machines = system_.story_.machines;
    if (!process_->may_be_ended) {
      system_.story_.broken("the daemon ends process " + std::to_string(process_->pid) + ", which is none of its own");
    }
    if (how == Stop::kill) return machines.kill(process_);
    machines.terminate(process_);
  }
  std::optional<std::string> signal_group(Stop how) override {
    Story& story = system_.story_;
    if (story.strikes(Hostility::unseen, 5)) return "Operation not permitted";
    story.mark(Mark::outside_agent_ended);
    signal(how);
    return std::nullopt;
  }
  bool ended_within(std::chrono::milliseconds within) override {
    if (process_->alive && within.count() > 0) system_.scheduler_.sleep(us_of_span(within));
    return !process_->alive;
  }

 private:
  HostileSystem& system_;
  const ProcessPtr process_;
};

std::vector<std::unique_ptr<OtherProcess>> HostileSystem::processes_of(const RunSigns& signs) {
  breathe();
  std::vector<std::unique_ptr<OtherProcess>> found;
  for (const ProcessPtr& process : story_.machines.of_run(own_host(), signs.run)) {
    if (hides(*process)) continue;
    if (!process->shows_run && !(signs.by_lock && process->holds_lock)) continue;
    if (!process->shows_run) story_.mark(Mark::found_by_lock);
    found.push_back(std::make_unique<MadeUpProcess>(*this, process));
  }
  return found;
}

/// It forks and ends behind the eyes of whoever looks. A second look finds what came of it.
bool HostileSystem::hides(Process& process) {
  if (process.leads || process.has_hidden || !story_.strikes(Hostility::unseen, 30)) return false;
  const ProcessPtr child = story_.machines.start(daemon_machine);
  child->run = process.run;
  child->may_be_ended = child->has_hidden = true;
  child->shows_run = process.shows_run;
  child->holds_lock = process.holds_lock;
  for (auto& [key, place] : story_.folder.places) {
    for (const ProcessPtr& holder : place.processes) {
      if (holder.get() != &process) continue;
      place.processes.push_back(child);
      break;
    }
  }
  story_.scheduler.at(story_.scheduler.now() + story_.dice.between(1, 7200) * second,
                      [&machines = story_.machines, child] { machines.end(*child, {}); });
  story_.machines.end(process, {});
  story_.mark(Mark::hidden_fork);
  return true;
}

std::unique_ptr<OtherProcess> HostileSystem::process(pid_t pid) {
  const ProcessPtr found = story_.machines.find(own_host(), pid);
  return found ? std::make_unique<MadeUpProcess>(*this, found) : nullptr;
}

/// Tells of deaths late, or twice, or never.
class HostileSystem::LateWatch final : public DeathWatch {
 public:
  LateWatch(HostileSystem& system, std::function<void()> died)
      : system_(system), died_(std::make_shared<std::function<void()>>(std::move(died))) {}

  void watch(const std::string& host, std::int64_t pid, std::int64_t pid_start) override {
    if (!died_) return;
    system_.watched_.insert({pid, pid_start});
    const Liveness liveness = system_.liveness_of(host, pid, pid_start);
    if (liveness == Liveness::invisible) return;
    if (liveness == Liveness::dead) return (*died_)();
    Story& story = system_.story_;
    if (story.strikes(Hostility::death_watch, 10)) return;  // for want of descriptors
    const std::weak_ptr<std::function<void()>> died = died_;
    story.machines.find(host, pid)->at_end.emplace_back([&story, &system = system_, died] {
      const std::uint64_t times = story.strikes(Hostility::death_watch, 10) ? 2 : 1;
      for (std::uint64_t i = 0; i < times; ++i) {
        const Us late = story.strikes(Hostility::death_watch, 30) ? story.dice.between(1, 60) * second
                                                                  : story.dice.between(0, 5) * ms;
        story.scheduler.at(story.scheduler.now() + late, [&system, died] {
          const auto call = died.lock();
          if (!call) return;
          ++system.deaths_told_;
          system.story_.mark(Mark::death_told);
          (*call)();
        });
      }
    });
  }
  void stop() override { died_.reset(); }

 private:
  HostileSystem& system_;
  std::shared_ptr<std::function<void()>> died_;
};

std::unique_ptr<DeathWatch> HostileSystem::watch_deaths(std::function<void()> died) {
  return std::make_unique<LateWatch>(*this, std::move(died));
}

// Files.

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

/// Whoever looks at a run is about to end it.
std::optional<RunNote> HostileSystem::noted_run(const std::string& run) {
  check_settles_nothing_owned(run);
  const auto noted = story_.folder.runs.find(run);
  return noted == story_.folder.runs.end() ? std::nullopt : std::optional(noted->second.note);
}

/// A step whose owner holds the lease, and waits for it, is nobody else's business. Of a step from outside nothing is
/// seen but that.
void HostileSystem::check_settles_nothing_owned(const std::string& run) {
  for (const auto& [id, task] : story_.witness().state().tasks.rows()) {
    const StepRow* step = open_step(task);
    if (!step || step->run != run || !story_.witness().is_owners_step(id, step->started)) continue;
    const std::vector<ProcessPtr> processes = story_.machines.of_run(own_host(), run);
    const bool is_at_work =
        std::any_of(processes.begin(), processes.end(), [](const ProcessPtr& each) { return each->leads; });
    if (!is_at_work && !story_.workers.contains(step->boot)) continue;
    story_.broken("somebody ends step '" + step->step + "' of task " + std::to_string(raw(id)) +
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
    story_.broken("run " + run + " is taken for gone, and a process of it is alive");
  }
  story_.mark(Mark::run_forgotten);
  story_.folder.runs.erase(run);
}

Result<std::unique_ptr<Handle>> HostileSystem::lock_place(const StepPlace& place) {
  const StepKey key = key_of(place);
  if (story_.folder.is_locked(key, scheduler_.now())) {
    story_.mark(Mark::place_busy);
    return Error{ErrorCode::busy, "somebody works on this step"};
  }
  if (story_.strikes(Hostility::full_disk, 1)) return Error{ErrorCode::io, "no space left"};
  return std::unique_ptr<Handle>(std::make_unique<HeldPlace>(story_, key));
}

Result<void> HostileSystem::note_place(const Handle& place, const std::string& run) {
  if (story_.strikes(Hostility::full_disk, 1)) return Error{ErrorCode::io, "no space left"};
  story_.folder.places[dynamic_cast<const HeldPlace&>(place).key()].note = {.run = run, .host = own_host()};
  return {};
}

PlaceNote HostileSystem::place_note(const Handle& place) {
  return story_.folder.places[dynamic_cast<const HeldPlace&>(place).key()].note;
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
  std::int64_t bytes() const override { return 0; }
  std::string last_line(std::int64_t) const override { return {}; }
};

Result<std::shared_ptr<OutputLog>> HostileSystem::open_log(const std::string&) {
  if (story_.strikes(Hostility::full_disk, 1)) return Error{ErrorCode::io, "no space left"};
  return std::shared_ptr<OutputLog>(std::make_shared<SilentLog>());
}

// Git.

/// Origin answers, within some time, or it does not.
Result<void> HostileSystem::remote(Us most) {
  const Us time = story_.strikes(Hostility::remote, 2) ? story_.dice.between(1, most / second) * second
                                                       : story_.dice.between(0, 200) * ms;
  const Us until = scheduler_.now() + time;
  const ActorId self = scheduler_.self();
  in_git_.insert(self);
  while (!git_stopped_ && scheduler_.now() < until) scheduler_.wait_until(until);
  in_git_.erase(self);
  if (git_stopped_) {
    story_.mark(Mark::git_called_off);
    return Error{ErrorCode::io, "git: called off"};
  }
  if (time <= most * 9 / 10 && !story_.strikes(Hostility::remote, 3)) return {};
  story_.mark(Mark::origin_failed);
  return Error{ErrorCode::io, "git: origin does not answer"};
}

Result<Worktree> HostileSystem::prepare_worktree(const WorkOrder& order) {
  breathe();
  if (story_.origins.contains(order.repo)) PAWL_TRY(remote(git_hangs_max));
  story_.folder.worktrees.insert(order.task);
  return Worktree{.folder = "work", .remark = {}};
}

Result<Worktree> HostileSystem::existing_worktree(const WorkOrder& order) {
  if (!story_.folder.worktrees.contains(order.task)) return prepare_worktree(order);
  breathe();
  if (git_stopped_) return Error{ErrorCode::io, "git: called off"};
  return Worktree{.folder = "work", .remark = {}};
}

/// The live tasks that work on that branch of what is one repository under several names.
std::set<TaskId> HostileSystem::on_branch(const WorkOrder& order) const {
  std::set<TaskId> tasks;
  for (const auto& [id, task] : story_.witness().state().tasks.rows()) {
    const auto origin = story_.origins.find(task.repo);
    if (is_terminal(task.stage) || task.branch != order.branch || origin == story_.origins.end()) continue;
    if (origin->second == story_.origins.at(order.repo)) tasks.insert(id);
  }
  return tasks;
}

Result<BranchEnd> HostileSystem::delete_branch(const WorkOrder& order, const std::function<bool()>& in_use) {
  PAWL_TRY(remote(deletion_hangs_max));
  const std::pair<std::string, std::string> branch{story_.origins.at(order.repo), order.branch};
  if (!story_.branches.contains(branch)) return BranchEnd::absent;
  const std::set<TaskId> before = on_branch(order);
  if (in_use()) {
    story_.mark(Mark::branch_in_use);
    return BranchEnd::in_use;
  }
  std::set<TaskId> robbed;
  for (const TaskId task : on_branch(order)) {
    if (before.contains(task)) robbed.insert(task);
  }
  if (!robbed.empty()) {
    story_.broken("the branch " + order.branch + " is deleted, on which task " + std::to_string(raw(*robbed.begin())) +
                  " works");
  }
  PAWL_TRY(remote(deletion_hangs_max));
  story_.branches.erase(branch);
  story_.mark(Mark::branch_deleted);
  return BranchEnd::deleted;
}

Result<void> HostileSystem::empty_worktree(TaskId task) {
  breathe();
  story_.folder.worktrees.insert(task);
  if (story_.strikes(Hostility::remote, 3)) return Error{ErrorCode::io, "cannot be emptied"};
  story_.mark(Mark::folder_emptied);
  return {};
}

Result<void> HostileSystem::remove_worktree(TaskId task) {
  breathe();
  const Task* row = story_.witness().state().tasks.find(task);
  if (row && !is_terminal(row->stage)) {
    story_.broken("the worktree of task " + std::to_string(raw(task)) + " is removed, which is not finished");
  }
  if (story_.strikes(Hostility::remote, 3)) {
    story_.mark(Mark::folder_kept);
    return Error{ErrorCode::io, "cannot be removed"};
  }
  story_.mark(Mark::folder_removed);
  story_.folder.worktrees.erase(task);
  return {};
}

std::vector<TaskId> HostileSystem::worktrees() {
  return {story_.folder.worktrees.begin(), story_.folder.worktrees.end()};
}

void HostileSystem::stop_git() {
  git_stopped_ = true;
  for (const ActorId actor : in_git_) scheduler_.wake(actor);
}

}  // namespace pawl::hostile
