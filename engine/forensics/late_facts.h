// Finds steps that were settled as not happened but are later reported as done (SPEC §8, §14.6): such a step may have
// happened twice, or later work may rest on a false assumption. For `pawl check`; includes reports that could only be
// refused because the task had ended.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "engine/forensics/invariants.h"

namespace pawl {

class LateFacts {
 public:
  /// Feed it every record of a log, in order, with the state before the record's group.
  void see(const State& before, const fb::Record& record);

  /// In seq order.
  const Findings& findings() const { return found_; }

 private:
  /// A start of an irreversible step, and who can know its result.
  struct Start {
    TaskId task{};
    std::string boot;
    std::string principal;
    std::optional<std::uint64_t> token;
    Seq settled{};  // the record that settled it as not happened; 0: none
  };

  void see_finish(const State& before, const fb::Record& record, const fb::StepFinished& event);

  std::map<Seq, Start> starts_;
  Findings found_;
};

}  // namespace pawl
