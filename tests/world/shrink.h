// Makes a failure small: a script for tests/scenarios if its records alone show it, else the shortest command line that
// still leads to it.
#pragma once

#include <optional>
#include <string>

#include "tests/world/story.h"

namespace pawl::hostile {

/// Fewer records and fewer hostilities that still fail in the same way.
Order shrunk(const Order& order, const std::string& failure);

/// The lines of a script that ends in violating the same invariant; none if the records do not show it, because it
/// broke outside of them. Requires: the story has failed.
std::optional<std::string> script_of(const Story& story);

}  // namespace pawl::hostile
