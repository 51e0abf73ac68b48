// Processes, and who learns of their ends: what shows of them, what hides, and what outlives a signal.
#include <algorithm>
#include <utility>

#include "engine/rules/claim.h"
#include "tests/world/pipelines.h"
#include "tests/world/system_parts.h"

namespace pawl::hostile {

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
      // When it gets there, it reads the end of its pipe instead of a word.
      story_.scheduler.at(story_.scheduler.now() + story_.dice.between(0, 20) * ms,
                          [&machines, process = process_] { machines.end(*process, {.code = 127}); });
    }
    machines.reap(*process_);
  }

  pid_t pid() const override { return static_cast<pid_t>(process_->pid); }
  std::int64_t pid_start() const override { return process_->start; }

  void release() override {
    released_at_ = story_.scheduler.now();
    if (std::exchange(is_released_, true) || !process_->alive) return;  // It ignores a second word.
    const std::string& what = launch_.command.front();
    if (what == "agent") return be_agent();
    if (what == "gate") return be_gate();
    const PipelineStep step = step_of_command();
    return what == "step" ? be_step(step) : be_probe(step);
  }

  Wake wait(Deadline deadline, const CancelToken* call) override {
    const auto* off = static_cast<const FiberCancelToken*>(call);
    const ActorId self = story_.scheduler.self();
    if (!is_told_ && us_of(deadline) > released_at_ + timeout_s() * second) {
      story_.broken("a " + launch_.command.front() + " of task " + std::to_string(raw(task())) +
                    " is waited for beyond its time");
    }
    for (;;) {
      if (!process_->alive) return Wake::ended;
      if (off && off->called() && is_told_) return Wake::called;  // by a party that cannot wait
      if (off && off->called()) {
        if (off->called_at() < released_at_) story_.broken("a command executes that was called off before");
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
    system_.note_signal(process_, how);
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

  /// Runs on although its task's cancel was requested.
  bool ignores_cancel() const {
    const State& state = story_.witness().state();
    const Task* row = state.tasks.find(task());
    const Job* job = state.jobs.find(JobId{number_in(told(launch_, "JOB"))});
    return launch_.command.front() == "agent" && is_released_ && process_->alive && !is_told_ && row &&
           !row->cancel_requested.empty() && !is_committed(*row) && job && job->status == JobStatus::running &&
           !story_.witness().was_stop_off();
  }
  bool is_agent_at_work(TaskId of) const {
    return launch_.command.front() == "agent" && task() == of && is_released_ && process_->alive && !is_told_;
  }
  /// Its job was ended by another party.
  bool works_for_nothing() const {
    const Job* job = story_.witness().state().jobs.find(JobId{number_in(told(launch_, "JOB"))});
    const bool is_ended =
        !job || job->status != JobStatus::running || job->attempts != number_in(told(launch_, "ATTEMPT"));
    return launch_.command.front() == "agent" && is_released_ && process_->alive && !is_told_ && is_ended &&
           !story_.witness().was_stop_off();
  }
  bool is_path_at_work(TaskId of) const {
    return launch_.command.front() != "agent" && task() == of && is_released_ && process_->alive && !is_told_;
  }
  bool is_gate_at_work(TaskId of) const {
    return launch_.command.front() == "gate" && task() == of && is_released_ && process_->alive && !is_told_;
  }
  /// Runs, and may not while the daemon ends: only steps and their probes get time then.
  bool is_overlooked() const {
    const std::string& what = launch_.command.front();
    return (what == "agent" || what == "gate") && is_released_ && process_->alive && !is_told_;
  }

 private:
  std::int64_t timeout_s() const {
    const std::string& what = launch_.command.front();
    if (what == "agent") return Agent{}.timeout_s;
    return what == "gate" ? Gate{}.timeout_s : step_of_command().timeout_s;
  }
  PipelineStep step_of_command() const {
    const std::string& pipeline = launch_.command.at(1);
    const std::string& step = launch_.command.at(2);
    if (!story_.script()) return step_named(pipeline, step);
    for (const Pipeline& each : story_.script()->pipelines()) {
      for (const Stage& stage : each.stages) {
        for (const PipelineStep& found : stage.steps) {
          if (each.name == pipeline && found.name == step) return found;
        }
      }
    }
    return {};
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

  /// It starts something slow that shows only one of its signs.
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
    for (const MadeUpChild* child : system_.children_) {
      if (child != this && (child->is_path_at_work(task()) || child->is_agent_at_work(task()))) {
        story_.broken("an agent of task " + std::to_string(raw(task())) + " begins beside " +
                      child->launch_.command.front() + " of it");
      }
    }
    story_.folder.agents[process_->run] = {.job = job};
    const auto origin = story_.origins.find(told(launch_, "REPO"));
    const std::string branch = told(launch_, "BRANCH");
    if (origin != story_.origins.end() && !branch.empty()) {
      // It pushes its branch as soon as it has one.
      const Branch at{origin->second, branch};
      const auto tree = story_.folder.worktrees.find(task());
      const bool is_new = story_.branches.head(at) == 0 && tree != story_.folder.worktrees.end();
      if (is_new && tree->second.head != 0) story_.branches.set(at, tree->second.head);
    }
    if (cannot_execute()) return;
    const Fate fate = story_.script() ? story_.script()->fate_of_agent(task()) : story_.fate_of_agent();
    system_.note_work(task(), told(launch_, "REPO"), branch);
    ends_after(fate.work, fate.exit);
  }

  void be_gate() {
    if (cannot_execute()) return;
    for (const MadeUpChild* child : system_.children_) {
      if (child->is_agent_at_work(task())) {
        story_.broken("a gate of task " + std::to_string(raw(task())) + " begins beside an agent of it");
      }
    }
    const std::string what = "a gate of task " + std::to_string(raw(task()));
    for (const MadeUpChild* child : system_.children_) {
      if (child != this && child->is_gate_at_work(task())) {
        story_.broken(what + " runs beside another gate of its task");
      }
    }
    if (told(launch_, "TOKEN").empty()) story_.broken(what + " runs without the lease of its task");
    if (story_.script()) {
      const Fate fate = story_.script()->fate_of_gate(task());
      return ends_after(fate.work, fate.exit);
    }
    const std::optional<bool> colour = story_.gate_of(task());
    const Us work = meddle(story_, task(), story_.duration(), Gate{}.timeout_s * second / 4);
    CommandExit exit;
    if (!colour) exit = {.how = CommandExit::How::signalled, .code = 6};
    if (colour == false) exit.code = story_.dice.one_in(4) ? exit_code_later : 1;
    ends_after(work, exit);
  }

  void be_step(const PipelineStep& step) {
    if (cannot_execute()) return;
    system_.check_tree(key(), told(launch_, "REPO"));
    const Fate fate = story_.script() ? story_.script()->fate_of_step(key(), step) : story_.fate_of_step(step);
    meddle(story_, task(), fate.work, fate.work);
    if (fate.effect) {
      story_.scheduler.at(story_.scheduler.now() + *fate.effect,
                          [&story = story_, process = process_, key = key(), step, latency = fate.latency] {
                            if (process->alive) story.request(key, step, latency, process);
                          });
    }
    ends_after(fate.work, fate.exit);
  }

  /// It reports what was true when it ended.
  void be_probe(const PipelineStep& step) {
    if (cannot_execute()) return;
    if (story_.script()) {
      const Fate fate = story_.script()->fate_of_probe(key(), story_.targets.happened(key()));
      return ends_after(fate.work, fate.exit);
    }
    const Us work = meddle(story_, task(), story_.duration(), step.timeout_s * second / 4);
    if (story_.strikes(Hostility::bad_exit, 10)) return ends_after(work, {.code = 2});
    story_.scheduler.at(story_.scheduler.now() + work, [&story = story_, process = process_, key = key()] {
      Verdict happened = story.targets.happened(key);
      if (happened == Verdict::unknown && story.strikes(Hostility::naive_probe, 80)) happened = Verdict::no;
      story.machines.end(*process, {.code = happened == Verdict::yes ? 0 : happened == Verdict::no ? 1 : 2});
    });
  }

  /// A daemon that ends in order lets a step finish, for a while.
  void check_call(const FiberCancelToken& off) {
    if (launch_.command.front() == "agent" || launch_.command.front() == "gate" || !system_.ends_since_) return;
    const Us patience = system_.is_hurried_ ? 0 : system_.patience_;
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
  // A new setting may not have reached the driver yet.
  const State& state = story_.witness().state();
  const bool is_new = age_s(story_.witness().settings_changed(), state.last_time) < 60;
  constexpr std::int64_t by_default_s = 6;  // part of the 9 s that a whole stop takes
  const std::int64_t set_s = state.settings().stop.kill_after_s;
  const bool is_set = state.settings_changed.find("stop.kill_after_s") != nullptr;
  patience_ = is_new ? 0 : (is_set ? set_s : std::min(set_s, by_default_s)) * second;
  scheduler_.spawn(Party::daemon, [this] {
    // By then everyone has had a turn.
    for (int turn = 0; turn < 500; ++turn) scheduler_.pause();
    for (const MadeUpChild* child : children_) {
      if (child->is_overlooked()) story_.broken("the daemon ends, but waits for an agent or a gate to end by itself");
    }
  });
}

void HostileSystem::check_idle(const Idle& idle) {
  check_claims(idle);
  check_barred();
  check_monitors(idle);
  check_deaths(idle.passes);
  check_watches();
  check_kills();
  for (const MadeUpChild* child : children_) {
    if (child->ignores_cancel()) story_.broken("an agent runs on although its task's cancel was requested");
    if (child->works_for_nothing()) story_.broken("an agent runs on although its job was ended");
  }
}

/// A pass follows at once after a reported death, unless the reaper is switched off.
void HostileSystem::check_deaths(std::uint64_t passes) {
  const bool is_enabled = story_.witness().state().settings().reaper.enabled;
  if (is_enabled && deaths_told_ != deaths_seen_ && passes == passes_then_) {
    story_.broken("a process has died, and the daemon was told, but made no pass");
  }
  deaths_seen_ = deaths_told_;
  passes_then_ = passes;
}

void HostileSystem::note_signal(const ProcessPtr& process, Stop how) {
  if (how == Stop::terminate) {
    terminated_.try_emplace(process->start, Terminated{process, scheduler_.now()});
  } else if (terminated_.erase(process->start) > 0 && process->alive) {
    story_.mark(Mark::kill_follows);
  }
}

/// What does not end on SIGTERM gets SIGKILL after it.
void HostileSystem::check_kills() {
  std::erase_if(terminated_, [](const auto& each) { return !each.second.process->alive; });
  for (const auto& [start, told] : terminated_) {
    if (scheduler_.now() - told.since <= kill_follows_within) continue;
    story_.broken("process " + std::to_string(told.process->pid) + " of run " + told.process->run +
                  " was told to end, did not, and was never killed");
  }
}

HostileSystem::RunningAttempts HostileSystem::running_attempts() const {
  RunningAttempts attempts;
  const State& state = story_.witness().state();
  for (const JobId id : state.indexes.running) {
    const Job& job = *state.jobs.find(id);
    // The exit-zero rule may already be under way, for this attempt or an earlier one: then the job is left alone.
    if (job.run->exit_code != 0 && job.attempts == 1) attempts.emplace(id, job.attempts);
  }
  return attempts;
}

/// A pass looks at each job that ran throughout it.
void HostileSystem::check_pass(const RunningAttempts& before, const ReaperPass& pass) {
  std::uint64_t ran = 0;
  for (const auto& [id, attempt] : running_attempts()) {
    const auto was = before.find(id);
    if (was != before.end() && was->second == attempt) ++ran;
  }
  if (!ends_since_ && pass.jobs < ran) {
    story_.broken("a pass looked at " + std::to_string(pass.jobs) + " jobs, and " + std::to_string(ran) +
                  " ran all the while");
  }
}

/// Each live boot of this machine is watched, except the daemon's.
void HostileSystem::check_watches() {
  for (const auto& [id, boot] : story_.witness().state().boots.rows()) {
    if (boot.stale || boot.host != own_host() || boot.pid == daemon_->pid || boot.pid <= 0) continue;
    if (!watched_.contains({boot.pid, boot.pid_start})) story_.broken("the death of boot " + id + " would go unseen");
  }
}

/// The driver claims whatever it can.
void HostileSystem::check_claims(const Idle& idle) {
  if (idle.jobs_at_work > idle.jobs_at_once) story_.broken("more jobs run at once than there are threads for");
  if (idle.jobs_at_work == idle.jobs_at_once) return story_.mark(Mark::jobs_at_once_reached);
  const State& state = story_.witness().state();
  std::map<JobId, Us> skipped;
  for (const JobId id : state.indexes.queued) {
    if (claim_outcome(state, id, state.last_time) != Outcome::accepted) continue;
    if (story_.is_skipped(id)) {
      skipped[id] = skipped_.contains(id) ? skipped_.at(id) : scheduler_.now();
      const bool is_alive =
          std::any_of(story_.folder.agents.begin(), story_.folder.agents.end(), [&](const auto& agent) {
            return agent.second.job == std::to_string(raw(id)) &&
                   !story_.machines.of_run(own_host(), agent.first).empty();
          });
      if (is_alive) skipped[id] = scheduler_.now();
      if (scheduler_.now() - skipped[id] > skipped_max) {
        story_.broken("job " + std::to_string(raw(id)) + " is passed over, but no process of it is left");
      }
      continue;
    }
    const Job& job = *state.jobs.find(id);
    const Task& task = *state.tasks.find(job.task);
    const Agent* agent = state.pipeline_of(task).agent(job.agent);
    if (!agent || agent->run.empty()) continue;
    if (is_committed(task)) continue;  // No agent changes what was judged: the crossing ends without it.
    // One agent at a time in a worktree, even if the task was moved on.
    const bool is_worked_on = std::any_of(state.indexes.running.begin(), state.indexes.running.end(), [&](JobId other) {
      const Job& running = *state.jobs.find(other);
      return running.task == task.id && running.run->owner.boot_id == story_.daemon().boot_id();
    });
    if (is_worked_on) continue;
    // Its worktree is prepared first, or others are; or a path is at work in it.
    const bool is_being_prepared =
        std::find(idle.being_prepared.begin(), idle.being_prepared.end(), id) != idle.being_prepared.end();
    const bool waits_for_others = story_.origins.contains(task.repo) && !idle.being_prepared.empty();
    if (is_being_prepared || waits_for_others || idle.driven.contains(task.id)) {
      skipped[id] = skipped_.contains(id) ? skipped_.at(id) : scheduler_.now();
      if (scheduler_.now() - skipped[id] > skipped_max) {
        story_.broken("job " + std::to_string(raw(id)) + " waits for its worktree, but will not get it");
      }
      continue;
    }
    story_.broken("job " + std::to_string(raw(id)) + " could be claimed, but is not");
  }
  skipped_ = std::move(skipped);
}

/// An exit that waits for a lease waits for one that is held.
void HostileSystem::check_monitors(const Idle& idle) {
  const State& state = story_.witness().state();
  for (const JobId id : idle.waiting_for_lease) {
    const Job* job = state.jobs.find(id);
    if (!job || job->status != JobStatus::running) continue;
    const Task& task = *state.tasks.find(job->task);
    if (is_committed(task)) continue;             // It waits until the crossing is finished, by whichever party.
    if (is_barred(state, task.id)) continue;      // By what an earlier attempt left behind.
    if (idle.driven.contains(task.id)) continue;  // By a path that began before: one at a time.
    // By an agent of the stage that the task was moved from, as far as is recorded.
    const bool is_at_work = std::any_of(state.indexes.running.begin(), state.indexes.running.end(), [&](JobId other) {
      const Job& running = *state.jobs.find(other);
      return running.task == task.id && runs_an_agent_of(running, story_.daemon().boot_id());
    });
    if (is_at_work) continue;
    if (state.lease(task_key(task.id)) || state.lease(repo_key(task.repo))) continue;
    story_.broken("the exit of job " + std::to_string(raw(id)) + " waits for a lease, but its leases are free");
  }
}

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
  /// `is_reported`: a party has reported it as its agent.
  MadeUpProcess(HostileSystem& system, ProcessPtr process, bool is_reported)
      : system_(system), process_(std::move(process)), is_reported_(is_reported) {}

  pid_t pid() const override { return static_cast<pid_t>(process_->pid); }
  void signal(Stop how) override {
    Machines& machines = system_.story_.machines;
    if (!process_->may_be_ended) {
      system_.story_.broken("the daemon ends process " + std::to_string(process_->pid) +
                            ", which is not one of its own");
    }
    if (is_reported_) check_reported();
    system_.note_signal(process_, how);
    if (how == Stop::kill) return machines.kill(process_);
    machines.terminate(process_);
  }
  std::optional<std::string> signal_group(Stop how) override {
    Story& story = system_.story_;
    if (story.strikes(Hostility::unseen, 5)) {
      system_.terminated_.erase(process_->start);  // It has tried.
      return "Operation not permitted";
    }
    story.mark(Mark::outside_agent_ended);
    signal(how);
    if (!process_->leads_group) story.mark(Mark::group_of_another);
    for (const ProcessPtr& member : process_->group) {
      how == Stop::kill ? story.machines.kill(member) : story.machines.terminate(member);
    }
    return std::nullopt;
  }
  bool ended_within(std::chrono::milliseconds within) override {
    if (process_->alive && within.count() > 0) system_.scheduler_.sleep(us_of_span(within));
    return !process_->alive;
  }

 private:
  /// Any process can be reported. Only a worker's agent whose work is over may be ended.
  void check_reported() {
    const std::string what = "the daemon ends process " + std::to_string(process_->pid) + ", which ";
    if (process_->worker == 0) return system_.story_.broken(what + "is not a worker's agent");
    const State& state = system_.story_.witness().state();
    const Job* job = state.jobs.find(process_->job);
    const bool is_at_work = job && job->status == JobStatus::running && job->attempts == process_->attempt &&
                            job->run->pid == process_->pid && !job->run->exit_code;
    const Task* task = job ? state.tasks.find(job->task) : nullptr;
    if (!is_at_work || !task || !task->cancel_requested.empty()) return;
    system_.story_.broken(what + "is the agent of job " + std::to_string(raw(job->id)) + ", at work");
  }

  HostileSystem& system_;
  const ProcessPtr process_;
  const bool is_reported_;
};

std::vector<std::unique_ptr<OtherProcess>> HostileSystem::processes_of(const ProcessMarkers& signs) {
  breathe();
  std::vector<std::unique_ptr<OtherProcess>> found;
  for (const ProcessPtr& process : story_.machines.of_run(own_host(), signs.run)) {
    if (hides(*process)) continue;
    if (!process->shows_run && !(signs.by_lock && process->holds_lock)) continue;
    if (!process->shows_run) story_.mark(Mark::found_by_lock);
    found.push_back(std::make_unique<MadeUpProcess>(*this, process, false));
  }
  return found;
}

/// It forks and ends unseen by the look under way. A second look finds the child.
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
  return found ? std::make_unique<MadeUpProcess>(*this, found, true) : nullptr;
}

/// Reports deaths late, twice, or never.
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
    const ProcessPtr process = story.machines.find(host, pid);
    if (!process || story.strikes(Hostility::death_watch, 10)) return;  // out of descriptors
    const std::weak_ptr<std::function<void()>> died = died_;
    process->at_end.emplace_back([&story, &system = system_, died] {
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

}  // namespace pawl::hostile
