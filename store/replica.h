// A replica: the state that a log stands for, the chain of its last record, and how far it has come. Everything that
// walks a log feeds one: a start, a background checkpoint, replay, check, explain, a what-if, a standby.
//
// A walk has two stages. The first reads and verifies, record by record: its form, its seq, its rules version, its
// place in a group, its chain (RecordVerifier). The second applies, group by group, and compares outcome and digest.
// Fed from a journal, the stages run on two threads; fed record by record, both run on the caller's.
//
// What is found on the way:
//
//      | the record                                 | the walk
//   ---|--------------------------------------------|----------------------------------------------------------------
//   @A | cannot be read, or belongs to no group     | ends with `damaged`; the group before is applied if it is whole
//   @B | is of newer rules, or has unknown values   | ends with `unsupported`; likewise
//   @C | does not follow the one before             | as @A, or ends quietly after it told ReplicaPolicy::gap
//   @D | does not bear the chain of its content     | by ReplicaPolicy::broken_chain
//   @E | is decided otherwise by the rules          | ends; difference() has both sides
//   @F | differs in what ReplicaPolicy::compare asks| as @E, unless ReplicaPolicy::goes_on
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "engine/rules/group.h"
#include "store/chain.h"
#include "store/journal.h"

namespace pawl {

/// A seq that no record reaches.
constexpr Seq no_end{std::numeric_limits<std::uint64_t>::max()};

/// A record that passed the first stage.
struct VerifiedRecord {
  const fb::Record* record = nullptr;
  RecordBytes bytes = {};
  std::string line = {};                          // that it was read from; empty: none
  std::optional<Chain> due_chain = std::nullopt;  // that it should bear, if it bears another

  Seq seq() const { return Seq{record->stamp()->seq()}; }
};

/// A record that did not.
struct RecordFault {
  Seq seq{};        // where it stands, whatever it says
  std::string why;  // "its group is too long"
  Error error;      // the same in a sentence, which names the record
  bool is_gap = false;
  bool begins_group = false;
  const fb::Record* record = nullptr;  // none if it cannot be read
};

/// The first stage: holds each record against those before it.
class RecordVerifier {
 public:
  /// Begins after the record `last`, whose chain is `chain`.
  RecordVerifier(Seq last, const Chain& chain) : last_(last), chain_(chain) {}

  /// The record in `bytes`, or why it is not the next one; none is taken after a fault.
  /// Requires: `bytes` is aligned to 8, and lives as long as the answer is used.
  std::optional<RecordFault> verify(RecordBytes bytes, VerifiedRecord& verified);

  /// The seq that the next record has to have, unless a restore leaves some out (schema/record_view.h).
  Seq next_seq() const { return next(last_); }

 private:
  Seq last_;
  Chain chain_;
  Seq group_{};  // 0 before the first
  std::uint64_t group_records_ = 0;
};

/// A record, and what apply made of it. Both live for the call that it is given to.
struct AppliedRecord {
  const fb::Record& record;
  const Applied& applied;
};

/// A whole group of the log, and what apply made of it. Lives for the call.
struct AppliedGroup {
  std::span<const VerifiedRecord> read;
  std::span<const AppliedRecord> records;
  std::span<const ArchivedTask> archived;
  const State& state;  // after it
};

/// Something that a log says and a replica does not.
struct Difference {
  enum class Kind {
    outcome,     // or the mark `unchecked`
    digest,      // of the state after the record
    chain,       // the record was changed, or the end of the one before it
    form,        // its line is not the one that would be exported
    checkpoint,  // that the log begins with
  };
  Kind kind{};
  Seq seq{};
  std::string what;  // "outcome", "digest of the checkpoint"
  std::string recorded;
  std::string recomputed;
  fb::Event type = fb::Event::NONE;                     // of the record; none if it is about a checkpoint
  std::optional<Divergence> divergence = std::nullopt;  // if it is decided otherwise
};
/// As an error, for those who cannot go on and show no sides.
Error error_of(const Difference& difference);

/// What the users of a replica do not have in common.
struct ReplicaPolicy {
  enum class BrokenChain {
    stop,   // as damage, before the group is applied: a start trusts nothing that was changed
    show,   // as a difference, in its turn once the group was applied: of an edited record the outcome tells more
    go_on,  // told by VerifiedRecord::due_chain alone: a check looks for more
  };
  BrokenChain broken_chain = BrokenChain::stop;

