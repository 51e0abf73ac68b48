// The threads of the daemon's executor (daemon/executor*.cc), each as an actor of its own.
#include <algorithm>

#include "engine/rules/claim.h"
#include "tests/world/daemon.h"
#include "tests/world/daemon_world.h"

namespace pawl::hostile {
namespace {

constexpr std::int64_t exit_code_timed_out = 124;
constexpr std::int64_t exit_code_signal_base = 128;

std::int64_t exit_code_of(const CommandExit& exit) {
  if (exit.how == CommandExit::How::timed_out) return exit_code_timed_out;
  return exit.how == CommandExit::How::exited ? exit.code : exit_code_signal_base + exit.code;
}

}  // namespace

// What durable records ask for.

void Daemon::listen(const fb::Record& record, const Applied& applied) {
  if (applied.outcome != Outcome::accepted) return;
  note(record, applied);
  scheduler_.wake(executor_);
}

void Daemon::note(const fb::Record& record, const Applied& applied) {
  bool queued = false;
  for (const Effect& effect : applied.effects) queued = queued || effect.kind == EffectKind::job_queued;
  if (queued) jobs_changed_ = true;
  if (const auto* event = record.event_as_StageTransition()) {
    const bool ends = is_terminal(event->to()->string_view());
    if (ends) jobs_changed_ = true;
    if (!ends && !queued) flagged_.insert(TaskId{event->task()});
  } else if (record.event_as_TaskCancelled()) {
    jobs_changed_ = true;
  } else if (const auto* unblocked = record.event_as_TaskUnblocked()) {
    jobs_changed_ = true;
    flagged_.insert(TaskId{unblocked->task()});
  } else if (const auto* ended = record.event_as_JobFinished()) {
    jobs_changed_ = true;
    if (!queued && ended->result() != fb::JobResult::done) flagged_jobs_.insert(JobId{ended->job()});
    outside_runs_.erase(JobId{ended->job()});
  } else if (const auto* reaped = record.event_as_JobReaped()) {
    jobs_changed_ = true;
    if (!queued) flagged_jobs_.insert(JobId{reaped->job()});
  } else if (const auto* set = record.event_as_SettingChanged()) {
    jobs_changed_ = settings_changed_ = true;
    if (set->key()->string_view() == "stop.enabled") stop_enabled_ = set->value()->flag().value_or(true);
    scheduler_.wake(reaper_);
  } else if (record.event_as_PipelineDefined()) {
    jobs_changed_ = settings_changed_ = true;
  } else if (const auto* started = record.event_as_RunStarted()) {
    const JobId job{started->job()};
    const OutsideRun run{started->pid(), started->pid_start(), record.boot()->str()};
    if (!running_.contains(job)) outside_runs_.insert_or_assign(job, run);
  } else if (const auto* exit = record.event_as_RunExited()) {
    const JobId job{exit->job()};
    if (!running_.contains(job)) exited_.insert_or_assign(job, exit->attempt());
  }
  for (const Effect& effect : applied.effects) {
    if (effect.kind == EffectKind::task && !queued) flagged_.insert(TaskId{effect.id});
    const bool is_left_alone = record.event_as_CancelRequested() && !stop_enabled_;
    if (effect.kind == EffectKind::end_group && !is_left_alone) call_off(effect, record);
    if (effect.kind != EffectKind::lease_freed) continue;
    ++leases_freed_;
    for (const ActorId waiter : lease_waiters_) scheduler_.wake(waiter);
    flagged_.merge(waiting_for_lease_);
    exited_.merge(exits_waiting_for_lease_);
  }
}

void Daemon::call_off(const Effect& end_group, const fb::Record& record) {
  const JobId job{end_group.id};
  const fb::JobReaped* reaped = record.event_as_JobReaped();
  if (const auto outside = outside_runs_.find(job); outside != outside_runs_.end()) {
    post([this, run = outside->second] { end_outside(run); });
    if (reaped) outside_runs_.erase(outside);
  }
  const auto call = [this](CallOff& off) {
    off.called = true;
    scheduler_.wake(off.waiter);
  };
  const auto found = running_.find(job);
  const bool is_ours = found != running_.end();
  if (is_ours) call(found->second.off);
  const bool at_ceiling = reaped && reaped->tier() == fb::Tier::ceiling;
  if (!at_ceiling && !is_ours) return;
  for (auto* list : {&gates_, &steps_}) {
    if (list == &steps_ && !at_ceiling) continue;
    for (auto& [id, listed] : *list) {
      if (listed.first == TaskId{end_group.task}) call(*listed.second);
    }
  }
}

// The executor.

void Daemon::end_what_earlier_boots_left() {
  std::vector<std::string> runs;
  for (const auto& [run, note] : story_.folder.runs) runs.push_back(run);
  auto waits = std::make_shared<std::pair<std::size_t, ActorId>>(runs.size(), scheduler_.self());
  for (const std::string& run : runs) {
    post([this, run, waits] {
      const std::optional<JobId> job = story_.folder.runs.at(run).job;
      if (!end_run(run, kill_after()) && job) leftovers_[*job].push_back(run);
      if (--waits->first == 0) scheduler_.wake(waits->second);
    });
  }
  while (waits->first > 0) scheduler_.wait();

  struct Found {
    std::map<JobId, std::uint64_t> told;
    std::vector<std::pair<JobId, OutsideRun>> outside;
    std::vector<OutsideRun> to_end;
  };
  const Found found = ask([this](const State& state) {
    Found all;
    for (const JobId id : state.indexes.running) {
      const Job& job = *state.jobs.find(id);
      if (!job.run || job.run->owner.boot_id == boot_id_) continue;
      if (job.run->exit_code) all.told.emplace(id, job.attempts);
      if (!job.run->pid || !job.run->pid_start) continue;
      const OutsideRun run{*job.run->pid, *job.run->pid_start, job.run->owner.boot_id};
      all.outside.emplace_back(id, run);
      if (!state.tasks.find(job.task)->cancel_requested.empty() && !job.run->exit_code) all.to_end.push_back(run);
    }
    return all;
  });
  exited_.insert(found.told.begin(), found.told.end());
  outside_runs_.insert(found.outside.begin(), found.outside.end());
  for (const OutsideRun& run : found.to_end) {
    if (stop_enabled_) post([this, run] { end_outside(run); });
  }
}

void Daemon::run_executor() {
  Us last_pass = scheduler_.now();
  Us next_pass = last_pass;
  Us interval = 0;
  for (;;) {
    if (std::exchange(settings_changed_, false)) {
      const Settings settings = ask([](const State& state) { return state.settings(); });
      reconciler_enabled_ = settings.reconciler.enabled;
      stop_enabled_ = settings.stop.enabled;
      interval = settings.reconciler.interval_s * second;
      next_pass = std::min(next_pass, last_pass + interval);
    }
    if (scheduler_.now() >= next_pass) {
      last_pass = scheduler_.now();
      next_pass = last_pass + interval;
      exited_.merge(exits_waiting_for_lease_);
      if (reconciler_enabled_) {
        const std::vector<TaskId> tasks = ask([](const State& state) { return reconcile_candidates(state); });
        for (const TaskId task : tasks) post_drive(task, false);
      }
    }
    std::set<TaskId> tasks = std::exchange(flagged_, {});
    const std::set<JobId> jobs = std::exchange(flagged_jobs_, {});
    const std::map<JobId, std::uint64_t> exits = std::exchange(exited_, {});
    const bool claim = std::exchange(jobs_changed_, false);
    if (!jobs.empty()) {
      tasks.merge(ask([jobs](const State& state) {
        std::set<TaskId> of_jobs;
        for (const JobId id : jobs) {
          if (const Job* job = state.jobs.find(id)) of_jobs.insert(job->task);
        }
        return of_jobs;
      }));
    }
    for (const auto& [job, attempt] : exits) {
      post([this, job = job, attempt = attempt] { monitor_once(job, attempt); });
    }
    for (const TaskId task : tasks) post_drive(task, true);
    std::erase_if(running_, [](const auto& entry) { return entry.second.ended; });
    if (claim) claim_jobs();
    if (!leftovers_.empty()) retry_leftovers();
    const auto news = [&] {
      return jobs_changed_ || settings_changed_ || !flagged_.empty() || !flagged_jobs_.empty() || !exited_.empty();
    };
    const Us until = leftovers_.empty() ? next_pass : std::min(next_pass, scheduler_.now() + second);
    while (!news() && scheduler_.now() < until) scheduler_.wait_until(until);
  }
}

std::optional<JobId> Daemon::claimable() {
  return ask([this](const State& state) -> std::optional<JobId> {
    for (const JobId id : state.indexes.queued) {
      if (is_passed_over(id)) continue;
      const Outcome outcome = claim_outcome(state, id);
      if (outcome == Outcome::limit) break;
      const Job& job = *state.jobs.find(id);
      const Agent* agent = state.pipeline_of(*state.tasks.find(job.task)).agent(job.agent);
      if (outcome == Outcome::accepted && agent && !agent->run.empty()) return id;
    }
    return std::nullopt;
  });
}

std::optional<Daemon::Claim> Daemon::claim(JobId job) {
  fb::JobClaimedT event;
  event.job = raw(job);
  event.owner = std::make_unique<fb::OwnerT>();
  event.owner->boot_id = boot_id_;
  event.owner->pid = pid();
  event.owner->actor = "executor";
  if (propose(propose_group(asker("executor"), event)).outcome != Outcome::accepted) return std::nullopt;
  return ask([this, job](const State& state) -> std::optional<Claim> {
    const Job* row = state.jobs.find(job);
    if (!row || row->status != JobStatus::running || row->run->owner.boot_id != boot_id_) return std::nullopt;
    const Agent* agent = state.pipeline_of(*state.tasks.find(row->task)).agent(row->agent);
    return Claim{
        .job = job, .attempt = row->attempts, .task = row->task, .stage = row->stage, .timeout_s = agent->timeout_s};
  });
}

void Daemon::claim_jobs() {
  while (const std::optional<JobId> job = claimable()) {
    running_[*job] = {};  // Listed before it is claimed: a cancel right after the claim must find somebody to call off.
    const std::optional<Claim> claimed = claim(*job);
    if (!claimed) {
      running_.erase(*job);
      return;
    }
    running_[*job].attempt = claimed->attempt;
    post([this, claim = *claimed] {
      run_job(claim.job, claim);
      running_[claim.job].ended = true;
      jobs_changed_ = true;
      scheduler_.wake(executor_);
    });
  }
}

bool Daemon::is_ours(JobId job, std::uint64_t attempt) {
  return ask([job, attempt](const State& state) {
    const Job* row = state.jobs.find(job);
    return row && row->status == JobStatus::running && row->attempts == attempt;
  });
}

void Daemon::run_job(JobId job, const Claim& claim) {
  if (!run_agent(claim)) return;
  for (;;) {
    const std::uint64_t freed = leases_freed_;
    if (!monitor_waits(job, claim.attempt)) return;
    const Us until = scheduler_.now() + minute;
    lease_waiters_.insert(scheduler_.self());
    while (freed == leases_freed_ && scheduler_.now() < until) scheduler_.wait_until(until);
    lease_waiters_.erase(scheduler_.self());
  }
}

bool Daemon::record_exit(const Claim& claim, std::int64_t code) {
  fb::RunExitedT exit;
  exit.job = raw(claim.job);
  exit.attempt = claim.attempt;
  exit.exit_code = code;
  Group group = propose_group(asker("monitor"), exit);
  if (marks_count_on(claim.stage)) {
    fb::FinalizerMarkedT marked;
    marked.job = raw(claim.job);
    group.push_back(pawl::propose(asker("monitor"), marked));
  }
  return propose(std::move(group)).outcome == Outcome::accepted;
}

bool Daemon::run_agent(const Claim& claim) {
  // Forked and stopped; whoever forked it dies with it before it runs.
  struct Stopped {
    Story& story;
    ProcessPtr process;
    std::string run;
    bool released = false;
    ~Stopped() {
      if (released) return;
      story.machines.end(*process, {.how = CommandExit::How::signalled, .code = 9});
      story.folder.runs.erase(run);
    }
  };
  Stopped child{story_, story_.machines.start(daemon_machine), {}};
  child.run = new_run(child.process, claim.job);
  fb::RunStartedT event;
  event.job = raw(claim.job);
  event.attempt = claim.attempt;
  event.pid = child.process->pid;
  event.pid_start = child.process->start;
  if (propose(propose_group(asker("monitor"), event)).outcome != Outcome::accepted) return false;
  child.released = true;

  struct Watched {
    std::set<std::int64_t>& children;
    std::int64_t pid;
    ~Watched() { children.erase(pid); }
  };
  const Watched watched{children_, child.process->pid};
  children_.insert(watched.pid);
  CallOff& off = running_[claim.job].off;
  off.waiter = scheduler_.self();
  bool gone = true;
  const Fate fate = story_.fate_of_agent();
  const CommandExit exit = go(child.process, child.run, fate, claim.timeout_s, off, gone);
  if (!gone) leftovers_[claim.job].push_back(child.run);
  return record_exit(claim, exit_code_of(exit));
}

/// What follows an exit code, one try at it. True: it waits for a lease.
bool Daemon::monitor_waits(JobId job, std::uint64_t attempt) {
  struct Seen {
    std::int64_t exit_code = 0;
    TaskId task{};
    Version version{};
    std::string stage;
    bool cancelled = false;
    bool to_be_marked = false;
  };
  const auto seen = ask([job, attempt](const State& state) -> std::optional<Seen> {
    const Job* row = state.jobs.find(job);
    if (!row || row->status != JobStatus::running || row->attempts != attempt || !row->run->exit_code) {
      return std::nullopt;
    }
    const Task* task = state.tasks.find(row->task);
    return Seen{.exit_code = *row->run->exit_code,
                .task = row->task,
                .version = row->version,
                .stage = task ? task->stage : std::string(),
                .cancelled = task && !task->cancel_requested.empty() && !is_committed(*task),
                .to_be_marked = task && marks_count_on(task->stage) && !row->run->marked};
  });
  if (!seen) return false;
  if (seen->to_be_marked) {
    fb::FinalizerMarkedT mark;
    mark.job = raw(job);
    propose(propose_group(asker("monitor"), mark));
  }
  if (seen->cancelled || seen->exit_code != 0) {
    finish_job(job, attempt, seen->cancelled ? fb::JobResult::cancelled : fb::JobResult::retry);
    return false;
  }
  const AdvanceAnswer answer = pawl::advance(*this, *world_,
                                             {.task = seen->task,
                                              .version = seen->version,
                                              .asker = asker("monitor"),
                                              .pid = pid(),
                                              .on_red = AdvanceOrder::OnRed::roll_back_or_retry});
  const bool waits =
      answer.result == AdvanceResult::deferred || answer.result == AdvanceResult::committed || answer.reason == "lease";
  if (!is_ours(job, attempt)) return false;
  if (waits) return true;
  if (answer.reason == "no_command") {
    if (marks_count_on(seen->stage)) {
      fb::FinalizerClearedT clear;
      clear.job = raw(job);
      propose(propose_group(asker("monitor"), clear));
    }
    return false;
  }
  finish_job(job, attempt, fb::JobResult::retry);
  return false;
}

void Daemon::monitor_once(JobId job, std::uint64_t attempt) {
  const std::uint64_t freed = leases_freed_;
  if (!monitor_waits(job, attempt)) return;
  (freed == leases_freed_ ? exits_waiting_for_lease_ : exited_)[job] = attempt;
  scheduler_.wake(executor_);
}

void Daemon::finish_job(JobId job, std::uint64_t attempt, fb::JobResult result) {
  fb::JobFinishedT event;
  event.job = raw(job);
  event.attempt = attempt;
  event.result = result;
  propose(propose_group(asker("monitor"), event));
}

void Daemon::post_drive(TaskId task, bool again) {
  if (!reconciler_enabled_) return;
  if (!driven_.insert(task).second) {
    if (again) drive_again_.insert(task);
    return;
  }
  post([this, task] {
    drive(task);
    driven_.erase(task);
    if (drive_again_.erase(task) == 0) return;
    flagged_.insert(task);
    scheduler_.wake(executor_);
  });
}

void Daemon::drive(TaskId task) {
  const std::optional<TaskView> seen = view(task);
  const Stage* stage = seen ? seen->stage() : nullptr;
  if (!stage || seen->open_job) return;
  const std::uint64_t freed = leases_freed_;
  const Reconciled done =
      reconcile(*this, *world_, task, asker(stage->agent.empty() ? "finalizer" : "reconciler"), pid());
  const bool waits =
      done.move == ReconcileMove::defer ||
      (done.answer && (done.answer->reason == "lease" || done.answer->result == AdvanceResult::deferred));
  if (!waits) return;
  (freed == leases_freed_ ? waiting_for_lease_ : flagged_).insert(task);
  scheduler_.wake(executor_);
}

void Daemon::retry_leftovers() {
  const auto leftovers = leftovers_;
  for (const auto& [job, runs] : leftovers) {
    for (const std::string& run : runs) {
      if (!end_run(run, 0)) continue;
      std::erase(leftovers_[job], run);
      if (leftovers_[job].empty()) leftovers_.erase(job);
      jobs_changed_ = true;
    }
  }
}

void Daemon::end_outside(const OutsideRun& run) {
  const std::string host = ask([boot_id = run.boot](const State& state) {
    const Boot* boot = state.boots.find(boot_id);
    return boot ? boot->host : std::string();
  });
  const ProcessPtr process = story_.machines.find(host, run.pid, run.pid_start);
  if (process && host == story_.machines.host(daemon_machine)) story_.machines.kill(process);
}

}  // namespace pawl::hostile
