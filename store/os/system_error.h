// What a failed system call says, as an Error.
#pragma once

#include <string>

#include "schema/result.h"

namespace pawl {

/// Of the system call that has just failed with errno: `missing` if there is no such file, else `io`.
Error system_error(const std::string& path, const char* what);

}  // namespace pawl
