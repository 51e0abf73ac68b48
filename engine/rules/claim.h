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
/// The turn of a queued job.
[[nodiscard]] ClaimTurn turn_of(const State& state, const Job& job);
/// The first queued job of those agents, in the order of their turns and from `from` on, that may be claimed now and
/// that `look` takes; 0 if there is none, or if `look` stopped the search. Jobs that wait for anything but time are not
/// examined, and those behind another job's serial gate are not either: however many they are, they cost nothing.
/// `look` is called in that order. Requires: the agents differ.
[[nodiscard]] JobId first_claimable(const State& state, std::span<const std::string> agents, ClaimTurn from, TimeUs now,
                                    const std::function<ClaimableJobs::Look(JobId)>& look);
/// When the next pause of a queued job of those agents ends, or the next hold, or the time of a task comes; none if
/// time alone frees no job. No record says that it has ended: who waits for a job looks again then.
[[nodiscard]] std::optional<TimeUs> next_pause_end(const State& state, std::span<const std::string> agents, TimeUs now);

/// The reason of a JobReaped for an expired claim. apply() checks again that the claim has expired.
inline constexpr std::string_view reaped_for_ttl = "ttl_expired";

/// When the next claim expires unless it is renewed; none if no claim has a ttl.
[[nodiscard]] std::optional<TimeUs> next_claim_end(const State& state);

/// Whether an operator's retry of a blocked task also queues a job. It does not if the task has a queued or running
/// job, if its stage has no agent, or if a cancel was requested.
[[nodiscard]] bool retry_queues(const State& state, const Task& blocked);

}  // namespace pawl
