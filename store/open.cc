#include "store/open.h"

#include <utility>

#include "store/checkpoint.h"
#include "store/replica.h"
#include "store/tail.h"

namespace pawl {
namespace {

constexpr const char* place = "the log";

std::string side(Outcome outcome, bool unchecked, std::uint64_t digest) {
  return "'" + std::string(name(outcome)) + "'" + (unchecked ? ", unchecked" : "") + ", digest " + hex(digest);
}

/// @H: shows both sides.
Error diverged(const Difference& difference) {
  const Divergence& divergence = *difference.divergence;
  return damaged_at(divergence.seq, place,
                    "the log has " +
                        side(divergence.recorded, divergence.recorded_unchecked, divergence.recorded_digest) +
                        ", but the rules compute " +
                        side(divergence.recomputed, divergence.recomputed_unchecked, divergence.recomputed_digest) +
                        " for this " + fb::EnumNameEvent(difference.type));
}

/// Whether the log's record at the checkpoint's seq is the one it was taken after. @D is an answer, @E an error.
Result<bool> belongs_to(Journal& journal, const Restored& restored, Seq seq) {
  bool found = false;
  bool same = false;
  PAWL_TRY(journal.read(seq, [&](RecordBytes bytes) {
    found = true;
    const Result<const fb::Record*> record = view_record(bytes);
    same = record && restored.state.last_seq == seq && chain_of(**record) == restored.chain &&
           (*record)->stamp()->digest() == restored.state.digest();
    return false;
  }));
  if (found) return same;
  return damaged_at(next(journal.last_seq()), place, "a checkpoint was taken after record " + std::to_string(raw(seq)));
}

}  // namespace

Result<Opened> newest_checkpoint(Journal& journal, CheckpointStore& checkpoints, Seq upto) {
  Opened start;
  start.report.torn_at = journal.torn_at();
  for (const Seq seq : checkpoints.list()) {
    if (seq > upto) continue;
    const auto skip = [&](const std::string& why) {
      start.report.skipped_checkpoints.push_back("checkpoint " + std::to_string(raw(seq)) + ": " + why);
    };
    const Result<StoredCheckpoint> stored = checkpoints.load(seq);
    if (!stored) {
      skip(stored.error().message);
      continue;
    }
    Result<Restored> restored = unpack_checkpoint(stored->bytes);
    if (!restored) {
      skip(restored.error().message);
      continue;
    }
    const bool of_this_log = PAWL_TRY(belongs_to(journal, *restored, seq));
    if (!of_this_log) {
      skip("it was not taken after this log's record with that seq");
      continue;
    }
    start.state = std::move(restored->state);
    start.chain = restored->chain;
    start.report.checkpoint = seq;
    break;
  }
  return start;
}

Result<Opened> replay(Journal& journal, Opened from, Seq upto, std::function<void(const AppliedGroup&)> each) {
  Replica replica(std::move(from.state), from.chain, {.each = std::move(each)});
  const Result<void> read = replica.read(journal, upto);
  if (const auto& fault = replica.fault(); fault && fault->error.code == ErrorCode::damaged) {
    return damaged_at(fault->seq, place, fault->why);
  }
  PAWL_TRY(read);
  if (const auto& difference = replica.difference()) return diverged(*difference);
  from.report.replayed = replica.records();
  const Chain chain = replica.chain();
  return Opened{std::move(replica).release(), chain, std::move(from.report)};
}

Result<Opened> open_state_at(Journal& journal, CheckpointStore& checkpoints, Seq upto) {
  Opened start = PAWL_TRY(newest_checkpoint(journal, checkpoints, upto));
  return replay(journal, std::move(start), upto);
}

Result<Opened> open_state(Journal& journal, CheckpointStore& checkpoints) {
  return open_state_at(journal, checkpoints, no_end);
}

}  // namespace pawl
