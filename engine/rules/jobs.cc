// Jobs and their runs. A job leaves `running` by exactly one record for each time it was claimed.
#include "engine/rules/claim.h"
#include "engine/rules/retry.h"
#include "engine/rules/rules.h"

namespace pawl {
namespace {

/// The running job that a run reports on; else why it is none.
Outcome running_outcome(const State& state, JobId id, std::uint64_t attempt) {
  const Job* job = state.jobs.find(id);
  if (!job || job->status != JobStatus::running) return Outcome::not_running;
  return job->attempts == attempt ? Outcome::accepted : Outcome::stale_attempt;
}

JobStatus status_of(const State& state, const Job& job, fb::JobResult result, fb::Tier tier) {
  switch (result) {
    case fb::JobResult::done:
      return JobStatus::done;
    case fb::JobResult::retry:
      return retry_status(state, job, tier);
    case fb::JobResult::failed:
      return JobStatus::failed;
    case fb::JobResult::cancelled:
      return JobStatus::cancelled;
  }
  return JobStatus::failed;
}

/// The one exit from running.
void leave_running(Turn& turn, JobId id, JobStatus status, const std::string& reason) {
  Job& job = turn.state.jobs.edit(id);
  job.status = status;
  job.reason = reason;
  if (status == JobStatus::queued) {
    job.run.reset();
    job.queued = turn.now;
    turn.effect({.kind = EffectKind::job_queued, .id = raw(id)});
  }
  if (status == JobStatus::failed) {
    const Task* task = live_task(turn.state, job.task);
    if (task && !moved_on(task, job) && task->blocked.empty()) {
      block_task(turn, task->id, "job_failed");
    } else {
      turn.effect({.kind = EffectKind::alert, .text = "job_failed"});
    }
  }
}

/// Whether the reaping of `job` frees the lease that its task is held by.
bool reap_frees(const Turn& turn, const Job& job, const Lease& lease, const fb::JobReaped& event) {
  const State& state = turn.state;
  const Task* task = live_task(state, job.task);
  switch (event.tier()) {
    case fb::Tier::pid_dead:
    case fb::Tier::finalizer_dead: {
      if (raw(lease.token) != event.lease_token()) return false;
      const bool own = lease.owner.boot_id == turn.boot && lease.owner.actor == turn.actor;
      if (own) {
        const Stage* stage = task ? state.stage_of(*task) : nullptr;
        const bool advance_follows = event.outcome() == fb::JobResult::done && stage && stage->guarded();
        return !advance_follows;
      }
      const auto alive = event.evidence() ? event.evidence()->lease_owner_alive() : flatbuffers::nullopt;
      return (alive && !*alive) || !state.is_live(lease, turn.now);
    }
    case fb::Tier::ceiling:
      return !moved_on(task, job);
    case fb::Tier::restart:
      return !moved_on(task, job) && state.boots.find(lease.owner.boot_id)->stale;
  }
  return false;
}

}  // namespace

Outcome apply_event(Turn& turn, const fb::JobQueued& event) {
  const Task* task = live_task(turn.state, TaskId{event.task()});
  if (!task) return Outcome::terminal;
  if (!task->blocked.empty()) return Outcome::blocked;
  if (!task->cancel_requested.empty()) return Outcome::cancel_requested;
  if (turn.state.stage_of(*task)->agent.empty()) return Outcome::no_agent;
  if (turn.state.open_job(*task)) return Outcome::already_queued;

  queue_job(turn, *task, text_or_empty(event.reason()));
  return Outcome::accepted;
}

Outcome claim_outcome(const State& state, JobId id) {
  const Job* job = state.jobs.find(id);
  if (!job || job->status != JobStatus::queued) return Outcome::not_queued;
  const Task& task = *state.tasks.find(job->task);
  if (job->version < task.version) return Outcome::superseded;
  if (is_terminal(task.stage)) return Outcome::terminal;
  if (!task.blocked.empty()) return Outcome::blocked;
  if (!task.cancel_requested.empty()) return Outcome::cancel_requested;
  for (const TaskId dependency : task.depends_on) {
    if (live_task(state, dependency)) return Outcome::dependency;
  }
  const Settings& settings = state.settings();
  if (settings.queue.serial_per_repo && state.indexes.running_by_repo.contains(task.repo)) return Outcome::serial_gate;
  if (state.indexes.running.size() >= static_cast<std::size_t>(settings.queue.max_concurrency)) return Outcome::limit;
  return Outcome::accepted;
}

bool frees_claims(const State& state) {
  bool frees = false;
  state.settings_changed.touched([&](const std::string&, const SettingRow*) { frees = true; });
  state.jobs.touched([&](JobId id, const Job* before) {
    const Job* after = state.jobs.find(id);
    frees = frees || (after && after->status == JobStatus::queued);
    frees = frees || (before && before->status == JobStatus::running && after && after->status != JobStatus::running);
  });
  state.tasks.touched([&](TaskId id, const Task* before) {
    const Task* after = state.tasks.find(id);
    if (!before || !after) return;  // A new task frees nothing, but its job, and none is erased.
    const bool finished = is_terminal(after->stage) && !is_terminal(before->stage);
    frees = frees || finished || (!before->blocked.empty() && after->blocked.empty());
  });
  return frees;
}

Outcome apply_event(Turn& turn, const fb::JobClaimed& event) {
  State& state = turn.state;
  const JobId id{event.job()};
  const Outcome outcome = claim_outcome(state, id);
  if (outcome != Outcome::accepted) return outcome;

  Ids& ids = state.ids.edit(0);
  Job& claimed = state.jobs.edit(id);
  claimed.status = JobStatus::running;
  ++claimed.attempts;
  claimed.run = Run{.id = ids.next_run, .owner = owner_from(*event.owner()), .claimed = turn.now};
  ids.next_run = next(ids.next_run);
  return Outcome::accepted;
}

Outcome apply_event(Turn& turn, const fb::RunStarted& event) {
  const JobId id{event.job()};
  const Outcome outcome = running_outcome(turn.state, id, event.attempt());
  if (outcome != Outcome::accepted) return outcome;

  Run& run = *turn.state.jobs.edit(id).run;
  run.pid = event.pid();
  run.pid_start = event.pid_start();
  run.started = turn.now;
  return Outcome::accepted;
}

Outcome apply_event(Turn& turn, const fb::RunExited& event) {
  const JobId id{event.job()};
  const Outcome outcome = running_outcome(turn.state, id, event.attempt());
  if (outcome != Outcome::accepted) return outcome;

  // A process exits once: what is reported again changes neither the code nor the age that the reaper goes by.
  if (turn.state.jobs.find(id)->run->exit_code) return Outcome::accepted;
  Run& run = *turn.state.jobs.edit(id).run;
  run.exit_code = event.exit_code();
  run.exited = turn.now;
  return Outcome::accepted;
}

Outcome apply_event(Turn& turn, const fb::JobFinished& event) {
  const JobId id{event.job()};
  const Outcome outcome = running_outcome(turn.state, id, event.attempt());
  if (outcome != Outcome::accepted) return outcome;

  const Job& job = *turn.state.jobs.find(id);
  const JobStatus status = status_of(turn.state, job, event.result(), fb::Tier::pid_dead);
  leave_running(turn, id, status, fb::EnumNameJobResult(event.result()));
  return Outcome::accepted;
}

Outcome apply_event(Turn& turn, const fb::JobReaped& event) {
  State& state = turn.state;
  const JobId id{event.job()};
  const Outcome outcome = running_outcome(state, id, event.attempt());
  if (outcome != Outcome::accepted) return outcome;
  const TaskId task_id = state.jobs.find(id)->task;
  const Task& task = *state.tasks.find(task_id);
  const std::string key = task_key(task_id);
  const bool claim_of_the_dead = event.tier() == fb::Tier::pid_dead || event.tier() == fb::Tier::finalizer_dead;
  if (claim_of_the_dead && is_checked(turn, task.repo)) {
    const Lease* lease = state.lease(key);
    if (lease && raw(lease->token) != event.lease_token()) return Outcome::lease_held;
  }

  if (event.tier() == fb::Tier::restart) ++state.jobs.edit(id).interruptions;
  const Job& job = *state.jobs.find(id);
  turn.effect({.kind = EffectKind::end_group, .id = raw(id), .pid = job.run->pid.value_or(0), .task = raw(job.task)});
  if (const Lease* lease = state.lease(key); lease && reap_frees(turn, job, *lease, event)) free_lease(turn, key);
  leave_running(turn, id, status_of(state, job, event.outcome(), event.tier()), text_or_empty(event.reason()));
  return Outcome::accepted;
}

Outcome apply_event(Turn& turn, const fb::FinalizerMarked& event) {
  const JobId id{event.job()};
  const Job* job = turn.state.jobs.find(id);
  if (!job || job->status != JobStatus::running) return Outcome::not_running;

  turn.state.jobs.edit(id).run->marked = true;
  return Outcome::accepted;
}

Outcome apply_event(Turn& turn, const fb::FinalizerCleared& event) {
  const JobId id{event.job()};
  const Job* job = turn.state.jobs.find(id);
  if (job && job->run && job->run->marked) turn.state.jobs.edit(id).run->marked = false;
  return Outcome::accepted;
}

}  // namespace pawl
