// Records that passed the verifier, applied as a log's would be: with seq, group, time and rules put right, so that
// what they say reaches the rules whatever their stamps say. Outcome and digest are left to the rules; a log with the
// right ones could come from a pawl that is broken, or from somebody who means harm, and neither may end a reader.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/state/state.h"

namespace pawl::fuzz {

class ReappliedLog {
 public:
  /// Begins after a small story: a daemon, a worker, two tasks, a claimed job and a held lease.
  ReappliedLog();

  /// Requires: view_record() took the bytes.
  void take(std::vector<std::uint8_t> record);
  /// Applies what is left, and looks at the state that it came to: its invariants, and that a checkpoint of it is the
  /// same state again.
  void finish();

 private:
  void apply_group();

  State state_;
  std::vector<std::vector<std::uint8_t>> group_;
};

}  // namespace pawl::fuzz
