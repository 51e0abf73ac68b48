// The one path that drives a task over an edge (SPEC §7, §8), the same for every actor.
//
//   guarded:    lease → gate → steps, each journalled → one group [StageTransition, JobFinished(done), LeaseReleased…]
//   unguarded: the same without steps; it takes no lease unless a gate runs a command
//
// A crossing that is already committed is re-entered: the gate is not run again, finished steps are skipped, and a step
// that was started but not settled is settled first.
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

/// Who drives the task, and what it already knows.
struct AdvanceRequest {
  enum class Gate { ask, known_green };
  /// What to do about a red gate. The monitor rolls back (or retries if the stage has no rollback); the reaper and the
  /// reconciler never do; an operator's `advance` reports it.
  enum class OnRed { report, roll_back_or_retry };

  TaskId task{};
  Version version{};  // the version to leave: if the task has moved on, nothing is done
  Requester requester;
  std::int64_t pid = 0;  // of the requesting process, for the lease's owner
  Gate gate = Gate::ask;
  OnRed on_red = OnRed::report;
  /// The task's lease, if the requester already holds it.
  std::optional<Token> token = std::nullopt;
  /// The requester has already entered the path (World::enter_path).
  bool is_entered = false;
};

/// What has to happen before it is worth trying again, for callers that decide by it.
enum class Awaited {
  nothing,     // or nothing that is known here
  lease,       // the task's or the repository's is held by another owner
  path,        // another path of this process has the task in hand
  agent,       // one of the daemon's agents still works on the task
  dependency,  // a task that this one waits for
  hold,        // the end of a hold or a freeze, or the time of its task
  approval,    // a person's word
  previous,    // what an earlier attempt left running
  command,     // a step that only another program can start
  origin,      // it cannot be reached, or refuses
  variable,    // one of a command's environment is missing
  gate,        // the head has moved: the gate can judge it at once
};

struct AdvanceAnswer {
  AdvanceResult result = AdvanceResult::waiting;
  Awaited awaited = Awaited::nothing;
  /// When what it waits for ends by itself, by the log's time: no record says so. None: it does not, or is not known.
  std::optional<TimeUs> until = std::nullopt;
  Seq seq{};                            // of the path's last record; 0 if it made none
  Outcome outcome = Outcome::accepted;  // the refusal that ended the path, if any
  std::string reason;                   // for people: "lease", "in_hand", "no_command", "moved_on", …
};

/// Drives a task over its forward edge, as far as it can go now. Blocks for as long as gates and steps take. Releases
/// every lease that it took, whatever happens, unless the process dies.
AdvanceAnswer advance(Machine& machine, World& world, const AdvanceRequest& request);

}  // namespace pawl
