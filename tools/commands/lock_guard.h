// The guard of a `pawl lock`: a process between the one that was called (the wrapper) and the command. It holds the
// lease until the command has no descendants left, even if the wrapper dies, and ends the command if the lease is lost.
//
// It is the command's parent and adopts its orphans (a child subreaper), so that no descendant of the command escapes
// it. It has its own session, so that it survives the end of the wrapper's process group or terminal. The command stays
// in the wrapper's group, with the terminal.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "store/os/descriptor.h"
#include "tools/commands/lock_lease.h"

namespace pawl {

/// Past this time, by boottime_ms(), the guard is late; 0: the lease has no ttl, or is not held. In memory that guard
/// and wrapper share: if the guard is stopped, the wrapper ends the command.
using SharedDeadline = std::atomic<std::int64_t>;

enum class Covers { descendants, command };

struct GuardPlan {
  Caller caller;
  LeaseWish wish;
  std::vector<std::string> command;
  Covers covers = Covers::descendants;
  int lost_exit = 125;  // if the lease was lost
};

/// Sent over the pipe to the guard: a signal for the command or, before it runs, to give up. The pipe's end means that
/// the wrapper is gone.
struct SignalNote {
  unsigned char signal = 0;
  bool has_command_too = false;  // the terminal sent it to the whole group
};

/// Sent over the pipe to the wrapper, one int each.
constexpr int lease_is_held = -1;  // check the deadline from now on
// From 0: the exit code. Nothing follows.

/// The guard's whole life, in the child of a fork. `control` carries SignalNotes, `report` ints.
[[noreturn]] void run_guard(GuardPlan plan, Descriptor control, Descriptor report, SharedDeadline* deadline);

}  // namespace pawl
