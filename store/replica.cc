#include "store/replica.h"

#include <algorithm>
#include <cstring>
#include <future>
#include <utility>

#include "schema/limits.h"

namespace pawl {
namespace {

std::string outcome_text(Outcome outcome, bool unchecked) {
  return std::string(name(outcome)) + (unchecked ? ", unchecked" : "");
}

Difference difference_of(const Divergence& divergence) {
  Difference difference{.kind = Difference::Kind::outcome,
                        .seq = divergence.seq,
                        .what = "outcome",
                        .recorded = outcome_text(divergence.recorded, divergence.recorded_unchecked),
                        .recomputed = outcome_text(divergence.recomputed, divergence.recomputed_unchecked),
                        .divergence = divergence};
  if (difference.recorded != difference.recomputed) return difference;
  difference.kind = Difference::Kind::digest;
  difference.what = "digest";
  difference.recorded = hex(divergence.recorded_digest);
  difference.recomputed = hex(divergence.recomputed_digest);
  return difference;
}

}  // namespace

Error error_of(const Difference& difference) {
  return {ErrorCode::damaged, "record " + std::to_string(raw(difference.seq)) + " differs in its " + difference.what +
                                  "; `pawl replay` shows both sides"};
}

// --- The first stage ---

std::optional<RecordFault> RecordVerifier::verify(RecordBytes bytes, VerifiedRecord& verified) {
  const Result<const fb::Record*> viewed = view_record(bytes);
  if (!viewed) {
    const Error& error = viewed.error();
    const std::string where =
        error.message.starts_with("record ") ? "" : "record " + std::to_string(raw(next_seq())) + ": ";
    RecordFault fault{.seq = next_seq(), .why = error.message, .error = {error.code, where + error.message}};
    // A record of a newer version is still well-formed, and may show that the group before it is complete.
    if (error.code == ErrorCode::unsupported) {
      const fb::Stamp& stamp = *fb::GetRecord(bytes.data())->stamp();
      fault.begins_group = stamp.group() == stamp.seq();
    }
    return fault;
  }
  const fb::Record& record = **viewed;
  const fb::Stamp& stamp = *record.stamp();
  const std::string where = "record " + std::to_string(stamp.seq());
  const Seq due = seq_after(last_, record);
  RecordFault fault{.seq = due,
                    .why = {},
                    .error = {ErrorCode::damaged, {}},
                    .begins_group = stamp.group() == stamp.seq(),
                    .record = &record};
  if (stamp.seq() != raw(due)) {
    fault.is_gap = true;
    fault.why = "its seq is " + std::to_string(stamp.seq());
    fault.error.message = where + " is in the place of record " + std::to_string(raw(due));
    return fault;
  }
  if (stamp.rules() == 0 || stamp.rules() > rules_version) {
    fault.error = {ErrorCode::unsupported, where + " was decided by rules " + std::to_string(stamp.rules()) +
                                               "; this program knows up to " + std::to_string(rules_version)};
    return fault;
  }
  if (!fault.begins_group && stamp.group() != raw(group_)) {
    fault.why = "its group does not begin before it";
    fault.error.message = where + " belongs to a group that begins at " + std::to_string(stamp.group()) +
                          ", but the group before it is a different one";
    return fault;
  }
  group_records_ = fault.begins_group ? 1 : group_records_ + 1;
  if (group_records_ > limits::group_records_max) {
    fault.why = "its group is too long";
    fault.error.message = where + ": its group is too long";
    return fault;
  }
  group_ = Seq{stamp.group()};
  last_ = due;
  const Chain due_chain = chain_after(chain_, record);
  chain_ = chain_of(record);
  verified.record = &record;
  verified.bytes = bytes;
  verified.due_chain = due_chain == chain_ ? std::nullopt : std::optional(due_chain);
  return std::nullopt;
}

// --- The second stage ---

/// Bytes of records, kept alive while they are in use.
struct Replica::Chunk {
  std::vector<std::uint64_t> words;                          // a FlatBuffer must be aligned
  std::vector<std::pair<std::size_t, std::size_t>> records;  // offset in words, length in bytes

