// Recovery after a process dies (SPEC §5 step 2): proposals that are added to the group of the event that made boots
// stale.
#pragma once

#include "engine/state/state.h"
#include "schema/proposal.h"

namespace pawl {

/// For each stale boot that still has leases or running jobs, in the order of their starts: LeaseReclaimed(stale_boot)
/// by key, then JobReaped(restart) by job id. Empty if nothing was left behind. `rules` is the deciding version.
[[nodiscard]] Group recovery_of_stale_boots(const State& state, const Requester& requester, TimeUs now,
                                            std::uint32_t rules);

/// TaskCancelled for each task with a pending cancel request and no lease, running job or committed crossing (SPEC §9),
/// by id: of those that the group touched or, if it changed a boot, of all. So a request that another version of the
/// rules left standing is carried out at the daemon's next start.
[[nodiscard]] Group cancellations_due(const State& state, const Requester& requester);

}  // namespace pawl
