// What cannot be taken back and still lies ahead of a task: what somebody has to look for at the targets before a log
// goes on that is not the last word about them (a restored backup, a copy).
#pragma once

#include <string>
#include <vector>

#include "engine/state/state.h"

namespace pawl {

/// An irreversible step that the task has yet to take on its way forward.
struct StepAhead {
  std::string stage;
  std::string step;
  bool is_open = false;  // begun, and nobody has said what became of it
};

/// In the order of the way, from the task's stage on; steps that are done are none. Empty for a terminal task.
[[nodiscard]] std::vector<StepAhead> irreversible_ahead(const State& state, const Task& task);

/// "merge (begun) on deploy-staging, deploy on deploy"; "nothing irreversible" if there is nothing.
[[nodiscard]] std::string in_words(const std::vector<StepAhead>& ahead);

/// One line about a live task: "task 3 'SHOP-1' of shop on deploy-staging, committed to deploy: merge on …".
[[nodiscard]] std::string ahead_line(const State& state, const Task& task);

}  // namespace pawl
