#include "engine/policies/reconciler.h"

namespace pawl {
namespace {

/// After a red gate on a stage with an agent: another job, while this version has any left.
Outcome queue_or_block(Machine& machine, const TaskView& view, const Requester& requester) {
  if (view.jobs_of_version < static_cast<std::uint64_t>(view.settings.job.max_attempts)) {
    fb::JobQueuedT queued;
    queued.task = raw(view.task.id);
    queued.reason = "gate_red";
    return machine.propose(propose_group(requester, queued)).outcome;
  }
  fb::TaskBlockedT blocked;
  blocked.task = raw(view.task.id);
  blocked.version = raw(view.task.version);
  blocked.reason = "gate_red";
  return machine.propose(propose_group(requester, blocked)).outcome;
}

}  // namespace

ReconcileMove reconcile_move(const TaskView& view, bool lease_owner_alive) {
  const Stage* stage = view.stage();
  if (!stage || !view.task.blocked.empty()) return ReconcileMove::none;
  if (view.open_job && !waits_behind_crossing(*view.open_job, view.task)) return ReconcileMove::none;
  const bool committed = is_committed(view.task);
  if (!view.task.cancel_requested.empty() && !committed) return ReconcileMove::none;
  if (view.lease && lease_owner_alive) return ReconcileMove::defer;
  if (committed) return ReconcileMove::reenter;
  return stage->agent.empty() ? ReconcileMove::advance : ReconcileMove::ask_gate;
}

Reconciled reconcile(Machine& machine, World& world, TaskId task, const Requester& requester, std::int64_t pid) {
  const std::optional<TaskView> view = machine.view(task);
  if (!view) return {};
  const bool owner_alive = view->lease && world.is_alive(view->lease->owner, *view->lease_boot);
  Reconciled done{.move = reconcile_move(*view, owner_alive), .answer = std::nullopt};
  switch (done.move) {
    case ReconcileMove::none:
    case ReconcileMove::defer:
      break;
    case ReconcileMove::reenter:
    case ReconcileMove::advance:
    case ReconcileMove::ask_gate:
      done.answer =
          advance(machine, world, {.task = task, .version = view->task.version, .requester = requester, .pid = pid});
      if (done.move == ReconcileMove::ask_gate && done.answer->result == AdvanceResult::gate_red) {
        queue_or_block(machine, *view, requester);
      }
      break;
  }
  return done;
}

bool waits_behind_crossing(const Job& job, const Task& task) {
  return job.status == JobStatus::queued && is_committed(task);
}

bool is_reconcile_candidate(const State& state, const Task& task) {
  if (is_terminal(task.stage) || !task.blocked.empty()) return false;
  const Job* job = state.open_job(task);
  return !job || waits_behind_crossing(*job, task);
}

std::vector<TaskId> reconcile_candidates(const State& state) {
  std::vector<TaskId> candidates;
  for (const auto& [id, task] : state.tasks.rows()) {
    if (is_reconcile_candidate(state, task)) candidates.push_back(id);
  }
  return candidates;
}

}  // namespace pawl