  void add(RecordBytes record) {
    const std::size_t at = words.size();
    words.resize(at + (record.size() + 7) / 8);
    std::memcpy(words.data() + at, record.data(), record.size());
    records.emplace_back(at, record.size());
  }
  RecordBytes record(std::size_t index) const {
    const auto [at, length] = records[index];
    return {reinterpret_cast<const std::uint8_t*>(words.data() + at), length};
  }
};

Replica::Replica(State state, const Chain& chain, ReplicaPolicy policy)
    : state_(std::move(state)), chain_(chain), policy_(std::move(policy)), verifier_(state_.last_seq, chain) {}

Result<bool> Replica::add(RecordBytes bytes, std::string line) {
  if (is_over_) return false;
  const auto chunk = std::make_shared<Chunk>();
  chunk->add(bytes);
  VerifiedRecord verified;
  if (auto fault = verifier_.verify(chunk->record(0), verified)) return meet(std::move(*fault));
  verified.line = std::move(line);
  return apply(std::move(verified), chunk);
}

Result<bool> Replica::finish() {
  if (is_over_) return false;
  return apply_group();
}

Result<bool> Replica::apply(VerifiedRecord record, const std::shared_ptr<const Chunk>& chunk) {
  const fb::Stamp& stamp = *record.record->stamp();
  const bool begins = stamp.group() == stamp.seq();
  if (begins && !PAWL_TRY(apply_group())) return false;
  if (record.seq() > upto_) {
    // The current group continues beyond the end.
    group_.clear();
    is_over_ = true;
    return false;
  }
  if (record.due_chain && policy_.broken_chain == ReplicaPolicy::BrokenChain::stop) {
    const std::string why = "its chain does not follow from the previous record: one of the two was changed";
    return end_with({.seq = record.seq(),
                     .why = why,
                     .error = {ErrorCode::damaged, "record " + std::to_string(stamp.seq()) + ": " + why},
                     .record = record.record});
  }
  group_.push_back(std::move(record));
  if (holding_.empty() || holding_.back() != chunk) holding_.push_back(chunk);
  return true;
}

Result<bool> Replica::apply_group() {
  if (group_.empty()) return true;
  if (policy_.wants && !PAWL_TRY(policy_.wants(state_, group_))) {
    is_over_ = true;
    return false;
  }
  std::vector<const fb::Record*> records;
  records.reserve(group_.size());
  for (const VerifiedRecord& verified : group_) records.push_back(verified.record);
  const Reapplied reapplied = policy_.apply ? policy_.apply(state_, group_) : reapply(state_, records);
  std::vector<AppliedRecord> applied;
  if (policy_.each || policy_.compare) {
    applied.reserve(records.size());
    for (std::size_t i = 0; i < records.size(); ++i) applied.push_back({*records[i], reapplied.applied[i]});
  }
  const AppliedGroup group{group_, applied, reapplied.archived, state_};
  if (!is_as_applied(group, reapplied.divergence)) {
    is_over_ = true;
    return false;
  }
  records_ += group_.size();
  chain_ = chain_of(*records.back());
  if (policy_.each) policy_.each(group);
  group_.clear();
  holding_.clear();
  return true;
}

/// Whether nothing has ended the walk so far.
bool Replica::is_as_applied(const AppliedGroup& group, const std::optional<Divergence>& divergence) {
  const auto ends = [&](Difference difference, const VerifiedRecord& read) {
    difference.type = read.record->event_type();
    if (policy_.goes_on && policy_.goes_on(difference)) return false;
    difference_ = std::move(difference);
    return true;
  };
  for (std::size_t i = 0; i < group.read.size(); ++i) {
    const VerifiedRecord& read = group.read[i];
    if (divergence && divergence->seq == read.seq() && ends(difference_of(*divergence), read)) return false;
    const bool shows_chain = read.due_chain && policy_.broken_chain == ReplicaPolicy::BrokenChain::show;
    if (shows_chain && ends({.kind = Difference::Kind::chain,
                             .seq = read.seq(),
                             .what = "chain",
                             .recorded = hex(chain_of(*read.record)),
                             .recomputed = hex(*read.due_chain)},
                            read)) {
      return false;
    }
    if (!policy_.compare) continue;
    if (auto found = policy_.compare(group, i); found && ends(std::move(*found), read)) return false;
  }
  return true;
}

Result<bool> Replica::meet(RecordFault fault) {
  // A group is complete when the next one begins. Before a gap it may also be truncated, and would then be decided
  // differently.
  if (fault.is_gap && policy_.gap) {
    if (!PAWL_TRY(apply_group())) return false;
    policy_.gap(fault);
    is_over_ = true;
    return false;
  }
  if (fault.begins_group && !fault.is_gap && !PAWL_TRY(apply_group())) return false;
  const bool may_be_unwanted = fault.begins_group && fault.is_gap && !group_.empty() && policy_.wants;
  if (may_be_unwanted && !PAWL_TRY(policy_.wants(state_, group_))) {
    is_over_ = true;
    return false;
  }
  return end_with(std::move(fault));
}

Error Replica::end_with(RecordFault fault) {
  is_over_ = true;
  fault.record = nullptr;  // its bytes are about to be freed
  fault_ = std::move(fault);
  return fault_->error;
}

// --- Both, on two threads ---

/// Verifies chunk by chunk on a separate thread; meanwhile the previous chunk is applied on this one.
class Replica::TwoThreads {
 public:
  explicit TwoThreads(Replica& replica) : replica_(replica), next_(replica.next_seq()) {}

