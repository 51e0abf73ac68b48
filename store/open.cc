#include "store/open.h"

#include <algorithm>
#include <cstring>
#include <future>
#include <limits>
#include <utility>

#include "engine/rules/group.h"
#include "schema/layout.h"
#include "store/chain.h"
#include "store/checkpoint.h"
#include "store/tail.h"

namespace pawl {
namespace {

constexpr const char* place = "the log";
constexpr std::size_t chunk_bytes = 1024 * 1024;
constexpr Seq no_end{std::numeric_limits<std::uint64_t>::max()};

/// Records copied out of the log, some at a time.
struct Chunk {
  Seq first{};
  std::vector<std::uint64_t> words;
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

/// A chunk whose records are what they say. If one is not, those before it.
struct Verified {
  std::shared_ptr<const Chunk> chunk;
  std::vector<const fb::Record*> records;
  Chain chain{};  // of the last of them
  std::optional<Error> error;
};

Result<const fb::Record*> verified_record(RecordBytes bytes, Seq seq, const Chain& before) {
  const Result<const fb::Record*> viewed = view_record(bytes);
  if (!viewed) {
    if (viewed.error().code == ErrorCode::unsupported) return viewed.error();
    return damaged_at(seq, place, viewed.error().message);
  }
  const fb::Record& record = **viewed;
  const fb::Stamp& stamp = *record.stamp();
  if (stamp.seq() != raw(seq)) return damaged_at(seq, place, "it says that it is " + std::to_string(stamp.seq()));
  if (stamp.rules() > rules_version || stamp.rules() == 0) {
    return Error{ErrorCode::unsupported, "record " + std::to_string(raw(seq)) + " was decided by rules " +
                                             std::to_string(stamp.rules()) + "; this program knows up to " +
                                             std::to_string(rules_version)};
  }
  if (chain_after(before, record) != chain_of(record)) {
    return damaged_at(seq, place, "its chain does not follow from the record before it: one of the two was changed");
  }
  return &record;
}

Verified verify(std::shared_ptr<const Chunk> chunk, Chain before) {
  Verified verified;
  verified.chunk = std::move(chunk);
  verified.chain = before;
  verified.records.reserve(verified.chunk->records.size());
  Seq seq = verified.chunk->first;
  for (std::size_t i = 0; i < verified.chunk->records.size(); ++i, seq = next(seq)) {
    const Result<const fb::Record*> record = verified_record(verified.chunk->record(i), seq, verified.chain);
    if (!record) {
      verified.error = record.error();
      break;
    }
    verified.chain = chain_of(**record);
    verified.records.push_back(*record);
  }
  return verified;
}

std::string side(Outcome outcome, bool unchecked, std::uint64_t digest) {
  return "'" + std::string(name(outcome)) + "'" + (unchecked ? ", unchecked" : "") + ", digest " + hex(digest);
}

Error diverged(const Divergence& divergence, const fb::Record& record) {
  return damaged_at(divergence.seq, place,
                    "the log says " +
                        side(divergence.recorded, divergence.recorded_unchecked, divergence.recorded_digest) +
                        ", the rules say " +
                        side(divergence.recomputed, divergence.recomputed_unchecked, divergence.recomputed_digest) +
                        " of this " + fb::EnumNameEvent(record.event_type()));
}

/// Applies what it is given to a state, chunk by chunk; while one is applied the next is verified on another thread.
class Replay {
 public:
  Replay(Opened& opened, Seq upto)
      : opened_(opened), upto_(upto), next_(next(opened.state.last_seq)), chain_(opened.chain) {}

  /// Whether more is wanted.
  bool take(RecordBytes bytes) {
    if (!filling_) {
      filling_ = std::make_shared<Chunk>();
      filling_->first = next_;
    }
    filling_->add(bytes);
    const Seq seq = std::exchange(next_, next(next_));
    if (filling_->words.size() * sizeof(std::uint64_t) >= chunk_bytes) so_far_ = turn(std::launch::async);
    // One record beyond the end shows whether a group ended there.
    return so_far_.has_value() && seq <= upto_;
  }

  /// Applies what is left.
  Result<void> finish() {
    while (so_far_ && (filling_ || verifying_.valid())) {
      // A single chunk is waited for at once: then a thread would only cost.
      so_far_ = turn(verifying_.valid() ? std::launch::async : std::launch::deferred);
    }
    if (so_far_ && !past_end_) so_far_ = apply_group();
    return so_far_;
  }

 private:
  /// Waits for the chunk that is being verified, sends the next one after it, and applies the first meanwhile.
  Result<void> turn(std::launch how) {
    std::optional<Verified> ready;
    if (verifying_.valid()) {
      ready = verifying_.get();
      chain_ = ready->chain;
    }
    const bool broken = ready && ready->error;
    if (filling_ && !broken) {
      verifying_ = std::async(how, verify, std::exchange(filling_, nullptr), chain_);
    }
    if (ready) PAWL_TRY(apply(*ready));
    return {};
  }

