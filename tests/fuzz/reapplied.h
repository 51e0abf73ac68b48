// Records that passed the verifier, applied as a log's would be: with seq, group, time and rules corrected, so that
// their contents reach the rules whatever their stamps say. Outcome and digest are left to the rules; a log with
// correct ones could come from a broken pawl, or from an attacker, and neither may crash a reader.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/state/state.h"

namespace pawl::fuzz {

class ReappliedLog {
 public:
  /// Starts after a small story: a daemon, a worker, two tasks, a claimed job and a held lease.
  ReappliedLog();

  /// Requires: view_record() accepted the bytes.
  void take(std::vector<std::uint8_t> record);
  /// Applies the rest, and checks the resulting state: its invariants, and that a checkpoint of it gives the same
  /// state.
  void finish();

 private:
  void apply_group();

  State state_;
  std::vector<std::vector<std::uint8_t>> group_;
};

}  // namespace pawl::fuzz
