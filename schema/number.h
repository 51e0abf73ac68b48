// Numbers that a user typed.
#pragma once

#include <cstdint>
#include <string_view>

#include "schema/result.h"

namespace pawl {

/// All of `text` as a non-negative whole number. `malformed` begins with `what`.
Result<std::uint64_t> read_number(std::string_view text, std::string_view what);

}  // namespace pawl
