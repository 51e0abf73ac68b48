// Where a story's page is written.
#pragma once

#include <string>

#include "schema/result.h"

namespace pawl {

/// Writes a file, never over the log or into its folder. `malformed`: it would; `io`.
Result<void> write_page(const std::string& to, const std::string& log, const std::string& page);

}  // namespace pawl
