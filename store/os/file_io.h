// Complete reads and writes of an open file.
#pragma once

#include <string>
#include <string_view>

#include "schema/result.h"
#include "store/os/descriptor.h"

namespace pawl {

/// Reads from the current position to the end. `io` names `path`.
Result<std::string> read_to_end(const Descriptor& file, const std::string& path);
/// Writes all of it, at once or in pieces. `io` names `path`; a part may then have been written.
Result<void> write_all(const Descriptor& file, std::string_view bytes, const std::string& path);

}  // namespace pawl
