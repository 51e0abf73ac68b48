// The irreversible steps still ahead of a task. Before continuing a log that may be out of date (a restored backup, a
// copy), a person has to check at the targets whether they have already happened.
#pragma once

#include <string>
#include <vector>

#include "engine/state/state.h"

namespace pawl {

/// An irreversible step on the task's way forward that is not done.
struct StepAhead {
  std::string stage;
  std::string step;
  bool is_open = false;  // started, with no recorded result
};

/// In pipeline order, from the task's stage on, without steps that are done. Empty for a terminal task.
[[nodiscard]] std::vector<StepAhead> irreversible_ahead(const State& state, const Task& task);

/// "merge (begun) on deploy-staging, deploy on deploy"; "nothing irreversible" if there is nothing.
[[nodiscard]] std::string in_words(const std::vector<StepAhead>& ahead);

/// One line about a live task: "task 3 'SHOP-1' of shop on deploy-staging, committed to deploy: merge on …".
[[nodiscard]] std::string ahead_line(const State& state, const Task& task);

}  // namespace pawl
