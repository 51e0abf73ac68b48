// Compares a record's line with the one that `pawl export` would write.
#pragma once

#include "store/replica.h"

namespace pawl {

/// The first difference between the line that record `index` was read from and the exported one; none if it was not
/// read from a line. As ReplicaPolicy::compare.
std::optional<Difference> form_of_line(const AppliedGroup& group, std::size_t index);

/// The policy for proving a log: the first difference ends the walk, and shows both sides.
ReplicaPolicy proving_policy(std::function<void(const AppliedGroup&)> each = {});

}  // namespace pawl
