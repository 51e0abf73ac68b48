// What a death leaves behind (SPEC §5 step 2): proposals that follow in the group of the event that made boots stale.
#pragma once

#include "engine/state/state.h"
#include "schema/proposal.h"

namespace pawl {

/// For each stale boot that still has leases or running jobs, by the seq of its start: LeaseReclaimed(stale_boot) by
/// key, then JobReaped(restart) by job id. Empty when nothing is left behind. `rules`: those that decide.
[[nodiscard]] Group recovery_of_stale_boots(const State& state, const Asker& asker, TimeUs now, std::uint32_t rules);

/// TaskCancelled for each standing cancel request with no lease, no running job and no committed crossing (SPEC §9).
[[nodiscard]] Group cancellations_due(const State& state, const Asker& asker);

}  // namespace pawl
