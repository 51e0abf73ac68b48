// Whether a job may be claimed, and whether new work on a task may start.
#pragma once

#include <functional>
#include <span>
#include <string>

#include "engine/state/state.h"
#include "schema/proposal.h"

namespace pawl {

/// The outcome of claiming the job at that time: the checks of JobClaimed (SPEC §4), for callers that look for a job.
/// `rules` is the version that would decide.
Outcome claim_outcome(const State& state, JobId id, TimeUs now, std::uint32_t rules = rules_version);
/// Whether the current record changed a row so that claim_outcome() may now accept what it refused before. This looks
/// at the rows, not at the event, so no rule has to remember to wake callers that wait for a job. The end of a pause
/// between two attempts is not a record: such callers must look again at next_pause_end().
/// Requires: the record was applied, and state.settle() was not yet called.
[[nodiscard]] bool frees_claims(const State& state);
/// The queued job with the lowest id that those agents may claim and that `is_taken` accepts; 0 if there is none. Jobs
/// behind another job's serial gate are not examined, so however many wait there, they cost nothing.
[[nodiscard]] JobId first_claimable(const State& state, std::span<const std::string> agents, TimeUs now,
                                    const std::function<bool(JobId)>& is_taken);
/// When the next pause of a queued job ends; none if no job is paused.
[[nodiscard]] std::optional<TimeUs> next_pause_end(const State& state, TimeUs now);

/// The reason of a JobReaped for an expired claim. apply() checks again that the claim has expired.
inline constexpr std::string_view reaped_for_ttl = "ttl_expired";

/// When the next claim expires unless it is renewed; none if no claim has a ttl.
[[nodiscard]] std::optional<TimeUs> next_claim_end(const State& state);

/// Whether a process that an earlier attempt left behind blocks every claim for the task (SPEC §8).
[[nodiscard]] bool is_barred(const State& state, TaskId task);

/// Whether an operator's retry of a blocked task also queues a job. It does not if the task has a queued or running
/// job, if its stage has no agent, or if a cancel was requested.
[[nodiscard]] bool retry_queues(const State& state, const Task& blocked);

/// Whether new work on the task must wait for a dependency: a task that it depends on is not finished, or was cancelled
/// while `queue.cancelled_dependency` is `hold` (SPEC §4).
[[nodiscard]] bool waits_for_dependency(const State& state, const Task& task);

}  // namespace pawl
