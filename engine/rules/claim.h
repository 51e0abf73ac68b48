// Whether a job may be claimed.
#pragma once

#include "engine/state/state.h"

namespace pawl {

/// What claiming the job would come to now: the checks of JobClaimed (SPEC §4), for callers that look for a job.
Outcome claim_outcome(const State& state, JobId id);
/// Whether the record in hand changed a row so that claim_outcome() may accept what it refused before. It is asked of
/// the rows, and not of the event: so no rule has to remember those who wait for a job.
/// Requires: the record was applied and state.settle() not yet called.
[[nodiscard]] bool frees_claims(const State& state);

}  // namespace pawl
