#include "engine/rules/apply.h"

#include "engine/rules/rules.h"

namespace pawl {
namespace {

Outcome task_outcome(const State& state, std::uint64_t id) {
  return state.given_out(TaskId{id}) ? Outcome::accepted : Outcome::unknown_task;
}

Outcome job_outcome(const State& state, std::uint64_t id) {
  return state.given_out(JobId{id}) ? Outcome::accepted : Outcome::unknown_job;
}

Outcome owner_outcome(const State& state, const fb::Owner& owner) {
  return state.boots.find(owner.boot_id()->str()) ? Outcome::accepted : Outcome::unknown_boot;
}

/// The ids that the event names: one that was never given out is refused before all else.
Outcome ids_outcome(const State& state, const fb::Record& record) {
  switch (record.event_type()) {
    case fb::Event::NONE:
    case fb::Event::BootStarted:
    case fb::Event::PipelineDefined:
    case fb::Event::SettingChanged:
    case fb::Event::RefusalsFolded:
      return Outcome::accepted;
    case fb::Event::BootEnded:
      return state.boots.find(record.event_as_BootEnded()->boot_id()->str()) ? Outcome::accepted
                                                                             : Outcome::unknown_boot;
    case fb::Event::TaskCreated:
      for (const std::uint64_t task : *record.event_as_TaskCreated()->depends_on()) {
        if (!state.given_out(TaskId{task})) return Outcome::unknown_task;
      }
      return Outcome::accepted;
    case fb::Event::StageTransition:
      return task_outcome(state, record.event_as_StageTransition()->task());
    case fb::Event::LeaseAcquired: {
      const auto& event = *record.event_as_LeaseAcquired();
      const auto task = task_of_key(event.key()->string_view());
      if (task && !state.given_out(*task)) return Outcome::unknown_task;
      return owner_outcome(state, *event.owner());
    }
    case fb::Event::LeaseReleased:
    case fb::Event::LeaseReclaimed:
      return Outcome::accepted;
    case fb::Event::JobQueued:
      return task_outcome(state, record.event_as_JobQueued()->task());
    case fb::Event::JobClaimed: {
      const auto& event = *record.event_as_JobClaimed();
      const Outcome job = job_outcome(state, event.job());
      return job == Outcome::accepted ? owner_outcome(state, *event.owner()) : job;
    }
    case fb::Event::RunStarted:
      return job_outcome(state, record.event_as_RunStarted()->job());
    case fb::Event::RunExited:
      return job_outcome(state, record.event_as_RunExited()->job());
    case fb::Event::JobFinished:
      return job_outcome(state, record.event_as_JobFinished()->job());
    case fb::Event::JobReaped:
      return job_outcome(state, record.event_as_JobReaped()->job());
    case fb::Event::FinalizerMarked:
      return job_outcome(state, record.event_as_FinalizerMarked()->job());
    case fb::Event::FinalizerCleared:
      return job_outcome(state, record.event_as_FinalizerCleared()->job());
    case fb::Event::GateEvaluated:
      return task_outcome(state, record.event_as_GateEvaluated()->task());
    case fb::Event::StepStarted:
      return task_outcome(state, record.event_as_StepStarted()->task());
    case fb::Event::StepFinished:
      return task_outcome(state, record.event_as_StepFinished()->task());
    case fb::Event::TaskBlocked:
      return task_outcome(state, record.event_as_TaskBlocked()->task());
    case fb::Event::TaskUnblocked:
      return task_outcome(state, record.event_as_TaskUnblocked()->task());
    case fb::Event::CancelRequested:
      return task_outcome(state, record.event_as_CancelRequested()->task());
    case fb::Event::TaskCancelled:
      return task_outcome(state, record.event_as_TaskCancelled()->task());
    case fb::Event::TaskNote:
      return task_outcome(state, record.event_as_TaskNote()->task());
  }
  return Outcome::accepted;
}

/// What the machine adds when the last boot ends: then nobody is left to say it but a boot that is stale. It is no
/// claim of that boot's: each is true by the state alone, and never true between two groups.
bool follows_from_state(const State& state, const fb::Record& record) {
  const auto is_stale = [&](const Owner& owner) { return state.boots.find(owner.boot_id)->stale; };
  if (const auto* reclaimed = record.event_as_LeaseReclaimed()) {
    const Lease* lease = state.lease(reclaimed->key()->str());
    return reclaimed->reason() == fb::ReclaimReason::stale_boot && lease && is_stale(lease->owner);
  }
  if (const auto* reaped = record.event_as_JobReaped()) {
    const Job* job = state.jobs.find(JobId{reaped->job()});
    return reaped->tier() == fb::Tier::restart && job && job->status == JobStatus::running && is_stale(job->run->owner);
  }
  if (const auto* cancelled = record.event_as_TaskCancelled()) {
    const TaskId id{cancelled->task()};
    return state.indexes.cancel_standing.contains(id) && !state.lease(task_key(id)) && !state.running_job(id) &&
           !is_committed(*state.tasks.find(id));
  }
  return false;
}

/// Whether the boots that stand behind the event may still act. No holder's boot is ever stale, so an owner's is
/// looked at like the proposer's.
Outcome boots_outcome(const State& state, const fb::Record& record) {
  if (const auto* start = record.event_as_BootStarted()) {
    // The daemon's first word is its own boot.
    if (start->name()->string_view() == daemon_name &&
        start->boot_id()->string_view() == record.boot()->string_view()) {
      return Outcome::accepted;
    }
  }
  const Boot* proposer = state.boots.find(record.boot()->str());
  if (!proposer) return Outcome::unknown_boot;
  const bool is_fact = record.event_type() == fb::Event::RunExited || record.event_type() == fb::Event::StepFinished;
  if (proposer->stale && !is_fact && !follows_from_state(state, record)) return Outcome::stale_boot;
  const fb::Owner* owner = nullptr;
  if (const auto* lease = record.event_as_LeaseAcquired()) owner = lease->owner();
  if (const auto* claim = record.event_as_JobClaimed()) owner = claim->owner();
  if (owner && state.boots.find(owner->boot_id()->str())->stale) return Outcome::stale_boot;
  return Outcome::accepted;
}

Outcome rule_outcome(Turn& turn, const fb::Record& record) {
  switch (record.event_type()) {
    case fb::Event::NONE:
      break;
    case fb::Event::BootStarted:
      return apply_boot_started(turn, *record.event_as_BootStarted());
    case fb::Event::BootEnded:
      return apply_boot_ended(turn, *record.event_as_BootEnded());
    case fb::Event::PipelineDefined:
      return apply_pipeline_defined(turn, *record.event_as_PipelineDefined());
    case fb::Event::SettingChanged:
      return apply_setting_changed(turn, *record.event_as_SettingChanged());
    case fb::Event::TaskCreated:
      return apply_task_created(turn, *record.event_as_TaskCreated());
    case fb::Event::StageTransition:
      return apply_stage_transition(turn, *record.event_as_StageTransition());
    case fb::Event::LeaseAcquired:
      return apply_lease_acquired(turn, *record.event_as_LeaseAcquired());
    case fb::Event::LeaseReleased:
      return apply_lease_released(turn, *record.event_as_LeaseReleased());
    case fb::Event::LeaseReclaimed:
      return apply_lease_reclaimed(turn, *record.event_as_LeaseReclaimed());
    case fb::Event::JobQueued:
      return apply_job_queued(turn, *record.event_as_JobQueued());
    case fb::Event::JobClaimed:
      return apply_job_claimed(turn, *record.event_as_JobClaimed());
    case fb::Event::RunStarted:
      return apply_run_started(turn, *record.event_as_RunStarted());
    case fb::Event::RunExited:
      return apply_run_exited(turn, *record.event_as_RunExited());
    case fb::Event::JobFinished:
      return apply_job_finished(turn, *record.event_as_JobFinished());
    case fb::Event::JobReaped:
      return apply_job_reaped(turn, *record.event_as_JobReaped());
    case fb::Event::FinalizerMarked:
      return apply_finalizer_marked(turn, *record.event_as_FinalizerMarked());
    case fb::Event::FinalizerCleared:
      return apply_finalizer_cleared(turn, *record.event_as_FinalizerCleared());
    case fb::Event::GateEvaluated:
      return apply_gate_evaluated(turn, *record.event_as_GateEvaluated());
    case fb::Event::StepStarted:
      return apply_step_started(turn, *record.event_as_StepStarted());
    case fb::Event::StepFinished:
      return apply_step_finished(turn, *record.event_as_StepFinished());
    case fb::Event::TaskBlocked:
      return apply_task_blocked(turn, *record.event_as_TaskBlocked());
    case fb::Event::TaskUnblocked:
      return apply_task_unblocked(turn, *record.event_as_TaskUnblocked());
    case fb::Event::CancelRequested:
      return apply_cancel_requested(turn, *record.event_as_CancelRequested());
    case fb::Event::TaskCancelled:
      return apply_task_cancelled(turn, *record.event_as_TaskCancelled());
    case fb::Event::TaskNote:
    case fb::Event::RefusalsFolded:
      return Outcome::accepted;  // For people: nothing follows from them.
  }
  PAWL_ASSERT(false && "an event that the verifier does not know");
  return Outcome::skipped;
}

}  // namespace

Applied apply(State& state, const fb::Record& record, SettingsToCome settings_to_come) {
  Applied applied;
  applied.outcome = ids_outcome(state, record);
  if (applied.outcome == Outcome::accepted) applied.outcome = boots_outcome(state, record);
  if (applied.outcome == Outcome::accepted) {
    Turn turn{.state = state,
              .seq = Seq{record.stamp()->seq()},
              .now = TimeUs{record.stamp()->time_us()},
              .boot = record.boot()->str(),
              .actor = record.actor()->str(),
              .settings_to_come = settings_to_come,
              .applied = applied};
    applied.outcome = rule_outcome(turn, record);
  }
  PAWL_ASSERT(applied.outcome == Outcome::accepted || applied.effects.empty());
  return applied;
}

}  // namespace pawl
