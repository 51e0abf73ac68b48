// What ended badly in a log, and why. An incident is a bad end that something other than the task's own agent, gate or
// step caused: a setting, a wrong word, a clock, a death, an operator's act. For each bad end the chain is walked back
// to the earliest record without which it would not have come about. For `pawl check`: nothing here decides anything.
#pragma once

#include <string>
#include <vector>

#include "engine/forensics/history.h"
#include "engine/forensics/invariants.h"

namespace pawl {

/// A task that did not come to rest as it should.
struct BadEnd {
  TaskId task{};
  std::string work_item;
  Mark at;                                // the record that made it so
  std::string reason = {};                // of a block, or why it stands still: "limit"; empty for other ends
  std::string words;                      // "blocked: job_failed", "waits for the lease repo:shop"
  Seq cause{};                            // of its incident; 0: it ended badly by itself
  std::string why;                        // if by itself: "its gate was red 2 times"
  Mark let_go;                            // when a person let it go on
  bool is_outlived = false;               // and it does not stand still since
  std::vector<std::string> decided = {};  // by which values: "2 interruptions > 1 (…)"
};

struct Incidents {
  Findings findings;          // incidents, each cause once, with all its victims, in seq order; then words
  std::vector<BadEnd> ended;  // in the order of their records
};

/// `end` is the state at the end of the log, `found` what else was found in it.
[[nodiscard]] Incidents incidents(const History& history, const State& end, const Findings& found);

}  // namespace pawl
