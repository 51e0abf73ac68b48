// The machine as a proposer meets it: ask, and be answered once it is durable. The daemon's sequencer is one; a
// simulation's, which decides at once, is another.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/state/effects.h"
#include "engine/state/rows.h"
#include "engine/state/settings.h"
#include "engine/state/state.h"
#include "schema/proposal.h"

namespace pawl {

/// What a group came to. Durable when anybody sees it, but for `superseded`.
struct Decision {
  /// How the answer was found.
  enum class Way {
    decided,     // by apply, and recorded
    folded,      // a refusal like many others of the last second: not recorded, seq is that of the first (SPEC §12)
    replayed,    // the idempotency key was known: `first` is what it was answered with
    mismatched,  // the key was known, but with another request: nothing was decided
    superseded,  // not found: another writer has the log, and this one decides nothing any more. The outcome is
                 // stale_boot, which ends every path
  };

  Outcome outcome = Outcome::accepted;
  Seq seq{};               // of the deciding record: the refused one, or the proposer's last
  bool unchecked = false;  // of that record
  Effects effects;         // of all records of the group, in order
  std::string detail;
  Way way = Way::decided;
  std::optional<KeyRow> first = std::nullopt;  // when replayed or mismatched

  /// The token that the group granted on `key`; none if it granted none.
  std::optional<Token> granted(const std::string& key) const {
    for (const Effect& effect : effects) {
      if (effect.kind == EffectKind::lease_granted && effect.text == key) return Token{effect.token};
    }
    return std::nullopt;
  }
};

struct RunningJob {
  Job job;
  Boot owner_boot;
};

/// A task and all that a decision about it needs, copied at one moment.
struct TaskView {
  Task task;
  std::shared_ptr<const Pipeline> pipeline;
  Settings settings;
  std::optional<Lease> lease;       // on task:<id>, live or not
  std::optional<Boot> lease_boot;   // of its owner
  std::optional<Lease> repo_lease;  // on repo:<name>
  std::optional<Boot> repo_lease_boot;
  std::optional<Boot> step_boot;      // that started the step that is open, or in doubt; none also if it is forgotten
  std::optional<Job> open_job;        // queued or running, of the task's version
  std::optional<Job> running_job;     // of whatever version
  std::vector<RunningJob> running;    // every running job of the task, by id
  std::uint64_t jobs_of_version = 0;  // how many jobs the task has had at its version
  bool waits_for_dependency = false;  // engine/rules/claim.h
  bool is_barred = false;             // likewise
  std::uint64_t restores = 0;         // how often the log was restored from a backup
  TimeUs now;                         // of the last record

  const Stage* stage() const { return pipeline->stage(task.stage); }
};

class Machine {
 public:
  virtual ~Machine() = default;

  /// Proposes a group and waits until its decision is durable, or can never be (Way::superseded).
  virtual Decision propose(Group group) = 0;
  /// The task as it durably stands; none if it is terminal and archived, or was never created.
  virtual std::optional<TaskView> view(TaskId task) = 0;
  /// The time that a record made now would bear.
  virtual TimeUs now() const = 0;
};

/// What a machine that lost its log answers instead of a decision.
inline Decision superseded_decision() {
  return {.outcome = Outcome::stale_boot, .effects = {}, .detail = {}, .way = Decision::Way::superseded};
}

/// The view, for implementations of Machine.
std::optional<TaskView> view_of(const State& state, TaskId id);

}  // namespace pawl
