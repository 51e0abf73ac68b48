// How a run is ended with all that it left behind, and when it counts as gone (SPEC §8).
#pragma once

#include <chrono>
#include <string>

#include "daemon/work/system.h"

namespace pawl {

enum class RunEnd { gone, alive };

/// How a run is told to go.
struct EndOrder {
  using First = Stop;
  First first = First::terminate;
  /// SIGKILL follows SIGTERM when half of this has passed. A second is the least: even SIGKILL takes its time.
  std::chrono::milliseconds within{};
  /// Once called SIGKILL is sent at once, and no more is waited than it takes. May be null.
  const CallOff* hurry = nullptr;
  /// Its leader is a child here that has ended and is not reaped: so its keeper lives, whatever is left.
  bool is_ours = false;
};

/// Ends what is left of a run: the group and session of its leader, every process of this user that bears its name,
/// every one that holds its lock, and all that is below its keeper; again and again, since they may fork, until none is
/// seen, the lock is free, and a keeper of an earlier start has ended too.
/// Then its file is removed, and it is `gone`. Of a run that is not noted, because it is known to be gone or because
/// somebody else began it, only the environment tells. Requires: `run` is not empty.
RunEnd end_run(System& system, const std::string& run, const EndOrder& order);

}  // namespace pawl
