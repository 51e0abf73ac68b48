// The processes of this machine, as /proc shows them: who is alive, and who bears the signs of a run.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "store/os/descriptor.h"
#include "store/os/process_identity.h"

namespace pawl {

enum class Liveness {
  alive,
  dead,
  invisible,  // on another host or in another pid namespace: nothing can be learned from here
  unknown,    // it could be seen from here, but asking failed
};

/// Whether a process lives. Without `pid_start` any process of that number will do.
Liveness liveness_of(const std::string& host, std::int64_t pid, std::optional<std::int64_t> pid_start);

/// By what the processes of a run are known, each sign for itself: a process may have closed its descriptors, left
/// its group, or wiped its environment, but seldom all of it.
struct RunSigns {
  std::string run;   // PAWL_RUN in the environment that it was started with
  pid_t leader = 0;  // of the session that the run began in; 0 if unknown
  std::int64_t leader_start = 0;
  std::string lock_path;  // a file that it holds open; empty: not looked for, since that is the dear one
};

/// A handle that keeps meaning this one process. None if there is no such process.
Descriptor pidfd_of(pid_t pid);
void send_signal(const Descriptor& pidfd, int signal);

struct FoundProcess {
  pid_t pid = 0;
  Descriptor pidfd;  // so that a signal cannot reach a successor of that number
};

/// The live processes of this user that bear a sign, this process aside.
std::vector<FoundProcess> processes_of(const RunSigns& signs);

}  // namespace pawl
