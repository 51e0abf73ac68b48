// The one path by which a task is driven over an edge (SPEC §7, §8), for every actor alike.
//
//   guarded:    lease → gate → steps, each journalled → one group [StageTransition, JobFinished(done), LeaseReleased…]
//   unguarded:  the same without steps; without a gate that runs a command it takes no lease
//
// A crossing that is already committed is re-entered: the gate is not asked again, finished steps are skipped, a step
// that is started and not settled is settled first.
#pragma once

#include <optional>
#include <string>

#include "engine/policies/machine.h"
#include "engine/policies/world.h"

namespace pawl {

enum class AdvanceResult { advanced, deferred, waiting, rolled_back, gate_red, blocked, committed };

constexpr std::string_view name(AdvanceResult result) {
  switch (result) {
    case AdvanceResult::advanced:
      return "advanced";
    case AdvanceResult::deferred:
      return "deferred";
    case AdvanceResult::waiting:
      return "waiting";
    case AdvanceResult::rolled_back:
      return "rolled_back";
    case AdvanceResult::gate_red:
      return "gate_red";
    case AdvanceResult::blocked:
      return "blocked";
    case AdvanceResult::committed:
      return "committed";
  }
  return "?";
}

/// Who drives, and what it knows already.
struct AdvanceOrder {
  enum class Gate { ask, known_green };
  /// What a red gate leads to: the monitor rolls back (or retries where the stage has no rollback); the reaper and
  /// the reconciler never do; an operator's `advance` reports it.
  enum class OnRed { report, roll_back_or_retry };

  TaskId task{};
  Version version{};  // the version that is to be left: if the task has moved on, nothing is done
  Asker asker;
  std::int64_t pid = 0;  // of the asking process, for the lease's owner
  Gate gate = Gate::ask;
  OnRed on_red = OnRed::report;
  /// The task's lease, if the asker took it before.
  std::optional<Token> token = std::nullopt;
  /// The asker entered the path before (World::enter_path).
  bool is_entered = false;
};

/// What has to happen before it is worth trying again, for callers that decide by it.
enum class Awaited {
  nothing,     // or nothing that is known here
  lease,       // the task's or the repository's is held by another
  path,        // another path of this process has the task in hand
  agent,       // an agent of the daemon still works on the task
  dependency,  // a task that this one waits for
  previous,    // what an earlier attempt left running
  command,     // a step that only another program can start
  origin,      // it cannot be reached, or refuses
  variable,    // one of a command's environment is missing
  gate,        // the head has moved: the gate can judge it at once
};

struct AdvanceAnswer {
  AdvanceResult result = AdvanceResult::waiting;
  Awaited awaited = Awaited::nothing;
  Seq seq{};                            // of the last record that the path made; 0 if it made none
  Outcome outcome = Outcome::accepted;  // the refusal that ended the path, if one did
  std::string reason;                   // for people: "lease", "in_hand", "no_command", "moved_on", …
};

/// Drives a task over its forward edge, as far as it goes now. Blocks for as long as gates and steps take.
/// No lease that it took outlives it, whatever happens, unless the process dies.
AdvanceAnswer advance(Machine& machine, World& world, const AdvanceOrder& order);

}  // namespace pawl
