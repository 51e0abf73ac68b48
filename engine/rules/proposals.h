// Builds events that are proposed in more than one place.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "engine/state/rows.h"
#include "event_generated.h"

namespace pawl {

std::unique_ptr<fb::OwnerT> owner_event(const Owner& owner);

/// A lease on `key` for crossing `edge`; without a ttl it is held until it is released.
fb::LeaseAcquiredT lease_wanted(const std::string& key, const Owner& owner, const std::string& edge,
                                std::optional<std::int64_t> ttl_s = std::nullopt);

}  // namespace pawl
