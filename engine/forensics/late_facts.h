// A step that was settled as not happened, and is reported as done all the same (SPEC §8, §14.6): it may have happened
// twice, or what was done since rests on something that is not so. For `pawl check`, also where the task had ended and
// the report could only be refused.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "engine/forensics/invariants.h"

namespace pawl {

class LateFacts {
 public:
  /// Wants every record of a log, in order, with the state that its group meets.
  void see(const State& before, const fb::Record& record);

  /// In the order of the seqs.
  const Findings& findings() const { return found_; }

 private:
  /// A start of an irreversible step, and who can know what became of it.
  struct Start {
    TaskId task{};
    std::string boot;
    std::string principal;
    std::optional<std::uint64_t> token;
    Seq settled{};  // the record that said that it did not happen; 0: none has
  };

  void see_finish(const State& before, const fb::Record& record, const fb::StepFinished& event);

  std::map<Seq, Start> starts_;
  Findings found_;
};

}  // namespace pawl