  Result<void> apply(const Verified& verified) {
    for (const fb::Record* record : verified.records) {
      const fb::Stamp& stamp = *record->stamp();
      const bool begins = stamp.group() == stamp.seq();
      if (begins) PAWL_TRY(apply_group());
      if (Seq{stamp.seq()} > upto_) {
        past_end_ = true;
        return {};
      }
      if (!begins && (group_.empty() || group_.front()->stamp()->group() != stamp.group())) {
        return damaged_at(Seq{stamp.seq()}, place, "it belongs to a group that does not stand before it");
      }
      group_.push_back(record);
      if (group_chunks_.empty() || group_chunks_.back() != verified.chunk) group_chunks_.push_back(verified.chunk);
    }
    if (verified.error) return *verified.error;
    return {};
  }

  Result<void> apply_group() {
    if (group_.empty()) return {};
    const Reapplied reapplied = reapply(opened_.state, group_);
    if (reapplied.divergence) {
      const std::size_t index = raw(reapplied.divergence->seq) - group_.front()->stamp()->seq();
      return diverged(*reapplied.divergence, *group_[index]);
    }
    opened_.chain = chain_of(*group_.back());
    opened_.report.replayed += group_.size();
    group_.clear();
    group_chunks_.clear();
    return {};
  }

  Opened& opened_;
  Seq upto_;
  Seq next_;     // of the record that is taken next
  Chain chain_;  // of the last record that was verified
  std::shared_ptr<Chunk> filling_;
  std::future<Verified> verifying_;
  std::vector<const fb::Record*> group_;                    // the group in hand
  std::vector<std::shared_ptr<const Chunk>> group_chunks_;  // that hold its bytes
  bool past_end_ = false;
  Result<void> so_far_;
};

/// Whether the log's record at the checkpoint's seq is the one that it was made after. @D is an answer, @E an error.
Result<bool> belongs_to(Log& log, const Restored& restored, Seq seq) {
  bool found = false;
  bool same = false;
  PAWL_TRY(log.read(seq, [&](RecordBytes bytes) {
    found = true;
    const Result<const fb::Record*> record = view_record(bytes);
    same = record && restored.state.last_seq == seq && chain_of(**record) == restored.chain &&
           (*record)->stamp()->digest() == restored.state.digest();
    return false;
  }));
  if (found) return same;
  Seq last{};
  PAWL_TRY(log.read(Seq{1}, [&](RecordBytes) {
    last = next(last);
    return true;
  }));
  return damaged_at(next(last), place, "a checkpoint was made after record " + std::to_string(raw(seq)));
}

/// The newest checkpoint not beyond `upto` that is good, or the state before the first record.
Result<Opened> restore(Log& log, Seq upto) {
  Opened opened;
  opened.report.torn_at = log.torn_at();
  for (const Seq seq : log.checkpoints()) {
    if (seq > upto) continue;
    const auto skip = [&](const std::string& why) {
      opened.report.skipped_checkpoints.push_back("checkpoint " + std::to_string(raw(seq)) + ": " + why);
    };
    const Result<StoredCheckpoint> stored = log.load_checkpoint(seq);
    if (!stored) {
      skip(stored.error().message);
      continue;
    }
    Result<Restored> restored = unpack_checkpoint(stored->bytes);
    if (!restored) {
      skip(restored.error().message);
      continue;
    }
    const bool of_this_log = PAWL_TRY(belongs_to(log, *restored, seq));
    if (!of_this_log) {
      skip("it was not made after this log's record of that seq");
      continue;
    }
    opened.state = std::move(restored->state);
    opened.chain = restored->chain;
    opened.report.checkpoint = seq;
    break;
  }
  return opened;
}

}  // namespace

Result<Opened> open_state_at(Log& log, Seq upto) {
  Opened opened = PAWL_TRY(restore(log, upto));
  Replay replay(opened, upto);
  const Result<void> read =
      log.read(next(opened.state.last_seq), [&](RecordBytes bytes) { return replay.take(bytes); });
  PAWL_TRY(replay.finish());  // What is wrong before the place that cannot be read comes first.
  PAWL_TRY(read);
  return opened;
}

Result<Opened> open_state(Log& log) {
  return open_state_at(log, no_end);
}

Result<Seq> take_checkpoint(Log& log) {
  const Opened opened = PAWL_TRY(open_state(log));
  if (opened.report.replayed > 0) PAWL_TRY(log.checkpoint(pack_checkpoint(opened.state, opened.chain)));
  return opened.state.last_seq;
}

}  // namespace pawl
