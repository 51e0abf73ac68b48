// Checks the variables of one `env`.
#pragma once

#include <optional>
#include <string>

#include "engine/state/pipeline.h"

namespace pawl {

/// What is wrong with them, to follow the name of what they belong to: "has an `env` in which …". None if they are
/// valid.
std::optional<std::string> env_problem(const Variables& env);

}  // namespace pawl
