// Files that people name: tokens, secrets, pipelines, configuration. A name may lead anywhere, through links too, since
// that is how they are often handed out; what it leads to has to be a file, so that nothing is ever waited for.
#pragma once

#include <cstddef>
#include <string>

#include "schema/result.h"
#include "store/os/descriptor.h"

namespace pawl {

/// Opened for reading. `missing` or `io` if it cannot be; `malformed`, in a sentence that says what it is, if it is a
/// pipe, a socket, a device or a folder. Never blocks for the other end of a pipe.
Result<Descriptor> open_regular_file(const std::string& path);

/// Up to `bytes_max` bytes, or one more than that where there are more.
Result<std::string> read_up_to(const Descriptor& file, const std::string& path, std::size_t bytes_max);

/// The whole of such a file; also `malformed` if it is longer than `bytes_max`.
Result<std::string> read_regular_file(const std::string& path, std::size_t bytes_max);

}  // namespace pawl
