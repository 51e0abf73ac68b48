// What restores removed from the log but still had its effect outside: what an operator finds by looking at the targets
// before confirming.
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
  /// Reads the log again from its beginning. Effects are not taken back.
  void forget_restores() { gaps_.clear(); }

  void had_effect(const StepKey& key) { effects_[{key.task, key.step}].insert(key.version); }
  /// Whether the owner of that key began in the lost part, as far as this log knows.
  bool is_lost(const State& state, const StepKey& key) const;
  /// Whether the step of a crossing had its effect: at its version, or at one of its versions before restores.
  bool has_happened(const StepKey& key) const;
  /// Whether the step had its effect in what restores removed, since the task last fell back.
  bool has_happened_in_it(const Task& task, const std::string& step) const;

 private:
  struct Gap {
    Version from{};
    Version to{};  // the version with which the task went on
    std::uint64_t rollbacks = 0;
  };
  bool has_effect_in(TaskId task, const std::string& step, const Gap& gap) const;

  std::map<TaskId, std::vector<Gap>> gaps_;
  std::map<std::pair<TaskId, std::string>, std::set<Version>> effects_;
};

}  // namespace pawl::hostile
