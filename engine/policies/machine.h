// The machine as seen by a proposer: propose a group, and get the answer once it is durable. The daemon's sequencer is
// one implementation; a simulation's, which decides at once, is another.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/state/approvals.h"
#include "engine/state/effects.h"
#include "engine/state/holds.h"
#include "engine/state/rows.h"
#include "engine/state/settings.h"
#include "engine/state/state.h"
#include "schema/proposal.h"

namespace pawl {

/// The decision on a group. It is durable before anyone sees it, except `superseded`.
struct Decision {
  /// How the answer was found.
  enum class AnswerSource {
    decided,     // by apply(), and recorded
    folded,      // one of many like refusals in the last second: not recorded, seq is that of the first (SPEC §12)
    replayed,    // the idempotency key was known: `first` is the earlier answer
    mismatched,  // the key was known, but for a different request: nothing was decided
    superseded,  // none: another writer has the log, and this one no longer decides. The outcome is stale_boot, which
                 // ends every path
  };

  Outcome outcome = Outcome::accepted;
  Seq seq{};               // of the deciding record: the refused one, or the proposer's last
  bool unchecked = false;  // of that record
  Effects effects;         // of all records of the group, in order
  std::string detail;
  AnswerSource source = AnswerSource::decided;
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

/// A consistent copy of a task and everything that a decision about it needs.
struct TaskView {
  Task task;
  std::shared_ptr<const Pipeline> pipeline;
  Settings settings;
  std::optional<Lease> lease;       // on task:<id>, live or not
  std::optional<Boot> lease_boot;   // the owner's
  std::optional<Lease> repo_lease;  // on repo:<name>
  std::optional<Boot> repo_lease_boot;
  std::optional<Boot> step_boot;   // of the starter of the step that is open or in doubt; none also if it was forgotten
  std::optional<Job> open_job;     // queued or running, at the task's version
  std::optional<Job> running_job;  // at any version
  std::vector<RunningJob> running;    // every running job of the task, by id
  std::uint64_t jobs_of_version = 0;  // how many jobs the task has had at its version
  bool waits_for_dependency = false;  // engine/rules/claim.h
  bool is_barred = false;             // likewise
  std::optional<HeldBy> held;         // what holds it, but for its agent, at `now`; it may be over since
  std::uint64_t restores = 0;         // how many times the log was restored from a backup
  TimeUs now;                         // of the last record

  const Stage* stage() const { return pipeline->stage(task.stage); }
  /// What holds it at that time, unless its crossing has begun.
  const HeldBy* held_at(TimeUs time) const {
    const bool is_over = !held || (held->until && time >= *held->until);
    return is_over || is_committed(task) || open_step(task) ? nullptr : &*held;
  }
  /// Whether the gate of its stage needs a word of people that is not there yet.
  bool waits_for_people() const {
    const Stage* at = stage();
    const ApprovalRow* question = question_of(task);
    return at && needed_approval(task, *at) && !(question && is_approved(*question));
  }
};

class Machine {
 public:
  virtual ~Machine() = default;

  /// Proposes a group and waits until its decision is durable, or never can be (AnswerSource::superseded).
  virtual Decision propose(Group group) = 0;
  /// The task's durable state; none if it is archived or was never created.
  virtual std::optional<TaskView> view(TaskId task) = 0;
  /// The time that a record made now would get.
  virtual TimeUs now() const = 0;
};

/// The answer of a machine that has lost its log.
inline Decision superseded_decision() {
  return {.outcome = Outcome::stale_boot, .effects = {}, .detail = {}, .source = Decision::AnswerSource::superseded};
}

/// The view, for implementations of Machine.
std::optional<TaskView> view_of(const State& state, TaskId id);

}  // namespace pawl
