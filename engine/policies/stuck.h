// What does not move, why, and what would free it (SPEC §12). For people, and pure: nothing is decided by it.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/state/state.h"

namespace pawl {

/// The codes, as they stand in HTTP; those of claims (`dependency`, `limit`, `serial_gate`) are the refusals of
/// JobClaimed.
namespace stuck_reason {
inline constexpr std::string_view blocked = "blocked";
inline constexpr std::string_view claim_expired = "claim_expired";      // its worker has not renewed it
inline constexpr std::string_view critical_window = "critical_window";  // to be cancelled, once its crossing has ended
inline constexpr std::string_view fetching = "fetching";                // its worktree waits for a fetch under way
inline constexpr std::string_view gate_red = "gate_red";
inline constexpr std::string_view lease = "lease";
inline constexpr std::string_view next_pass = "next_pass";                    // of the reconciler, which drives it on
inline constexpr std::string_view no_command = "no_command";                  // its step is for somebody outside
inline constexpr std::string_view origin_refused = "origin_refused";          // it says no, or is not there
inline constexpr std::string_view origin_unreachable = "origin_unreachable";  // it is away, or silent
inline constexpr std::string_view outcome_unknown = "outcome_unknown";
inline constexpr std::string_view owner_alive = "owner_alive";  // past its budget
inline constexpr std::string_view owner_dead = "owner_dead";
inline constexpr std::string_view owner_unseen = "owner_unseen";      // whether it lives cannot be seen from here
inline constexpr std::string_view previous_alive = "previous_alive";  // a process of an earlier attempt
inline constexpr std::string_view reconciler_off = "reconciler_off";
inline constexpr std::string_view running = "running";    // within its time
inline constexpr std::string_view stop_off = "stop_off";  // to be cancelled, and nobody ends what runs
inline constexpr std::string_view unclaimed = "unclaimed";
inline constexpr std::string_view variable_missing = "variable_missing";  // what a command is to be given
// Of no task, but of all.
inline constexpr std::string_view disk_full = "disk_full";
inline constexpr std::string_view switched_off = "switched_off";
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
  /// Since when origin is being fetched from for a task; none if it is not.
  std::function<std::optional<TimeUs>(TaskId)> fetching_since = {};
};

/// Whether somebody should look at it.
enum class Standing {
  stands,  // it does not move, though it needs more than its turn
  waits,   // its turn comes by itself: ordinary queueing, or what runs within its time
};

/// The record since which a task stands, where no row has its time: the last one of this kind after `after`.
struct StandsSince {
  enum class Record { none, blocked, cancel_requested, restored, at };
  Record record = Record::none;
  Seq after{};  // it is a later one; of `at`: it is this one
  JobId job{};  // of `blocked`: whose end may have blocked the task
};

/// An attempt of a job, whose last line says more than the state knows.
struct StuckAttempt {
  JobId job{};
  std::uint64_t attempt = 0;
};

struct Stuck {
  TaskId task{};
  std::string work_item;
  std::string repo;
  std::string stage;
  std::string reason;                  // the code
  std::string detail;                  // in words
  std::string frees;                   // what to type; empty if nothing helps but time
  std::optional<TimeUs> since;         // when it began to wait
  StandsSince since_record;            // where `since` is not known
  std::optional<StuckAttempt> failed;  // the attempt that did not end well
  std::optional<TimeUs> until;         // when it ends by itself
  std::optional<Owner> owner;          // who it waits for
  std::optional<Boot> owner_boot;      // of the owner
  Standing standing = Standing::stands;
  /// The setting that is switched off and would free it; empty: there is none. It is said once, and not for each.
  std::string_view held_by;
  std::string_view held_by_if_dead;    // the same, should the owner be dead
  bool only_if_owner_is_dead = false;  // all is well as long as the owner lives
};

/// Why a live task does not move; none if it is terminal. Whether the owner lives is still to be asked: see
/// judge_owner().
[[nodiscard]] std::optional<Stuck> why_stuck(const State& state, const Task& task, TimeUs now,
                                             const StuckSources& sources);

/// What the daemon sees of an owner.
enum class Sight { alive, dead, unseen };

/// The last word, with what the world says of stuck.owner. Requires: stuck.owner.
[[nodiscard]] Stuck judge_owner(Stuck stuck, Sight sight);

/// A setting that somebody switched off, and that tasks wait for.
struct SwitchedOff {
  std::string_view key;
  std::string_view words;  // what nobody does meanwhile
};

/// Those that are off, by their names.
[[nodiscard]] std::vector<SwitchedOff> switches_off(const Settings& settings);

}  // namespace pawl
