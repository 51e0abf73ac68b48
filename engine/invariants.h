// SPEC §14: what is true after every record. For tests, which ask after each of theirs, and for `pawl check`, which
// asks it of every prefix of a log. Nothing here is needed to decide: it states a second time, from the outside, what
// the rules are built to keep.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/apply.h"
#include "engine/state.h"

namespace pawl {

/// Something that is not as SPEC §14 says, or, for a record that was decided with ownership switched off, something
/// that may be so and that a reader of the log wants to know.
struct Finding {
  enum class Kind { violation, unchecked };
  Kind kind = Kind::violation;
  Seq seq{};          // of the record after which it was found
  int invariant = 0;  // its number in SPEC §14; 0: the record does not say what the rules say
  std::string what;   // "task 3: version 2 became 4"
};

using Findings = std::vector<Finding>;

/// What the invariants compare a state with: the rows as they were before a record. A State is not copied.
struct Snapshot {
  std::map<TaskId, Task> tasks;
  std::map<TaskId, std::shared_ptr<const Pipeline>> pipelines;  // of each task
  std::map<JobId, Job> jobs;
  std::map<std::string, Lease> leases;
  std::uint64_t digest = 0;
};

Snapshot snapshot_of(const State& state);

/// One record between two states. `after` is settled, and what the group finished is not yet archived.
struct Passage {
  const Snapshot& before;
  const State& after;
  const fb::Record& record;
  bool accepted;
  bool unchecked;
};

// One function per number of SPEC §14. Those over a Passage hold after every record; those over a State alone hold at
// the end of every group, when the machine has added what was due.

void check_versions(const Passage& passage, Findings& findings);            // 1
void check_terminal(const Passage& passage, Findings& findings);            // 2
void check_holders(const State& state, Findings& findings);                 // 3, end of group
void check_guarded_crossing(const Passage& passage, Findings& findings);    // 4
void check_jobs(const Passage& passage, Findings& findings);                // 5
void check_steps(const Passage& passage, Findings& findings);               // 6
void check_uniqueness(const State& state, Findings& findings);              // 7, after every record
void check_refusal(const Passage& passage, Findings& findings);             // 8
void check_committed_crossing(const Passage& passage, Findings& findings);  // 9
void check_nothing_lost(const State& state, Findings& findings);            // 10, end of group

/// Applies a group as it stands in a log, record by record, and checks all of them. After a finding the state is what
/// the rules made of it. Idempotency keys are not remembered: they decide nothing here.
/// Requires: as reapply() (engine/group.h).
[[nodiscard]] Findings check_group(State& state, std::span<const fb::Record* const> group);

}  // namespace pawl
