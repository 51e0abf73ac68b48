// The processes of this machine, as /proc shows them: which are alive, and which have the signs of a run.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "daemon/work/system.h"
#include "store/os/descriptor.h"
#include "store/os/process_identity.h"

namespace pawl {

/// As System::liveness_of(). `earlier`: hosts that were this machine (store/os/process_identity.h).
Liveness liveness_of(const std::string& host, std::int64_t pid, std::optional<std::int64_t> pid_start,
                     const std::vector<std::string>& earlier);

/// A handle that always refers to this one process. Invalid if there is no such process.
Descriptor pidfd_of(pid_t pid);

/// The children of this process that have ended but were not reaped, as /proc shows them.
std::vector<pid_t> ended_children();

/// As System::process().
std::unique_ptr<OtherProcess> other_process(pid_t pid);

/// As System::is_of_worker().
bool is_of_worker(pid_t pid, std::int64_t worker, std::int64_t worker_start);

/// As System::processes_of(); `lock_path` is the run's file, empty to ignore the lock.
std::vector<std::unique_ptr<OtherProcess>> processes_of(const ProcessMarkers& signs, const std::string& lock_path);

}  // namespace pawl
