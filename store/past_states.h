// States of the past: what a log had decided at an earlier position, for those who look back.
//
// A state is found from the nearest one that is known, and the records after it. Known are the log's checkpoints; the
// states where the last looks ended, which go on from there; and, in between, sparse ones that a replay leaves behind
// on its way, packed like checkpoints. All that is kept is bounded: when there are too many sparse states, every second
// one is dropped, and the next are as far apart again.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <vector>

#include "store/open.h"

namespace pawl {

class PastStates {
 public:
  struct Bounds {
    std::uint64_t stride = 16'384;  // records between two sparse states, until some are dropped
    std::size_t sparse_max = 32;
    std::size_t sparse_bytes_max = std::size_t{64} << 20;
    std::size_t ends_max = 2;            // states where looks ended
    std::size_t end_rows_max = 200'000;  // tasks and jobs of all of these together
  };

  /// Owns neither, and both outlive it. `checkpoints` may be null: then it begins before the first record.
  PastStates(Journal& journal, CheckpointStore* checkpoints) : PastStates(journal, checkpoints, Bounds()) {}
  PastStates(Journal& journal, CheckpointStore* checkpoints, const Bounds& bounds)
      : journal_(journal), known_(checkpoints), bounds_(bounds), stride_(bounds.stride) {}

  /// Calls `see` with the state after the group of record `at`: the records of a group are one decision, and become
  /// true together. For a seq that a restore skipped: after the last group before it. Blocks while it reads the
  /// log. Errors, without a call: those of open_state_at(). Requires: `at` is not beyond the last durable record.
  /// Threads: one at a time, concurrently with an append.
  Result<void> look(Seq at, const std::function<void(const State&)>& see);

  /// Calls `begin` with the state that look(after) would give, and `each` with every group from there to that of record
  /// `to`. Otherwise as look().
  Result<void> walk(Seq after, Seq to, const std::function<void(const State&)>& begin,
                    const std::function<void(const AppliedGroup&)>& each);

  /// What the last look or walk cost, and what is kept: for tests.
  std::uint64_t replayed() const { return replayed_; }
  std::size_t sparse() const { return known_.sparse().size(); }
  std::size_t ends() const { return ends_.size(); }

 private:
  /// The log's checkpoints and the sparse states, as one.
  class Known final : public CheckpointStore {
   public:
    explicit Known(CheckpointStore* stored) : stored_(stored) {}
    /// Keeps a sparse state, in memory.
    Result<void> store(const StoredCheckpoint& checkpoint) override;
    std::vector<Seq> list() override;
    Result<StoredCheckpoint> load(Seq seq) override;

    const std::map<Seq, std::vector<std::uint8_t>>& sparse() const { return sparse_; }
    std::size_t bytes() const { return bytes_; }
    void drop_every_second();

   private:
    CheckpointStore* stored_;
    std::map<Seq, std::vector<std::uint8_t>> sparse_;
    std::size_t bytes_ = 0;
  };

  Result<Seq> end_of_group(Seq at);
  Result<Opened> nearest(Seq at);
  Result<Opened> replay_leaving_states(Opened from, Seq at);
  void keep(const State& state, const Chain& chain);
  void drop_ends();

  Journal& journal_;
  Known known_;
  const Bounds bounds_;
  std::uint64_t stride_;
  std::vector<Opened> ends_;  // the last one used is last
  std::uint64_t replayed_ = 0;
};

}  // namespace pawl
