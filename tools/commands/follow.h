// Follows a daemon's records as they become durable.
#pragma once

#include <boost/json/fwd.hpp>

#include <cstdint>
#include <functional>
#include <string_view>

#include "schema/result.h"
#include "tools/commands/client.h"

namespace pawl {

struct Follower {
  /// One record, as its line and parsed. False ends it.
  std::function<bool(std::string_view line, const boost::json::object& record)> record;
  /// About five times a second while nothing comes. False ends it.
  std::function<bool()> idle = [] { return true; };
  /// The daemon cannot be reached; follow() keeps trying. Called once each time it is lost.
  std::function<void(const Error&)> lost = [](const Error&) {};
  /// How long the daemon may be away before that is an error, in seconds.
  int patience_s = 0;
};

/// Passes on every record after `after`, in order and once each, until the follower ends it.
/// `io` if the daemon is away for longer than `patience_s`; `malformed` or `busy` if it refuses.
Result<void> follow(Client& client, std::uint64_t after, const Follower& follower);

}  // namespace pawl
