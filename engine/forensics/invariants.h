// SPEC §14: what is true after every record. For tests, which ask after each of theirs, and for `pawl check`, which
// asks it of every prefix of a log. Nothing here is needed to decide: it states a second time, from the outside, what
// the rules are built to keep.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/rules/group.h"
#include "engine/state/state.h"

namespace pawl {

/// Something in a log that is not as it should be, or, for records that were decided with ownership switched off,
/// that a reader of the log wants to know.
struct Finding {
  enum class Kind {
    violation,       // of an invariant of SPEC §14
    divergence,      // the record does not say what the rules say
    unchecked,       // it was decided with ownership switched off
    double_effect,   // a step was started twice for one crossing, and the first start may have had its effect
    contradiction,   // the task went two ways at once: rolled back by one path, and delivered by another
    reaped_alive,    // a job was reaped from an owner that acted on it later
    double_entry,    // a second actor entered a crossing that the first had not left
    overdue,         // a job or a lease outlives its bound, and what would end it is switched off
    time_backwards,  // the record is older than the one before it
    gap,             // records are missing before this one
    rewritten,       // a witness of the log saw another record here
    cut_off,         // a witness of the log saw records behind this one, the last
  };
  Kind kind = Kind::violation;
  Seq seq{};                          // of the record that did it, or after which it was found
  int invariant = 0;                  // its number in SPEC §14; 0: none
  std::string what;                   // "task 3: version 2 became 4"
  TaskId task{0};                     // that it is about; 0: none
  std::vector<Seq> led_by = {};       // earlier records that led to it, in order; empty: not known here
  std::vector<Seq> followed_by = {};  // later ones that show it
};

std::string_view name(Finding::Kind kind);

using Findings = std::vector<Finding>;

/// What the invariants compare a state with: rows as they were before a record. A State is not copied.
struct Snapshot {
  std::map<TaskId, Task> tasks;
  std::map<JobId, Job> jobs;
  std::map<std::string, Lease> leases;
  std::uint64_t digest = 0;

  /// Whether all rows are here. If not, those that the record touched are: the others are as they were.
  bool whole = true;
  std::set<TaskId> new_tasks = {};  // touched, and not there before
  std::set<JobId> new_jobs = {};
  std::set<std::string> new_leases = {};
};

Snapshot snapshot_of(const State& state);
/// What the record that was just applied has touched. Before state.settle().
Snapshot touched_rows(const State& state, std::uint64_t digest_before);

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
void check_dependents(const Passage& passage, Findings& findings);          // 11
void check_gap(const Passage& passage, Findings& findings);                 // 12
void check_nothing_lost(const State& state, Findings& findings);            // 10, end of group
/// 13. `last`: the record before.
void check_restore(const Passage& passage, Seq last, Findings& findings);

// The same of 7 and 10, of what one record or one group changed.
void check_uniqueness_of_new(const Passage& passage, Findings& findings);
void check_not_lost(const State& state, const Task& task, Findings& findings);

struct CheckedGroup {
  Findings findings;
  Reapplied reapplied;
};

/// Applies a group as it stands in a log, record by record, and checks all of them. After a finding the state is what
/// the rules made of it. Idempotency keys are not remembered: they decide nothing here. The work is in proportion to
/// what the group changes, but for work items (7), where a task is new.
/// Requires: as reapply() (engine/rules/group.h).
[[nodiscard]] CheckedGroup check_group(State& state, std::span<const fb::Record* const> group);

}  // namespace pawl
