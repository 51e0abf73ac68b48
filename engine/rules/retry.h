// The retry rule of SPEC §6: what becomes of a job whose run came to nothing.
#pragma once

#include "engine/state/state.h"
#include "record_generated.h"

namespace pawl {

/// Whether the task is no longer at the version that the job was queued for. `task`: null if it is terminal.
bool moved_on(const Task* task, const Job& job);

/// Where a running job goes: the first line of the rule that fits. `tier`: who ended it; an interruption by a restart
/// has a budget of its own.
JobStatus retry_status(const State& state, const Job& job, fb::Tier tier);

}  // namespace pawl
