// Whose turn it is: the priorities of tasks, and the times before which they do not start (SPEC §4).
#include "engine/rules/rules.h"
#include "schema/limits.h"

namespace pawl {

Outcome priority_outcome(RuleContext& context, flatbuffers::Optional<std::int64_t> priority) {
  if (!priority || (*priority >= -limits::priority_max && *priority <= limits::priority_max)) return Outcome::accepted;
  context.applied.detail = std::to_string(*priority) + " is not a priority: those are from -" +
                           std::to_string(limits::priority_max) + " to " + std::to_string(limits::priority_max);
  return Outcome::bad_priority;
}

void set_turn(RuleContext& context, Task& task, flatbuffers::Optional<std::int64_t> priority,
              flatbuffers::Optional<std::int64_t> not_before) {
  if (priority) task.priority = *priority == 0 ? std::nullopt : std::optional(*priority);
  if (not_before) {
    task.not_before = *not_before > context.now.us ? std::optional(TimeUs{*not_before}) : std::nullopt;
  }
}

Outcome apply_event(RuleContext& context, const fb::TaskPrioritized& event) {
  const Task* task = live_task(context.state, TaskId{event.task()});
  if (!task) return Outcome::terminal;
  const Outcome priority = priority_outcome(context, event.priority());
  if (priority != Outcome::accepted) return priority;
  if (event.not_before() && event.clear_not_before()) {
    context.applied.detail = "a time was given, and that there is none";
    return Outcome::bad_time;
  }

  Task& changed = context.state.tasks.edit(task->id);
  set_turn(context, changed, event.priority(), event.not_before());
  if (event.clear_not_before()) changed.not_before.reset();
  return Outcome::accepted;
}

}  // namespace pawl