  /// Whether more is wanted.
  bool take(RecordBytes bytes) {
    if (!filling_) filling_ = std::make_shared<Chunk>();
    filling_->add(bytes);
    const Seq seq = std::exchange(next_, next(next_));
    if (filling_->words.size() * sizeof(std::uint64_t) >= chunk_bytes) status_ = pump(std::launch::async);
    // One record beyond the end shows whether a group ended there. After a restore this count lags, and the end is
    // detected when the record is applied.
    return goes_on() && seq <= replica_.upto_;
  }

  /// Applies the rest, including the last group.
  Result<void> finish() {
    while (goes_on() && (filling_ || verifying_.valid())) {
      // A single chunk is verified directly: a thread would only add cost.
      status_ = pump(verifying_.valid() ? std::launch::async : std::launch::deferred);
    }
    if (goes_on()) status_ = replica_.finish();
    if (!status_) return status_.error();
    return {};
  }

 private:
  static constexpr std::size_t chunk_bytes = 1024 * 1024;

  struct VerifiedChunk {
    std::shared_ptr<const Chunk> chunk;
    std::vector<VerifiedRecord> records;
    std::optional<RecordFault> fault;  // in the record after them
  };

  bool goes_on() const { return status_.has_value() && *status_; }

  VerifiedChunk verify(std::shared_ptr<const Chunk> chunk) {
    VerifiedChunk verified{.chunk = std::move(chunk), .records = {}, .fault = std::nullopt};
    verified.records.reserve(verified.chunk->records.size());
    for (std::size_t i = 0; i < verified.chunk->records.size() && !verified.fault; ++i) {
      verified.fault = replica_.verifier_.verify(verified.chunk->record(i), verified.records.emplace_back());
    }
    if (verified.fault) verified.records.pop_back();
    return verified;
  }

  /// Waits for the chunk being verified, starts verifying the full one, and applies the first meanwhile.
  Result<bool> pump(std::launch how) {
    std::optional<VerifiedChunk> verified;
    if (verifying_.valid()) verified = verifying_.get();
    const bool has_ended = verified && verified->fault;
    if (filling_ && !has_ended) {
      verifying_ = std::async(how, [this, chunk = std::exchange(filling_, nullptr)] { return verify(chunk); });
    }
    return verified ? apply(std::move(*verified)) : true;
  }

  Result<bool> apply(VerifiedChunk verified) {
    for (VerifiedRecord& record : verified.records) {
      if (!PAWL_TRY(replica_.apply(std::move(record), verified.chunk))) return false;
    }
    if (verified.fault) return replica_.meet(std::move(*verified.fault));
    return true;
  }

  Replica& replica_;
  Seq next_;  // of the next record to take
  std::shared_ptr<Chunk> filling_;
  Result<bool> status_ = true;
  std::future<VerifiedChunk> verifying_;  // Destroyed first: waits for the thread, which uses the members above.
};

Result<void> Replica::read(Journal& journal, Seq upto) {
  upto_ = upto;
  TwoThreads stages(*this);
  const Result<void> read = journal.read(next_seq(), [&](RecordBytes bytes) { return stages.take(bytes); });
  PAWL_TRY(stages.finish());  // A problem before the unreadable record takes precedence.
  if (is_over_) return {};
  return read;
}

Result<void> follow(Journal& journal, Replica& replica, std::stop_token stop) {
  Result<bool> more = true;
  const Result<void> followed = journal.follow(
      replica.next_seq(),
      [&](RecordBytes bytes) {
        more = replica.add(bytes);
        // The last durable record ends a batch, and therefore a group (Journal::follow).
        const bool is_whole = replica.next_seq() > journal.last_seq();
        if (more && *more && is_whole) more = replica.finish();
        return more && *more;
      },
      std::move(stop));
  PAWL_TRY(more);
  return followed;
}

}  // namespace pawl
