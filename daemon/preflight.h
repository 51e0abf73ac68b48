// Checks this process's resource limits before anything begins: a limit reached later would end the process in the
// middle of its work.
#pragma once

#include <cstddef>

#include "schema/result.h"

namespace pawl {

/// How many connections to allow if that many descriptors may be open: the other descriptors are for the log and for
/// processes. `io` if there are too few.
Result<std::size_t> connections_for(std::size_t descriptors);

/// Starts that many threads at once, then ends them. `io`: the system does not allow this user, or this control group,
/// that many.
Result<void> check_threads(std::size_t count);

/// Makes the process exit with a message and exit code 1 if a thread cannot be started all the same.
void explain_missing_threads();

}  // namespace pawl
