// Turns names from outside into parts of paths.
#pragma once

#include <string>

namespace pawl {

/// A name as one component of a path: letters, digits, '-', '_' and inner '.' stand for themselves.
std::string path_component_of(const std::string& name);

}  // namespace pawl
