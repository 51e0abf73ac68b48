// What the sequencer does and needs no thread for: requests are decided into a batch, and a batch is made durable.
//
// The order in here is the promise of the whole: a batch is appended and synced, then published, then answered. The
// sequencer (store/commit/sequencer.h) says which thread does what, and when; the hostile world of the tests does
// without.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "engine/policies/machine.h"
#include "engine/rules/group.h"
#include "store/chain.h"
#include "store/commit/clock.h"
#include "store/commit/folding.h"
#include "store/journal.h"

namespace pawl {

/// A durable record, with what apply made of it. Valid for the call.
struct Published {
  const fb::Record& record;
  const Applied& applied;
};

/// What a look sees: the state right after the decision, and the tasks that the decision took out of it.
struct SeenDecision {
  const State& state;
  const Decision& decision;
  std::span<const ArchivedTask> archived;
};

/// One request to write. If its first record bears an idempotency key that is known, nothing is decided and the
/// first answer stands.
struct WriteRequest {
  Group group;
  /// Called before the decision, to fill in what depends on the state (which job a claim gets). False: there is
  /// nothing to propose; `done` is then called with no decision. May be empty.
  std::function<bool(const State&, Group&)> resolve = {};
  /// Called right after the decision, whatever way it was found: copies the rows that the answer shows. May be
  /// empty.
  std::function<void(const SeenDecision&)> look = {};
  /// Called once that is durable, from the thread that made it so: it must not block. Also called, with
  /// superseded_decision(), when it never will be; what `resolve` and `look` saw then counts for nothing.
  std::function<void(std::optional<Decision>)> done;
};

/// One request to read.
struct ReadRequest {
  /// Copies what is asked for. May be called a second time, if what it saw cannot become durable: what it copies then,
  /// from an earlier state, takes the place of what it copied before.
  std::function<void(const State&)> look;
  /// Called once what it saw is durable.
  std::function<void()> done;
};

/// The decision, once that is known how it was found.
struct DueAnswer {
  Decision decision;
  std::function<void(std::optional<Decision>)> done;
};

/// A write that came to nothing: its resolve() found nothing to propose.
struct NothingProposed {
  std::function<void(std::optional<Decision>)> done;
};

/// What is decided and not yet durable. It holds the answers too: of its own groups, and of reads and replays that
/// saw them.
struct DecidedBatch {
  std::vector<ReadRequest> early_reads;  // saw nothing of this batch: due as soon as the one before is done
  std::vector<Decided> groups;
  std::vector<DueAnswer> answers;
  std::vector<std::variant<ReadRequest, NothingProposed>> others;
  std::size_t records = 0;
  std::size_t bytes = 0;
  std::int64_t asleep_told_us = 0;  // how much of what the machine slept is recorded, once this is durable

  bool empty() const { return early_reads.empty() && groups.empty() && answers.empty() && others.empty(); }
};

/// The owner of the state. Decides one request after the other into the batch in hand. Threads: one.
class Decider {
 public:
  /// `clock`: what records are stamped with, unless the last one is later. Time in which the machine slept is recorded
  /// as a TimeGap before anything is decided or seen after it: it ages nothing in anybody's eyes.
  Decider(State state, std::function<LogTime()> clock)
      : state_(std::move(state)), began_(state_.last_seq), clock_(std::move(clock)) {}

  void take(WriteRequest write);
  void take(ReadRequest read);

  /// Whether refusals were folded that no record tells of yet.
  bool any_folded() const { return folding_.any_folded(); }
  /// Tells of those that are due; at the end, of all.
  void tell_folded() { tell(folding_.due(look_at_clock())); }
  void tell_all_folded() { tell(folding_.all()); }

  /// Ends deciding: another writer has the log. `durable` is the state after the last record that was made durable
  /// here. From now on every write is answered with superseded_decision(), every read sees that state, and no batch
  /// has a record.
  void step_down(State durable);

  const State& state() const { return state_; }
  const DecidedBatch& batch() const { return batch_; }
  /// The batch as it stands; the next request begins another.
  DecidedBatch hand_over() {
    batch_.asleep_told_us = asleep_told_us_;
    return std::exchange(batch_, DecidedBatch{});
  }

 private:
  /// A start says what time it is, and how long nobody has acted: as of its decision, since the machine may have slept
  /// in between.
  void bring_up_to_date(Group& group, const LogTime& clock);
  /// The time for what is decided or seen now. What the machine slept until then is recorded.
  TimeUs look_at_clock();
  void decide_and_keep(WriteRequest write, TimeUs now);
  bool folded(const Decided& decided, Decision& decision);
  void tell(const std::vector<Folding::Folded>& told);

  State state_;
  const Seq began_;
  std::function<LogTime()> clock_;
  std::int64_t asleep_told_us_ = 0;
  Folding folding_;
  DecidedBatch batch_;
  bool has_stepped_down_ = false;
};

/// Makes a batch durable: chained, appended, published, and only then answered; it is empty then. `chain` is that of
/// the record before, and then that of its last. After an error nothing was published, all who would be told of the
/// batch still wait in it, and the journal takes no other. Batches are made durable one at a time, in the order in
/// which they were decided.
Result<void> make_durable(DecidedBatch& batch, Journal& journal, Chain& chain,
                          const std::function<void(const std::vector<Decided>&)>& publish);

/// Answers all who wait in a batch that another writer's record stands in the way of: writes with
/// superseded_decision(), reads with what they see in `durable`.
void withdraw(DecidedBatch batch, const State& durable);

}  // namespace pawl
