// Whether a job may be claimed, and whether anything of a task may begin.
#pragma once

#include <functional>
#include <span>
#include <string>

#include "engine/state/state.h"
#include "schema/proposal.h"

namespace pawl {

/// What claiming the job at that time would come to: the checks of JobClaimed (SPEC §4), for callers that look for a
/// job. `rules`: those that would decide.
Outcome claim_outcome(const State& state, JobId id, TimeUs now, std::uint32_t rules = rules_version);
/// Whether the record in hand changed a row so that claim_outcome() may accept what it refused before. It is asked of
/// the rows, and not of the event: so no rule has to remember those who wait for a job. The end of a pause between two
/// tries is no record: who waits for a job has to look again at next_pause_end().
/// Requires: the record was applied and state.settle() not yet called.
[[nodiscard]] bool frees_claims(const State& state);
/// The queued job, lowest id first, that those agents may claim and `is_taken` takes; none: 0. Asked of no job behind
/// another's serial gate: however many wait there, they cost nothing.
[[nodiscard]] JobId first_claimable(const State& state, std::span<const std::string> agents, TimeUs now,
                                    const std::function<bool(JobId)>& is_taken);
/// When the first pause of a queued job ends that is not over; none if there is none.
[[nodiscard]] std::optional<TimeUs> next_pause_end(const State& state, TimeUs now);

/// The reason of a JobReaped because the claim's ttl ran out: whether it has is judged again on apply.
inline constexpr std::string_view reaped_for_ttl = "ttl_expired";

/// When the first claim runs out that is not renewed; none if none has a ttl.
[[nodiscard]] std::optional<TimeUs> next_claim_end(const State& state);

/// Whether a process that an earlier attempt left behind bars every claim of the task (SPEC §8).
[[nodiscard]] bool is_barred(const State& state, TaskId task);

/// Whether an operator's retry of a blocked task queues a job beside letting it go on: not where it has one that
/// is queued or runs, nor where nobody works on the stage or a cancel is asked for.
[[nodiscard]] bool retry_queues(const State& state, const Task& blocked);

/// Whether nothing of the task may begin yet: a task that it depends on is not finished, or was cancelled while
/// `queue.cancelled_dependency` is `hold` (SPEC §4).
[[nodiscard]] bool waits_for_dependency(const State& state, const Task& task);

}  // namespace pawl
