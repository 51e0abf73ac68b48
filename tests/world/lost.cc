#include "tests/world/lost.h"

#include <algorithm>

namespace pawl::hostile {

void Lost::see(const State& before, const fb::LogRestored& restored) {
  for (const auto& [id, task] : before.tasks.rows()) {
    if (is_terminal(task.stage)) continue;
    const Version to{raw(task.version) + restored.next_seq() - restored.from()};
    gaps_[id].push_back({.from = task.version, .to = to, .rollbacks = task.rollbacks});
  }
}

bool Lost::is_lost(const State& state, const StepKey& key) const {
  if (!state.given_out(key.task)) return true;
  const auto gaps = gaps_.find(key.task);
  return gaps != gaps_.end() && std::any_of(gaps->second.begin(), gaps->second.end(), [&](const Gap& gap) {
           return key.version >= gap.from && key.version < gap.to;
         });
}

bool Lost::has_effect_in(TaskId task, const std::string& step, const Gap& gap) const {
  const auto found = effects_.find({task, step});
  if (found == effects_.end()) return false;
  const auto first = found->second.lower_bound(gap.from);
  return first != found->second.end() && *first < gap.to;
}

bool Lost::has_happened(const StepKey& key) const {
  const auto found = effects_.find({key.task, key.step});
  if (found != effects_.end() && found->second.contains(key.version)) return true;
  const auto gaps = gaps_.find(key.task);
  if (gaps == gaps_.end()) return false;
  Version at = key.version;
  for (auto gap = gaps->second.rbegin(); gap != gaps->second.rend(); ++gap) {
    if (gap->to != at) continue;
    if (has_effect_in(key.task, key.step, *gap)) return true;
    at = gap->from;
  }
  return false;
}

bool Lost::has_happened_in_it(const Task& task, const std::string& step) const {
  const auto gaps = gaps_.find(task.id);
  return gaps != gaps_.end() && std::any_of(gaps->second.begin(), gaps->second.end(), [&](const Gap& gap) {
           return gap.rollbacks == task.rollbacks && has_effect_in(task.id, step, gap);
         });
}

}  // namespace pawl::hostile
