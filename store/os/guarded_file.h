// Small files that hold secrets, or that say who may do what: read only where nobody else can have got at them.
#pragma once

#include <cstddef>
#include <string>

#include "schema/result.h"

namespace pawl {

/// What others must not be able to do with the file.
enum class Guard {
  unwritable,  // what it says is believed, so that only its owner may change it
  unreadable,  // it holds a secret
};

/// The whole of the file. `missing` or `io` if it cannot be read, `malformed` if it is longer than `bytes_max`, if it
/// is a pipe, a folder or a device, or if others may do what they must not. A link is followed, and what it leads to is
/// judged. Errors name the file, and never show what is in it.
Result<std::string> read_guarded_file(const std::string& path, Guard guard, std::size_t bytes_max);

/// A secret from its file, without the line's end after it. `malformed` also if there is none.
Result<std::string> read_secret(const std::string& path);

}  // namespace pawl
