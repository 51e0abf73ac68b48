// The reconciler: finds tasks that nothing drives, because an event was lost or a crossing was interrupted, and decides
// what to do about each (SPEC §7).
#pragma once

#include <vector>

#include "engine/policies/advance.h"
#include "engine/policies/machine.h"

namespace pawl {

enum class ReconcileMove {
  none,  // it is being driven, is blocked, or has a cancel request; driven means it has a queued or running job, except
         // a queued one that waits behind a committed crossing
  defer,     // a live owner holds its lease
  reenter,   // its crossing is committed: advance, without running the gate
  advance,   // no agent: advance; its red gate waits
  ask_gate,  // it has an agent: green → advance; red → queue a job, or block if no job is left for this version
};

/// What a pass does about one live task. `lease_owner_alive` is what the world reports about the owner of its lease.
[[nodiscard]] ReconcileMove reconcile_move(const TaskView& view, bool lease_owner_alive);

struct Reconciled {
  ReconcileMove move = ReconcileMove::none;
  std::optional<AdvanceAnswer> answer;  // if it advanced or tried to
};

/// One task's part of a pass: looks at it, then does what reconcile_move() says. Blocks for as long as gates and steps
/// take.
Reconciled reconcile(Machine& machine, World& world, TaskId task, const Requester& requester, std::int64_t pid);

/// Whether a queued job waits behind a committed crossing: its agent would change what was judged and is about to be
/// merged. The crossing is finished without it.
[[nodiscard]] bool waits_behind_crossing(const Job& job, const Task& task);
/// Whether a pass has to look at a task: it is live and not blocked, and no job at its version drives it.
[[nodiscard]] bool is_reconcile_candidate(const State& state, const Task& task);
/// Those tasks, by id.
[[nodiscard]] std::vector<TaskId> reconcile_candidates(const State& state);

}  // namespace pawl
