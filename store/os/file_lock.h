// flock(2): a lock that the kernel releases when the last descriptor sharing it is closed, however that happens.
#pragma once

#include "store/os/descriptor.h"

namespace pawl {

/// Whether the exclusive lock on this open file is now ours. Also false if the call failed; errno then says why, and is
/// EWOULDBLOCK if another process holds it. Never waits.
[[nodiscard]] bool try_lock(const Descriptor& file);

}  // namespace pawl
