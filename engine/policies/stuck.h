// What does not move, why, and what would free it (SPEC §12). For people, and pure: nothing is decided by it.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "engine/state/state.h"

namespace pawl {

/// The codes, as they stand in HTTP; those of claims (`dependency`, `limit`, `serial_gate`) are the refusals of
/// JobClaimed.
namespace stuck_reason {
inline constexpr std::string_view blocked = "blocked";
inline constexpr std::string_view critical_window = "critical_window";  // to be cancelled, once its crossing has ended
inline constexpr std::string_view gate_red = "gate_red";
inline constexpr std::string_view lease = "lease";
inline constexpr std::string_view origin_refused = "origin_refused";          // it says no, or is not there
inline constexpr std::string_view origin_unreachable = "origin_unreachable";  // it is away, or silent
inline constexpr std::string_view outcome_unknown = "outcome_unknown";
inline constexpr std::string_view owner_alive = "owner_alive";  // past its budget
inline constexpr std::string_view owner_dead = "owner_dead";
inline constexpr std::string_view previous_alive = "previous_alive";  // a process of an earlier attempt
inline constexpr std::string_view reconciler_off = "reconciler_off";
inline constexpr std::string_view unclaimed = "unclaimed";
inline constexpr std::string_view variable_missing = "variable_missing";  // what a command is to be given
}  // namespace stuck_reason

/// Why a repository's origin cannot be asked.
struct OriginTrouble {
  bool is_refused = false;  // somebody has to do something; else it is weather, and another try may do
  TimeUs since;
  std::string words;  // git's last ones

  std::string_view reason() const {
    return is_refused ? stuck_reason::origin_refused : stuck_reason::origin_unreachable;
  }
};

/// What a look has to ask the daemon for, since no record says it. Each may be empty.
/// Why a command of a task cannot begin: what one of its variables is to hold cannot be had.
struct MissingVariable {
  Version version{};  // of the task, then
  TimeUs since;
  std::string words;  // "TOKEN: /srv/token: No such file or directory"
};

struct StuckSources {
  /// Whether claims pass over a job, since a process of an earlier attempt is not known to be gone.
  std::function<bool(JobId)> is_passed_over = {};
  /// Why a repository's origin cannot be asked; none if it can.
  std::function<std::optional<OriginTrouble>(const std::string& repo)> origin_trouble = {};
  /// What a command of a task waits for; none if it waits for no variable.
  std::function<std::optional<MissingVariable>(TaskId)> missing_variable = {};
};

struct Stuck {
  TaskId task{};
  std::string work_item;
  std::string repo;
  std::string stage;
  std::string reason;                  // the code
  std::string detail;                  // in words
  std::string frees;                   // the command that would free it; empty if none does, but time
  std::optional<TimeUs> since;         // when it began to wait
  std::optional<Owner> owner;          // who it waits for
  std::optional<Boot> owner_boot;      // of the owner
  bool only_if_owner_is_dead = false;  // all is well as long as the owner lives
};

/// Why a live task does not move; none if it does, or if the next pass of the reconciler is all that it needs.
/// Whether the owner lives is still to be asked: see judge_owner().
[[nodiscard]] std::optional<Stuck> why_stuck(const State& state, const Task& task, TimeUs now,
                                             const StuckSources& sources);

/// The last word, with what the world says of stuck.owner; none: all is well. Requires: stuck.owner.
[[nodiscard]] std::optional<Stuck> judge_owner(Stuck stuck, bool is_alive);

}  // namespace pawl
