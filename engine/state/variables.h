// The variables of one `env`, by themselves.
#pragma once

#include <optional>
#include <string>

#include "engine/state/pipeline.h"

namespace pawl {

/// What is wrong with them, as it goes on behind what they belong to: "has an `env` in which …"; none if nothing is.
std::optional<std::string> env_problem(const Variables& env);

}  // namespace pawl
