// What this process may use of the system, asked before anything is begun: a limit that is met later ends it in the
// midst of something.
#pragma once

#include <cstddef>

#include "schema/result.h"

namespace pawl {

/// As many connections as may be kept where so many descriptors may be open: the others are for the log and for
/// processes. `io` if too few are left for either.
Result<std::size_t> connections_for(std::size_t descriptors);

/// Starts that many threads at once, and ends them. `io`: the system does not let this user, or this group of
/// processes, have so many.
Result<void> check_threads(std::size_t count);

/// Has the process end with a sentence, exit code 1, where a thread cannot be started in spite of that.
void explain_missing_threads();

}  // namespace pawl
