// What has happened before a target begins: a daemon, a worker, a task under way and one at a guarded edge, a claimed
// job and a held lease. So inputs can refer to something: ids 1 and 2, the boots "daemon" and "worker".
#pragma once

#include <memory>

#include "engine/state/state.h"
#include "store/memory_log.h"

namespace pawl::fuzz {

/// The resulting state.
State story_state();

/// A copy of its log.
std::shared_ptr<MemoryDisk> story_disk();

/// Its last record.
Seq story_seq();

/// When it ends.
constexpr TimeUs story_end{1'767'225'700 * us_per_s};

}  // namespace pawl::fuzz
