// SPEC §14, invariant 16: tasks that are not to be started before their time.
#include "engine/forensics/invariants.h"
#include "engine/state/holds.h"

namespace pawl {

void check_turns(const Transition& change, Findings& findings) {
  if (!change.accepted) return;
  const TaskId begun = begun_task(change);
  const auto was = change.before.tasks.find(begun);
  const Task* task = was == change.before.tasks.end() ? change.after.tasks.find(begun) : &was->second;
  if (!task || is_committed(*task) || open_step(*task)) return;
  if (!is_early(*task, TimeUs{change.record.stamp()->time_us()})) return;
  findings.push_back(
      {.kind = Finding::Kind::violation,
       .seq = {},
       .invariant = 16,
       .what = "task " + std::to_string(raw(begun)) + ": work on it starts, though " + early_in_words(*task),
       .task = begun});
}

}  // namespace pawl
