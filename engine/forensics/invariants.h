// The invariants of SPEC §14, which hold after every record. Tests check them after each of their records, and `pawl
// check` for every prefix of a log. Nothing here is needed to decide: it restates, independently, what the rules are
// built to preserve.
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

/// Something wrong in a log or, for records decided with ownership off, something that a reader of the log should know.
struct Finding {
  enum class Kind {
    violation,       // of an invariant of SPEC §14
    divergence,      // the record differs from what the rules compute
    unchecked,       // decided with ownership off
    double_effect,   // a step was started twice for one crossing, and the first start may have had its effect
    contradiction,   // one path rolled the task back and another delivered it
    reaped_alive,    // a job was reaped from an owner that acted on it afterwards
    double_entry,    // a second actor entered a crossing that the first had not left
    overdue,         // a job or a lease outlived its limit, and what would end it is switched off
    time_backwards,  // the record's time is before the previous record's
    gap,             // records are missing before this one
    rewritten,       // a witness of the log saw a different record here
    cut_off,         // a witness of the log saw records after this, the last one
    taken_on_word,   // a step was begun again, since a probe or a person said that it had not happened
    incident,        // something other than a task's own agent, gate or step made it end badly
  };
  Kind kind = Kind::violation;
  Seq seq{};                          // of the record that caused it, or after which it was found
  int invariant = 0;                  // its number in SPEC §14; 0: none
  std::string what;                   // "task 3: version 2 became 4"
  TaskId task{0};                     // the task concerned; 0: none
  std::vector<Seq> led_by = {};       // earlier records that led to it, in order; empty: unknown
  std::vector<Seq> followed_by = {};  // later records that show it
  /// By which values its records were decided: "300: 2 interruptions > 1 (recovery.max_interruptions, set by 269)".
  std::vector<std::string> decided = {};
};

std::string_view name(Finding::Kind kind);

using Findings = std::vector<Finding>;

/// What the invariants compare a state with: the rows before a record. The State is not copied.
struct Snapshot {
  Table<TaskId, Task>::Rows tasks;
  Table<JobId, Job>::Rows jobs;
  Table<std::string, Lease>::Rows leases;
  std::uint64_t digest = 0;

  /// Whether all rows are here. If not, only those that the record touched are; the others have not changed.
  bool whole = true;
  std::set<TaskId> new_tasks = {};  // touched, and new
  std::set<JobId> new_jobs = {};
  std::set<std::string> new_leases = {};
};

Snapshot snapshot_of(const State& state);
/// The rows that the last applied record touched. Call before state.settle().
Snapshot touched_rows(const State& state, std::uint64_t digest_before);

/// One record and the states before and after it. `after` is settled; tasks that the group finished are not yet
/// archived.
struct Transition {
  const Snapshot& before;
  const State& after;
  const fb::Record& record;
  bool accepted;
  bool unchecked;
};

// One function per invariant of SPEC §14. Those that take a Transition hold after every record; those that take only a
// State hold at the end of every group, after the machine has added its own events.

void check_versions(const Transition& change, Findings& findings);            // 1
void check_terminal(const Transition& change, Findings& findings);            // 2
void check_holders(const State& state, Findings& findings);                   // 3, end of group
void check_guarded_crossing(const Transition& change, Findings& findings);    // 4
void check_jobs(const Transition& change, Findings& findings);                // 5
void check_steps(const Transition& change, Findings& findings);               // 6
void check_uniqueness(const State& state, Findings& findings);                // 7, after every record
void check_refusal(const Transition& change, Findings& findings);             // 8
void check_committed_crossing(const Transition& change, Findings& findings);  // 9
void check_dependents(const Transition& change, Findings& findings);          // 11
void check_gap(const Transition& change, Findings& findings);                 // 12
void check_holds(const Transition& change, Findings& findings);               // 14
void check_approvals(const Transition& change, Findings& findings);           // 15
void check_nothing_lost(const State& state, Findings& findings);              // 10, end of group
/// Invariant 13. `last` is the previous record's seq.
void check_restore(const Transition& change, Seq last, Findings& findings);

// Invariants 7 and 10 again, limited to what one record or one group changed.
void check_uniqueness_of_new(const Transition& change, Findings& findings);
void check_not_lost(const State& state, const Task& task, Findings& findings);

struct CheckedGroup {
  Findings findings;
  Reapplied reapplied;
};

/// Applies a group from a log, record by record, and checks all invariants. After a finding, the state is what the
/// rules computed. Idempotency keys are not remembered: they do not matter here. The work is proportional to what the
/// group changes, except for work items (7) when a task is new. Requires: the same as reapply() (engine/rules/group.h).
[[nodiscard]] CheckedGroup check_group(State& state, std::span<const fb::Record* const> group);

}  // namespace pawl
