// flock(2): a lock that the kernel gives back when the last descriptor that shares it is closed, however that happens.
#pragma once

#include "store/os/descriptor.h"

namespace pawl {

/// Whether the exclusive lock of this open file is now ours. False also if asking failed; errno then says why, and is
/// EWOULDBLOCK where somebody else holds it. Never waits.
[[nodiscard]] bool try_lock(const Descriptor& file);

}  // namespace pawl
