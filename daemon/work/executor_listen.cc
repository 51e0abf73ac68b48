// How the executor reacts to each record once it is durable: what run() has to look at, and what has to end.
#include "daemon/work/executor_impl.h"

namespace pawl {

void Executor::Impl::listen(std::span<const Published> batch) {
  const MutexLock lock(mutex);
  bool any = false;
  for (const Published& published : batch) {
    if (published.applied.outcome != Outcome::accepted) continue;
    const News news = hear(published);
    jobs_changed = jobs_changed || news.jobs;
    any = any || news.jobs || news.tasks;
  }
  // The log's clock may have jumped forward.
  if (!batch.empty()) log_time = TimeUs{batch.back().record.stamp()->time_us()};
  if (pause_end && log_time >= *pause_end) {
    pause_end.reset();
    jobs_changed = any = true;
  }
  if (any) wake->notify();
}

Executor::Impl::News Executor::Impl::hear(const Published& published) {
  const fb::Record& record = published.record;
  const Effects& effects = published.applied.effects;
  // A record that queues a job for a task leaves nothing to the reconciler.
  const bool queues = std::any_of(effects.begin(), effects.end(),
                                  [](const Effect& effect) { return effect.kind == EffectKind::job_queued; });
  News news = hear_event(record, queues);
  // Without commands every agent is an outside worker's: their jobs would wake this thread for nothing, at each move.
  news.jobs = news.jobs || (queues && has_commands);
  if (record.event_as_PipelineDefined() && published.applied.frees.all) {  // it has no calendar any more
    holds_changed = true;
    news.tasks = true;
  }
  for (const Effect& effect : effects) {
    if (effect.kind == EffectKind::task && !queues && flagged.insert(TaskId{effect.id}).second) news.tasks = true;
    const bool is_left_alone = record.event_as_CancelRequested() && !stop_enabled;
    if (effect.kind == EffectKind::end_group && !is_left_alone) call_off(effect, record);
    if (effect.kind == EffectKind::lease_freed && try_waiting_again()) news.tasks = true;
  }
  return news;
}

/// Returns no news for most of what workers do to their own tasks.
Executor::Impl::News Executor::Impl::hear_event(const fb::Record& record, bool queues) {
  if (const auto* moved = record.event_as_StageTransition()) {
    return hear_transition(*moved, queues, record.stamp()->unchecked());
  }
  if (const auto* cancelled = record.event_as_TaskCancelled()) {
    return {.jobs = finished.insert(TaskId{cancelled->task()}).second};
  }
  if (const auto* unblocked = record.event_as_TaskUnblocked()) {
    flagged.insert(TaskId{unblocked->task()});
    try_waiting_again();  // a process that an attempt left behind may no longer bar anything
    return {.jobs = true};
  }
  if (const auto* ended = record.event_as_JobFinished()) return hear_job_end(*ended, queues);
  if (const auto* reaped = record.event_as_JobReaped()) {
    previous_changed = true;
    if (!queues) flagged_jobs.insert(JobId{reaped->job()});
    return {.tasks = try_waiting_again(), .jobs = true};
  }
  if (const auto* gone = record.event_as_PreviousGone()) {
    flagged_jobs.insert(JobId{gone->job()});
    try_waiting_again();
    return {.jobs = true};
  }
  if (const auto* set = record.event_as_SettingChanged()) return hear_setting(*set);
  if (record.event_as_PipelineDefined()) {
    settings_changed = true;
    return {.jobs = true};
  }
  if (const auto* past = record.event_as_HoldOverridden()) {
    flagged.insert(TaskId{past->task()});
    return {.tasks = true, .jobs = true};
  }
  if (const auto* word = record.event_as_ApprovalGiven()) return {.tasks = flagged.insert(TaskId{word->task()}).second};
  if (const auto* turn = record.event_as_TaskPrioritized()) {
    flagged.insert(TaskId{turn->task()});
    return {.tasks = true, .jobs = true};
  }
  // Its end frees jobs without a record: the next look at the queue learns when that is.
  if (record.event_as_HoldPlaced()) return {.jobs = true};
  if (record.event_as_HoldLifted() || record.event_as_FreezePlanned()) {
    holds_changed = true;
    return {.tasks = true, .jobs = true};
  }
  if (record.event_as_RepoDeclared() || record.event_as_RepoRemoved()) {
    note_repo(record);
    return {.jobs = true};
  }
  if (const auto* step = record.event_as_StepFinished()) {
    // A job or an exit may be waiting for a committed crossing, which this undoes.
    if (step->outcome() == fb::StepOutcome::done) return {};
    return {.tasks = try_waiting_again(), .jobs = true};
  }
  if (const auto* started = record.event_as_RunStarted()) {
    hear_outside_run(*started, record.boot()->str());
    return {};
  }
  if (const auto* exit = record.event_as_RunExited()) return hear_exit(*exit);
  if (const auto* cancel = record.event_as_CancelRequested()) hear_cancel(TaskId{cancel->task()});
  return {};
}

Executor::Impl::News Executor::Impl::hear_transition(const fb::StageTransition& event, bool queues, bool unchecked) {
  const TaskId task{event.task()};
  const bool ends = is_terminal(event.to()->string_view());
  News news{.jobs = ends};
  if (ends) {
    finished.insert(task);
  } else if (!queues) {
    news.tasks = flagged.insert(task).second;
  }
  // With ownership off this frees no lease, but an exit may be waiting for the crossing that has just finished.
  if (unchecked && try_waiting_again()) news.tasks = true;
  return news;
}

Executor::Impl::News Executor::Impl::hear_job_end(const fb::JobFinished& event, bool queues) {
  const JobId job{event.job()};
  // With `done`, the same group moved or blocked the task.
  if (!queues && event.result() != fb::JobResult::done) flagged_jobs.insert(job);
  take_back(job, false);
  const News news{.tasks = try_waiting_again(), .jobs = true};  // its agent's end may free the task for another path
  // Another party reported the end while our agent runs: its work is not needed, and others are about to start there.
  if (const auto ours = running.find(job); ours != running.end()) ours->second.off->call();
  return news;
}

Executor::Impl::News Executor::Impl::hear_setting(const fb::SettingChanged& event) {
  settings_changed = true;
  const std::string_view key = event.key()->string_view();
  // At once: it must hold for a cancel in the very next record.
  if (key == "stop.enabled") stop_enabled = event.value()->flag().value_or(true);
  // Switched off, leases no longer block anything; switched on, an owner refused for lack of a lease may get one.
  if (key.starts_with("ownership.")) try_waiting_again();
  return {.jobs = true};
}

void Executor::Impl::hear_outside_run(const fb::RunStarted& event, const std::string& boot) {
  const JobId job{event.job()};
  if (running.contains(job)) return;
  const OutsideRun run{.pid = event.pid(), .pid_start = event.pid_start(), .boot = boot};
  outside_runs.insert_or_assign(job, run);
  previous_thread->post([this, job, run] { open_reported(job, run); });
}

Executor::Impl::News Executor::Impl::hear_exit(const fb::RunExited& event) {
  const JobId job{event.job()};
  News news{.tasks = try_waiting_again()};
  if (running.contains(job)) return news;
  world.take_in_hand(job);
  if (exited.insert_or_assign(job, event.attempt()).second) news.tasks = true;
  return news;
}

/// A gate ends whether a monitor, the finalizer or an operator started it, and even without a running job.
void Executor::Impl::hear_cancel(TaskId task) {
  call_off_preparations(task);
  if (stop_enabled) world.call_off(task, RealWorld::Which::gates);
}

/// Called when a path ends after turning another away.
void Executor::Impl::note_path_end() {
  const MutexLock lock(mutex);
  if (try_waiting_again()) wake->notify();
}

/// Wakes all waiters; each checks for itself whether it can go on. False if there are none.
bool Executor::Impl::try_waiting_again() {
  ++leases_freed;
  lease_freed->notify();
  const bool any = !waiting_for_lease.empty() || !exits_waiting_for_lease.empty();
  flagged.merge(waiting_for_lease);
  exited.merge(exits_waiting_for_lease);
  return any;
}

/// Ends what a record ends. Not later, from another thread: by then the task may have a new step under way. A cancelled
/// task's steps go on, since a committed crossing runs to its end; at the reaper's ceiling they end too.
void Executor::Impl::call_off(const Effect& end_group, const fb::Record& record) {
  const JobId job{end_group.id};
  const fb::JobReaped* reaped = record.event_as_JobReaped();
  // The effect names one job. A task that was moved by hand may have more, and a cancel ends them all.
  if (!reaped && !outside_runs.empty()) {
    workers->post([this, task = TaskId{end_group.task}] { end_outside_of(task); });
  } else if (reaped) {
    take_back(job, true);
  }
  bool is_ours = false;
  for (auto& [id, of_job] : running) {
    const bool ends = id == job || (!reaped && of_job.task == TaskId{end_group.task});
    if (ends) of_job.off->call();
    is_ours = is_ours || ends;
  }
  const bool at_ceiling = reaped && reaped->tier() == fb::Tier::ceiling;
  if (at_ceiling || is_ours) {
    world.call_off(TaskId{end_group.task}, at_ceiling ? RealWorld::Which::all : RealWorld::Which::gates);
  }
}

}  // namespace pawl
