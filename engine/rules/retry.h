// The retry rule of SPEC §6: what happens to a job whose run did not succeed.
#pragma once

#include "engine/state/state.h"
#include "record_generated.h"

namespace pawl {

/// Whether the task has left the version that the job was queued for. `task` is null if it is terminal.
bool moved_on(const Task* task, const Job& job);

/// Whether the agent's work is finished and nothing has found fault with it: exit code 0, and since then no gate that
/// was red or failed to run, and no failed step. Such work is not repeated, whatever ends the job. Since version 2 of
/// the rules.
bool is_finished_work(const Task& task, const Job& job);

/// The next status of a running job: the first line of the rule that applies. `tier` says who ended it; interruptions
/// by a restart have a separate budget.
JobStatus retry_status(const State& state, const Job& job, fb::Tier tier, std::uint32_t rules);

}  // namespace pawl
