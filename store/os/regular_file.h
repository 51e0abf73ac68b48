// Files named by people: tokens, secrets, pipelines, configuration. The path may contain links, since such files are
// often provided that way, but must lead to a regular file, so that reading never blocks.
#pragma once

#include <cstddef>
#include <string>

#include "schema/result.h"
#include "store/os/descriptor.h"

namespace pawl {

/// Opens for reading. `missing` or `io` if that fails; `malformed`, with a sentence that says what it is, for a pipe, a
/// socket, a device or a folder. Never blocks waiting for the other end of a pipe.
Result<Descriptor> open_regular_file(const std::string& path);

/// Up to `bytes_max` bytes, or one more if there are more.
Result<std::string> read_up_to(const Descriptor& file, const std::string& path, std::size_t bytes_max);

/// The whole content of such a file; also `malformed` if it is longer than `bytes_max`.
Result<std::string> read_regular_file(const std::string& path, std::size_t bytes_max);

}  // namespace pawl
