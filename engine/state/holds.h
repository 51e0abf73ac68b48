// What is held: places where nothing new starts, by a person's word or by a planned freeze. Both are over by time
// alone, so every question has a time: that of the record being decided.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "engine/state/state.h"

namespace pawl {

/// A place that can be held: "pipeline:delivery", "repo:shop", "stage:review" (of any pipeline), "agent:developer" (its
/// jobs alone), "task:12".
struct HoldPlace {
  enum class Kind { pipeline, repo, stage, agent, task };
  Kind kind{};
  std::string name;  // of a task: its id
};
/// None: it has another form.
std::optional<HoldPlace> place_from(std::string_view text);
std::string place_of_pipeline(std::string_view name);

/// What keeps a task from going on.
struct HeldBy {
  std::string place;
  std::string reason;
  std::optional<TimeUs> until;
  Seq seq{};       // of the record that says so
  std::string by;  // who placed it; empty: a planned freeze
  bool is_freeze = false;
};

/// The reason from planned_until on: what the calendar says about that time is not known, so nothing starts.
constexpr std::string_view freeze_not_planned = "the daemon has not planned its calendar this far yet";

/// Whether the task's own time has not come: no work on it starts earlier.
[[nodiscard]] inline bool is_early(const Task& task, TimeUs now) {
  return task.not_before && now < *task.not_before;
}

/// What holds the task at that time, the one that lasts longest; none if nothing does, or if an operator let it
/// through. `agent`: of a job of it that would start; empty: none would.
[[nodiscard]] std::optional<HeldBy> held_by(const State& state, const Task& task, TimeUs now,
                                            std::string_view agent = {});
/// Whether the place is one that the task is at.
[[nodiscard]] bool is_place_of(const State& state, const Task& task, std::string_view place);
/// The next time after `now` at which something is no longer held, or the time of a task has come; none if time alone
/// frees nothing. No record says so: who waits looks again then.
[[nodiscard]] std::optional<TimeUs> next_hold_end(const State& state, TimeUs now);

/// "pipeline:delivery is held until 2026-12-24T08:00:00.000000Z: holidays"
std::string in_words(const HeldBy& held);
/// "its time has not come: not before 2026-12-24T08:00:00.000000Z". Requires: task.not_before.
std::string early_in_words(const Task& task);

}  // namespace pawl
