// Checks the explanations of why tasks do not move (engine/policies/stuck): each task has one, the state bears it out,
// and the suggested command helps.
#pragma once

#include <string>

#include "engine/state/state.h"

namespace pawl::hostile {

/// What is wrong with the explanation of a live task; empty: nothing.
[[nodiscard]] std::string wrong_in_words(const State& state, const Task& task);

/// What is wrong with the suggested command, tried on a copy of the state; empty: nothing, or the command does more
/// than change the log. More expensive than the other check.
[[nodiscard]] std::string wrong_in_command(const State& state, const Task& task);

}  // namespace pawl::hostile
