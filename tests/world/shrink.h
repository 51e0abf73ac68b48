// Makes a failure small: as a script for tests/scenarios if its records alone show it, else as the shortest command
// line that still leads to it.
#pragma once

#include <optional>
#include <string>

#include "tests/world/story.h"

namespace pawl::hostile {

/// Fewer records and fewer hostilities that still fail in the same way.
Order shrunk(const Order& order, const std::string& failure);

/// The lines of a script, at the end of which the same invariant is violated; none if the records do not show it, since
/// it broke outside of them. Requires: the story has failed.
std::optional<std::string> script_of(const Story& story);

}  // namespace pawl::hostile
