// How to end a run with everything it left behind, and when it counts as gone (SPEC §8).
#pragma once

#include <chrono>
#include <string>

#include "daemon/work/system.h"

namespace pawl {

enum class RunEnd { gone, alive };

/// How to end a run.
struct EndRequest {
  using First = Stop;
  First first = First::terminate;
  /// SIGKILL follows SIGTERM after half of this. At least a second: even SIGKILL takes time.
  std::chrono::milliseconds within{};
  /// Once called, sends SIGKILL at once, and waits only as long as that takes. May be null.
  const CancelToken* hurry = nullptr;
  /// Its leader is our child, ended but not reaped, so its keeper still lives whatever is left.
  bool is_ours = false;
};

/// Ends what is left of a run: its leader's group and session, every process of this user that has its name or holds
/// its lock, and everything below its keeper. Repeats, since they may fork, until none is found, the lock is free, and
/// a keeper of an earlier start has ended too. Then it removes the run's file and returns `gone`. For a run that is not
/// noted, because it is known to be gone or pawl did not begin it, only the environment shows its processes. Requires:
/// `run` is not empty.
RunEnd end_run(System& system, const std::string& run, const EndRequest& request);

}  // namespace pawl
