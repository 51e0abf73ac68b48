// What restores took from the log, and what had its effect outside all the same: what an operator finds who looks at
// the targets before he gives the word.
#pragma once

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "engine/state/state.h"
#include "tests/world/outside.h"

namespace pawl::hostile {

class Lost {
 public:
  /// A restore, before it is applied.
  void see(const State& before, const fb::LogRestored& restored);
  /// The log is looked at again from its beginning. Effects are not taken back.
  void forget_restores() { gaps_.clear(); }

  void had_effect(const StepKey& key) { effects_[{key.task, key.step}].insert(key.version); }
  /// Whether what bears that key was begun in what is lost, as far as this log knows.
  bool is_lost(const State& state, const StepKey& key) const;
  /// Whether the step of a crossing had its effect: at its version, or at one of those that it had before restores.
  bool has_happened(const StepKey& key) const;
  /// Whether the step had its effect in what restores took from the task since it last fell back.
  bool has_happened_in_it(const Task& task, const std::string& step) const;

 private:
  struct Gap {
    Version from{};
    Version to{};  // with which the task went on
    std::uint64_t rollbacks = 0;
  };
  bool has_effect_in(TaskId task, const std::string& step, const Gap& gap) const;

  std::map<TaskId, std::vector<Gap>> gaps_;
  std::map<std::pair<TaskId, std::string>, std::set<Version>> effects_;
};

}  // namespace pawl::hostile
