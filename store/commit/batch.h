// The parts of the sequencer that need no thread: deciding requests into a batch, and making a batch durable.
//
// The order here is what pawl guarantees: a batch is appended and synced, then published, then answered. The sequencer
// (store/commit/sequencer.h) decides which thread does what, and when; the tests' hostile world uses these parts
// without threads.
#pragma once

#include <chrono>
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

/// A durable record and the result of applying it. Valid for the call.
struct Published {
  const fb::Record& record;
  const Applied& applied;
};

/// What a look sees: the state right after the decision, and the tasks that the decision archived.
struct SeenDecision {
  const State& state;
  const Decision& decision;
  std::span<const ArchivedTask> archived;
};

/// A write request. If its first record has a known idempotency key, nothing is decided and the first answer stands.
struct WriteRequest {
  Group group;
  /// Called before the decision, to fill in what depends on the state (which job a claim gets). If it returns false,
  /// nothing is proposed, and `done` is called without a decision. May be empty.
  std::function<bool(const State&, Group&)> resolve = {};
  /// Called right after the decision, however it was found: copies the rows that the answer shows. May be empty.
  std::function<void(const SeenDecision&)> look = {};
  /// Called once the decision is durable, on the thread that made it so: must not block. If it can never become
  /// durable, called with superseded_decision(); whatever `resolve` and `look` saw is then void.
  std::function<void(std::optional<Decision>)> done;
};

/// A read request.
struct ReadRequest {
  /// Copies what was requested. May be called a second time, if what it saw cannot become durable: it then copies from
  /// an earlier state, which must replace the first copy.
  std::function<void(const State&)> look;
  /// Called once what it saw is durable.
  std::function<void()> done;
};

/// A decision that was found, and that is due once it is durable.
struct DueAnswer {
  Decision decision;
  std::function<void(std::optional<Decision>)> done;
};

/// A write without a proposal: its resolve() found nothing to propose.
struct NothingProposed {
  std::function<void(std::optional<Decision>)> done;
};

/// What a batch of records was, and what it took.
struct BatchTimes {
  std::size_t records = 0;
  std::size_t bytes = 0;
  std::chrono::nanoseconds decide{0};  // with the reads that were looked at in between
  std::chrono::nanoseconds chain{0};
  std::chrono::nanoseconds append{0};  // the write and the sync
};

/// Groups that are decided but not yet durable, with the pending answers: to the groups themselves, and to reads and
/// replays that saw them.
struct DecidedBatch {
  std::vector<ReadRequest> early_reads;  // saw nothing from this batch: due as soon as the previous one is done
  std::vector<Decided> groups;
  std::vector<DueAnswer> answers;
  std::vector<std::variant<ReadRequest, NothingProposed>> others;
  std::size_t records = 0;
  std::size_t bytes = 0;
  std::int64_t asleep_told_us = 0;  // how much of the machine's sleep is recorded once this is durable
  std::chrono::nanoseconds decide_time{0};

  bool empty() const { return early_reads.empty() && groups.empty() && answers.empty() && others.empty(); }
};

/// The owner of the state. Decides one request after another into the current batch. Threads: one.
class Decider {
 public:
  /// `clock` gives the time for record stamps, unless the last record is later. Time during which the machine slept is
  /// recorded as a TimeGap before anything is decided or seen after it, so no one ever sees it age anything.
  Decider(State state, std::function<LogTime()> clock)
      : state_(std::move(state)), began_(state_.last_seq), clock_(std::move(clock)) {}

  void take(WriteRequest write);
  void take(ReadRequest read);

  /// Whether there are folded refusals that are not yet recorded.
  bool any_folded() const { return folding_.any_folded(); }
  /// Records those that are due; at the end, all.
  void tell_folded() { tell(folding_.due(look_at_clock())); }
  void tell_all_folded() { tell(folding_.all()); }

  /// Stops deciding: another writer has the log. `durable` is the state after the last record that was made durable
  /// here. From now on every write is answered with superseded_decision(), every read sees that state, and batches
  /// contain no records.
  void step_down(State durable);

  const State& state() const { return state_; }
  const DecidedBatch& batch() const { return batch_; }
  /// Hands over the current batch; the next request begins a new one.
  DecidedBatch hand_over() {
    batch_.asleep_told_us = asleep_told_us_;
    return std::exchange(batch_, DecidedBatch{});
  }

 private:
  /// Updates the time in a start's group, and how long no daemon has acted, to the moment of the decision, since the
  /// machine may have slept in between.
  void bring_up_to_date(Group& group, const LogTime& clock);
  /// The time for whatever is decided or seen now. Records any time the machine has slept until now.
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

/// Makes a batch durable: chains, appends and publishes it, and only then answers; it is then empty. `chain` is updated
/// from that of the previous record to that of the batch's last. After an error nothing was published, all pending
/// answers are still in the batch, and the journal accepts no other batch. Batches are made durable one at a time, in
/// the order in which they were decided. `times` is filled in before `publish` is called, if there are records; null:
/// no clock is read.
Result<void> make_durable(DecidedBatch& batch, Journal& journal, Chain& chain,
                          const std::function<void(const std::vector<Decided>&)>& publish, BatchTimes* times = nullptr);

/// Answers everything pending in a batch that lost to another writer's record: writes with superseded_decision(), reads
/// with what they see in `durable`.
void withdraw(DecidedBatch batch, const State& durable);

}  // namespace pawl
