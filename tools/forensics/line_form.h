// A record's line, held against the one that `pawl export` would write.
#pragma once

#include "store/replica.h"

namespace pawl {

/// The place where the line that record `index` was read from parts from the exported one; none if it was read from no
/// line. As ReplicaPolicy::compare.
std::optional<Difference> form_of_line(const AppliedGroup& group, std::size_t index);

/// The policy of those who prove a log: the first difference ends the walk, and shows both sides.
ReplicaPolicy proving_policy(std::function<void(const AppliedGroup&)> each = {});

}  // namespace pawl
