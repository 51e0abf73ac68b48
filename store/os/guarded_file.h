// Reads small files that contain secrets or permissions, but only if others cannot have accessed them.
#pragma once

#include <cstddef>
#include <string>

#include "schema/result.h"

namespace pawl {

/// What others must not be able to do with the file.
enum class Guard {
  unwritable,  // its content is trusted, so only its owner may change it
  unreadable,  // it contains a secret
};

/// The whole content. `missing` or `io` if it cannot be read; `malformed` if it is longer than `bytes_max`, if it is a
/// pipe, a folder or a device, or if others may do what they must not. A link is followed, and its target is checked.
/// Errors name the file and never show its content.
Result<std::string> read_guarded_file(const std::string& path, Guard guard, std::size_t bytes_max);

/// A secret from its file, without the final line end. Also `malformed` if it is empty.
Result<std::string> read_secret(const std::string& path);

}  // namespace pawl
