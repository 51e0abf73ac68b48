// Converts the error of a failed system call.
#pragma once

#include <string>

#include "schema/result.h"

namespace pawl {

/// The error of the system call that has just failed with errno: `missing` if there is no such file, else `io`.
Error system_error(const std::string& path, const char* what);

}  // namespace pawl
