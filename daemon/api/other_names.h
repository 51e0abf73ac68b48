// By which names, besides its principal, a gate may know a requester: its groups, and its name on this host.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/api/access.h"

namespace pawl {

/// "group:NAME" for each group of its token; for a user of the unix socket "user:NAME" and "group:NAME", as this host's
/// databases have them. May block: these databases may be on another host.
std::vector<std::string> other_names(const Permit& permit);

}  // namespace pawl
