// A replica: the state of a log as far as it has been read, and the chain of the last record. Everything that reads
// through a log feeds a replica: a start, a background checkpoint, replay, check, explain, a what-if, a standby.
//
// A walk has two stages. The first reads and verifies record by record: form, seq, rules version, position in its
// group, chain (RecordVerifier). The second applies group by group, and compares outcome and digest. Fed from a
// journal, the stages run on two threads; fed record by record, both run on the caller's thread.
//
// What a walk can find:
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

/// Beyond any record's seq.
constexpr Seq no_end{std::numeric_limits<std::uint64_t>::max()};

/// A record that passed the first stage.
struct VerifiedRecord {
  const fb::Record* record = nullptr;
  RecordBytes bytes = {};
  std::string line = {};                          // the line it was read from; empty: none
  std::optional<Chain> due_chain = std::nullopt;  // the expected chain, if the record's differs

  Seq seq() const { return Seq{record->stamp()->seq()}; }
};

/// A record that failed the first stage.
struct RecordFault {
  Seq seq{};        // its position in the log, whatever its stamp says
  std::string why;  // "its group is too long"
  Error error;      // the same as a sentence that names the record
  bool is_gap = false;
  bool begins_group = false;
  const fb::Record* record = nullptr;  // null if it cannot be read
};

/// The first stage: checks each record against those before it.
class RecordVerifier {
 public:
  /// Starts after the record `last`, whose chain is `chain`.
  RecordVerifier(Seq last, const Chain& chain) : last_(last), chain_(chain) {}

  /// Checks that `bytes` is the next record, and fills in `verified`; otherwise returns why not, and accepts no record
  /// after that. Requires: `bytes` is 8-byte aligned and outlives `verified`.
  std::optional<RecordFault> verify(RecordBytes bytes, VerifiedRecord& verified);

  /// The seq that the next record must have, unless a restore skips some (schema/record_view.h).
  Seq next_seq() const { return next(last_); }

 private:
  Seq last_;
  Chain chain_;
  Seq group_{};  // 0 before the first
  std::uint64_t group_records_ = 0;
};

/// A record and the result of applying it. Both are valid for the call.
struct AppliedRecord {
  const fb::Record& record;
  const Applied& applied;
};

/// A whole group from the log and the result of applying it. Valid for the call.
struct AppliedGroup {
  std::span<const VerifiedRecord> read;
  std::span<const AppliedRecord> records;
  std::span<const ArchivedTask> archived;
  const State& state;  // after it
};

/// A point on which the log and the replica differ.
struct Difference {
  enum class Kind {
    outcome,     // or the `unchecked` mark
    digest,      // of the state after the record
    chain,       // the record, or the end of the one before it, was changed
    form,        // its line is not what an export would write
    checkpoint,  // the one that the log begins with
  };
  Kind kind{};
  Seq seq{};
  std::string what;  // "outcome", "digest of the checkpoint"
  std::string recorded;
  std::string recomputed;
  fb::Event type = fb::Event::NONE;                     // the record's; NONE for a checkpoint
  std::optional<Divergence> divergence = std::nullopt;  // if the rules decide differently
};
/// As an error, for callers that cannot continue and do not show both sides.
Error error_of(const Difference& difference);

/// What differs between the users of a replica.
struct ReplicaPolicy {
  enum class BrokenChain {
    stop,   // as damage, before the group is applied: a start does not trust changed records
    show,   // as a difference, after the group was applied: for an edited record the outcome says more
    go_on,  // reported only in VerifiedRecord::due_chain: a check keeps looking for more
  };
  BrokenChain broken_chain = BrokenChain::stop;

  /// Applies a group to the state. Empty: reapply(). A replacement may check more but must decide the same.
  std::function<Reapplied(State&, std::span<const VerifiedRecord>)> apply = {};
  /// Compares anything else in record `index`. Called for each record, in order. May be empty.
  std::function<std::optional<Difference>(const AppliedGroup&, std::size_t index)> compare = {};
  /// Whether to continue after a difference. Called once for each. Empty: no.
  std::function<bool(const Difference&)> goes_on = {};
  /// Whether to apply a complete group; if not, the walk ends before it. Empty: yes.
  std::function<Result<bool>(const State&, std::span<const VerifiedRecord>)> wants = {};
  /// Called for every group after it was applied, unless the walk ended in it. May be empty.
  std::function<void(const AppliedGroup&)> each = {};
  /// Called for a record that does not follow the one before it. Empty: such a record is `damaged`.
  std::function<void(const RecordFault&)> gap = {};
};

class Replica {
 public:
  /// Starts with `state`, whose last record has the chain `chain`.
  explicit Replica(State state = {}, const Chain& chain = {}, ReplicaPolicy policy = {});
  Replica(const Replica&) = delete;
  Replica& operator=(const Replica&) = delete;

  /// Takes the next record and, if any, the line it was read from. A group is applied once it is complete, which the
  /// next group or finish() shows. Returns false if nothing more is wanted. The error is that of the first fault.
  Result<bool> add(RecordBytes bytes, std::string line = {});

  /// Applies the current group, with which the log ends.
  Result<bool> finish();

  /// Reads and applies everything in the journal from here on, up to the last whole group that ends at or before
  /// `upto`, on two threads. If there are several problems, reports the first in log order.
  Result<void> read(Journal& journal, Seq upto = no_end);

  const State& state() const { return state_; }
  /// Hands the state to a new owner. The replica is unusable afterwards.
  State release() && { return std::move(state_); }
  /// The chain of the record state().last_seq.
  const Chain& chain() const { return chain_; }
  /// The seq of the next record, unless a restore skips some.
  Seq next_seq() const { return verifier_.next_seq(); }
  /// How many records were applied.
  std::uint64_t records() const { return records_; }
  /// The difference that ended the walk, if any.
  const std::optional<Difference>& difference() const { return difference_; }
  /// The fault that ended the walk, if any.
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
  RecordVerifier verifier_;  // the first stage
  Seq upto_ = no_end;
  bool is_over_ = false;

  std::vector<VerifiedRecord> group_;                  // the current group
  std::vector<std::shared_ptr<const Chunk>> holding_;  // its bytes
  std::uint64_t records_ = 0;
  std::optional<Difference> difference_;
  std::optional<RecordFault> fault_;
};

/// Makes a replica follow a journal, as a standby does: each batch is applied once it is durable. Ends when `stop` is
/// requested, at the first fault or at a difference. Until then the replica belongs to this thread.
Result<void> follow(Journal& journal, Replica& replica, std::stop_token stop);

}  // namespace pawl
