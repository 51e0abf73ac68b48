// Whether people are told rightly why a task does not move (engine/policies/stuck): that something is said of each,
// that the state bears it out, and that what they are told to type helps.
#pragma once

#include <string>

#include "engine/state/state.h"

namespace pawl::hostile {

/// What is wrong with what is said of a live task; empty: nothing.
[[nodiscard]] std::string wrong_in_words(const State& state, const Task& task);

/// What is wrong with the command that is said to free it, once it is typed on a copy of the state; empty: nothing, or
/// it is none that only changes the log. Dearer than the other.
[[nodiscard]] std::string wrong_in_command(const State& state, const Task& task);

}  // namespace pawl::hostile
