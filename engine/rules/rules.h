// One function per event, for apply.cc alone. Each has the same shape: the checks, in the order of SPEC §4, then the
// changes, which cannot fail. So "a refused event changes nothing" is to be seen on the page.
#pragma once

#include <optional>
#include <string>

#include "engine/rules/apply.h"
#include "engine/state/state.h"

namespace pawl {

/// The event in hand: what its record says of it, and what it leads to.
struct Turn {
  State& state;
  Seq seq;
  TimeUs now;
  std::string boot;
  std::string actor;
  SettingsToCome settings_to_come;
  Applied& applied;

  void effect(Effect effect) { applied.effects.push_back(std::move(effect)); }
};

Outcome apply_boot_started(Turn& turn, const fb::BootStarted& event);
Outcome apply_boot_ended(Turn& turn, const fb::BootEnded& event);
Outcome apply_pipeline_defined(Turn& turn, const fb::PipelineDefined& event);
Outcome apply_setting_changed(Turn& turn, const fb::SettingChanged& event);
Outcome apply_task_created(Turn& turn, const fb::TaskCreated& event);
Outcome apply_stage_transition(Turn& turn, const fb::StageTransition& event);
Outcome apply_lease_acquired(Turn& turn, const fb::LeaseAcquired& event);
Outcome apply_lease_released(Turn& turn, const fb::LeaseReleased& event);
Outcome apply_lease_reclaimed(Turn& turn, const fb::LeaseReclaimed& event);
Outcome apply_job_queued(Turn& turn, const fb::JobQueued& event);
Outcome apply_job_claimed(Turn& turn, const fb::JobClaimed& event);
Outcome apply_run_started(Turn& turn, const fb::RunStarted& event);
Outcome apply_run_exited(Turn& turn, const fb::RunExited& event);
Outcome apply_job_finished(Turn& turn, const fb::JobFinished& event);
Outcome apply_job_reaped(Turn& turn, const fb::JobReaped& event);
Outcome apply_finalizer_marked(Turn& turn, const fb::FinalizerMarked& event);
Outcome apply_finalizer_cleared(Turn& turn, const fb::FinalizerCleared& event);
Outcome apply_gate_evaluated(Turn& turn, const fb::GateEvaluated& event);
Outcome apply_step_started(Turn& turn, const fb::StepStarted& event);
Outcome apply_step_finished(Turn& turn, const fb::StepFinished& event);
Outcome apply_task_blocked(Turn& turn, const fb::TaskBlocked& event);
Outcome apply_task_unblocked(Turn& turn, const fb::TaskUnblocked& event);
Outcome apply_cancel_requested(Turn& turn, const fb::CancelRequested& event);
Outcome apply_task_cancelled(Turn& turn, const fb::TaskCancelled& event);

// What several rules share.

std::string text_or_empty(const flatbuffers::String* text);
Owner owner_from(const fb::Owner& owner);
std::optional<Token> token_from(flatbuffers::Optional<std::uint64_t> token);

/// The live task of that id; null if it is terminal, archived or not. Requires: the id was given out.
const Task* live_task(const State& state, TaskId id);

/// Whether ownership is checked for this repository; if it is not, the record is marked `unchecked`.
bool is_checked(Turn& turn, std::string_view repo);

enum class LeaseNeed { required, optional };
/// What a token, sent or not, is worth on a key: `accepted`, `stale_token`, `lease_held` or `lease_required`.
Outcome token_outcome(const Turn& turn, const std::string& key, std::optional<Token> token, LeaseNeed need);

/// Frees a lease that is held.
void free_lease(Turn& turn, const std::string& key);
/// Queues a fresh job for the task's present stage, which has an agent.
void queue_job(Turn& turn, const Task& task, const std::string& reason);
/// Cancels every queued job of the task.
void cancel_queued_jobs(Turn& turn, TaskId task);
/// Blocks a live task, with the alert that is due. A task that is blocked already keeps its first reason.
void block_task(Turn& turn, TaskId id, const std::string& reason);

}  // namespace pawl
