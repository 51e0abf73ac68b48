// Reads of the past: calls with `?at=SEQ`, stories and comparisons, carried out on a thread of their own, one after
// another.
#pragma once

#include <functional>

#include "daemon/one_by_one.h"
#include "store/past_states.h"

namespace pawl {

/// How many may wait at once; more are refused.
constexpr int past_reads_max = 32;

class PastReads {
 public:
  using Read = std::function<void(const State&)>;

  /// Owns neither, and both outlive it. `checkpoints` may be null.
  PastReads(Journal& journal, CheckpointStore* checkpoints) : states_(journal, checkpoints), thread_(past_reads_max) {}

  /// Calls `read` with the state at that position, or `failed` if the log cannot be read: once, on the thread, which
  /// may block. False: too many wait, and neither is called. Requires: the position is not beyond the last durable
  /// record. Threads: any.
  bool post(Seq at, Read read, std::function<void(const Error&)> failed);
  /// The same for more than a look at one state.
  bool post(std::function<void(PastStates&)> work);
  /// Finishes what waits, then ends the thread.
  void stop() { thread_.stop(); }

 private:
  PastStates states_;  // the thread's
  OneByOne thread_;
};

}  // namespace pawl