  /// Applies a group to the state. Empty: reapply(). Another one may look at more, but must decide the same.
  std::function<Reapplied(State&, std::span<const VerifiedRecord>)> apply = {};
  /// What else of record `index` has to be as it was. Asked for each record, in order. May be empty.
  std::function<std::optional<Difference>(const AppliedGroup&, std::size_t index)> compare = {};
  /// Whether to go on after a difference. Never asked twice of the same. Empty: no.
  std::function<bool(const Difference&)> goes_on = {};
  /// Whether a group, which is whole and not yet applied, is wanted; if not, the walk ends before it. Empty: yes.
  std::function<Result<bool>(const State&, std::span<const VerifiedRecord>)> wants = {};
  /// Sees every group once it was applied, unless the walk ended in it. May be empty.
  std::function<void(const AppliedGroup&)> each = {};
  /// Told of a record that does not follow the one before it. Empty: that is `damaged`.
  std::function<void(const RecordFault&)> gap = {};
};

class Replica {
 public:
  /// Begins with `state`, whose last record bears `chain`.
  explicit Replica(State state = {}, const Chain& chain = {}, ReplicaPolicy policy = {});
  Replica(const Replica&) = delete;
  Replica& operator=(const Replica&) = delete;

  /// Takes the next record, and the line that it was read from, if it was one. Its group is applied when it is whole,
  /// which the next group shows, or finish(). False: nothing more is wanted. The error is that of the first fault.
  Result<bool> add(RecordBytes bytes, std::string line = {});

  /// Applies the group in hand: the log ends with it.
  Result<bool> finish();

  /// Takes and applies all that the journal has from here on, up to the last whole group that ends at or before `upto`;
  /// on two threads. Of several troubles the first in the log is told.
  Result<void> read(Journal& journal, Seq upto = no_end);

  const State& state() const { return state_; }
  /// For an owner that goes on by itself. The replica is of no use afterwards.
  State release() && { return std::move(state_); }
  /// Of the record state().last_seq.
  const Chain& chain() const { return chain_; }
  /// The seq of the next record, unless a restore leaves some out.
  Seq next_seq() const { return verifier_.next_seq(); }
  /// How many records were applied.
  std::uint64_t records() const { return records_; }
  /// That ended the walk.
  const std::optional<Difference>& difference() const { return difference_; }
  /// That ended the walk with an error.
  const std::optional<RecordFault>& fault() const { return fault_; }

 private:
  class TwoThreads;
  struct Chunk;

  Result<bool> apply(VerifiedRecord record, const std::shared_ptr<const Chunk>& chunk);
  Result<bool> apply_group();
  bool is_as_applied(const AppliedGroup& group, const std::optional<Divergence>& divergence);
  Result<bool> meet(RecordFault fault);
  Error end_with(RecordFault fault);

  State state_;
  Chain chain_;
  const ReplicaPolicy policy_;
  RecordVerifier verifier_;  // of the first stage
  Seq upto_ = no_end;
  bool is_over_ = false;

  std::vector<VerifiedRecord> group_;                  // the group in hand
  std::vector<std::shared_ptr<const Chunk>> holding_;  // its bytes
  std::uint64_t records_ = 0;
  std::optional<Difference> difference_;
  std::optional<RecordFault> fault_;
};

/// Lets a replica follow a journal, as a standby does: each batch is applied once it is durable. Ends when `stop` is
/// requested, with the first fault, or with a difference. The replica belongs to this thread until then.
Result<void> follow(Journal& journal, Replica& replica, std::stop_token stop);

}  // namespace pawl
