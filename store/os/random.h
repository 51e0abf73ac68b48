// Random names. Both functions end the process if the system cannot provide randomness.
#pragma once

#include <string>

namespace pawl {

/// 128 random bits as 32 lower-case hex digits.
std::string random_hex();

/// A random UUID (version 4).
std::string random_uuid();

}  // namespace pawl
