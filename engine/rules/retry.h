// The retry rule of SPEC §6: what becomes of a job whose run came to nothing.
#pragma once

#include "engine/state/state.h"
#include "record_generated.h"

namespace pawl {

/// Whether the task is no longer at the version that the job was queued for. `task`: null if it is terminal.
bool moved_on(const Task* task, const Job& job);

/// Whether the agent's work is finished, and nothing has found fault with it: exit code 0, and since then neither a
/// gate that was red or in error nor a step that failed. Such work is not done again, whatever ends the job. Since
/// version 2 of the rules.
bool is_finished_work(const Task& task, const Job& job);

/// Where a running job goes: the first line of the rule that fits. `tier`: who ended it; an interruption by a restart
/// has a budget of its own.
JobStatus retry_status(const State& state, const Job& job, fb::Tier tier, std::uint32_t rules);

}  // namespace pawl
