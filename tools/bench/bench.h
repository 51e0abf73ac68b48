// `pawl bench`: how fast pawl is here.
#pragma once

#include <cstdint>
#include <string>

#include "tools/commands/command.h"

namespace pawl::bench {

/// Writes about so many records into a log in `folder`, reads them back in every way, and prints how long each took.
/// Requires: the folder is empty or missing.
Exit replay(const std::string& folder, std::uint64_t records);

}  // namespace pawl::bench
