// The guard of a `pawl lock`: a process between the one that was called (the wrapper) and the command. It holds the
// lease until no descendant of the command is left, whatever becomes of the wrapper, and ends the command when the
// lease is lost.
//
// It is the parent of the command and the one that orphans of it come to (a child subreaper), so that nothing that
// descends from the command escapes it; and in a session of its own, so that nothing that ends the wrapper's process
// group or terminal ends it too. The command stays in the wrapper's group, with the terminal.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "store/os/descriptor.h"
#include "tools/commands/lock_lease.h"

namespace pawl {

/// Until when the guard keeps the time; by boottime_ms(), 0: the lease has no ttl, or is not held. In memory that guard
/// and wrapper share: should the guard be stopped, the wrapper ends the command.
using SharedDeadline = std::atomic<std::int64_t>;

enum class Covers { descendants, command };

struct GuardPlan {
  Caller caller;
  LeaseWish wish;
  std::vector<std::string> command;
  Covers covers = Covers::descendants;
  int lost_exit = 125;  // of a command whose lease was lost
};

/// What goes over the pipe to the guard: a signal for the command, or before it runs, to give up. Its end says that the
/// wrapper is gone.
struct SignalNote {
  unsigned char signal = 0;
  bool has_command_too = false;  // the terminal sent it to the whole group
};

/// What goes over the pipe to the wrapper, one int each.
constexpr int lease_is_held = -1;  // look at the deadline from now on
// From 0: the exit code. Nothing follows.

/// The guard's whole life, in the child of a fork. `control` carries SignalNotes, `report` ints.
[[noreturn]] void run_guard(GuardPlan plan, Descriptor control, Descriptor report, SharedDeadline* deadline);

}  // namespace pawl
