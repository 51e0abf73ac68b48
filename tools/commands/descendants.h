// The processes that descend from one, and how to signal them.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <vector>

namespace pawl {

/// A process by what tells it apart from a later one with the same pid.
struct ProcessId {
  pid_t pid = 0;
  std::int64_t start = 0;  // field 22 of /proc/PID/stat
};

/// The living descendants of `root`, without itself, as /proc shows them at one look: a process that forks meanwhile
/// may be missed, so whoever wants all of them ended looks again. Empty where /proc shows nothing.
std::vector<ProcessId> descendants_of(pid_t root);

/// Sends a signal to that very process; nothing if it has ended.
void signal_process(const ProcessId& process, int signal);

}  // namespace pawl
