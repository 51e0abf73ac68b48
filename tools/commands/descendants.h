// The descendants of a process, and how to signal them.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <vector>

namespace pawl {

/// A process, distinguishable from a later one with the same pid.
struct ProcessId {
  pid_t pid = 0;
  std::int64_t start = 0;  // field 22 of /proc/PID/stat
};

/// The living descendants of `root`, without itself, in one scan of /proc. It may miss a process that forks meanwhile,
/// so to end all of them, scan again. Empty if /proc shows nothing.
std::vector<ProcessId> descendants_of(pid_t root);

/// Sends a signal to exactly that process; does nothing if it has ended.
void signal_process(const ProcessId& process, int signal);

}  // namespace pawl
