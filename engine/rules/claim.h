// Whether a job may be claimed.
#pragma once

#include "engine/state/state.h"

namespace pawl {

/// What claiming the job would come to now: the checks of JobClaimed (SPEC §4), for callers that look for a job.
Outcome claim_outcome(const State& state, JobId id);

}  // namespace pawl
