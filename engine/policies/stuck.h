// Which tasks do not move, why, and what would free them (SPEC §12). For people only: pure functions, which decide
// nothing.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/policies/world.h"
#include "engine/state/state.h"

namespace pawl {

/// The codes, as in HTTP; those about claims (`dependency`, `limit`, `serial_gate`) are the refusals of JobClaimed.
namespace stuck_reason {
inline constexpr std::string_view approval = "approval";  // a gate asks people
inline constexpr std::string_view blocked = "blocked";
inline constexpr std::string_view claim_expired = "claim_expired";  // its worker did not renew it
inline constexpr std::string_view critical_window =
    "critical_window";                                    // it will be cancelled once its crossing has ended
inline constexpr std::string_view fetching = "fetching";  // its worktree waits for a fetch in progress
inline constexpr std::string_view gate_red = "gate_red";
inline constexpr std::string_view lease = "lease";
inline constexpr std::string_view next_pass = "next_pass";            // of the reconciler, which will advance it
inline constexpr std::string_view no_command = "no_command";          // its step has to be done from outside
inline constexpr std::string_view origin_refused = "origin_refused";  // it denies access or does not exist
inline constexpr std::string_view origin_unreachable = "origin_unreachable";  // it is down or does not answer
inline constexpr std::string_view outcome_unknown = "outcome_unknown";
inline constexpr std::string_view owner_alive = "owner_alive";  // but past its time
inline constexpr std::string_view owner_dead = "owner_dead";
inline constexpr std::string_view owner_unseen = "owner_unseen";      // cannot be seen from this host
inline constexpr std::string_view previous_alive = "previous_alive";  // a process of an earlier attempt may be
inline constexpr std::string_view reconciler_off = "reconciler_off";
inline constexpr std::string_view running = "running";    // within its time
inline constexpr std::string_view stop_off = "stop_off";  // it will be cancelled, but nothing ends its running agent
inline constexpr std::string_view unclaimed = "unclaimed";
inline constexpr std::string_view variable_missing = "variable_missing";  // a variable that a command needs
// Not about one task, but about all.
inline constexpr std::string_view disk_full = "disk_full";
inline constexpr std::string_view switched_off = "switched_off";
}  // namespace stuck_reason

/// Why a repository's origin cannot be used.
struct OriginTrouble {
  bool is_refused = false;  // a person has to act; otherwise it is transient, and a retry may succeed
  TimeUs since;
  std::string words;  // git's last message

  std::string_view reason() const {
    return is_refused ? stuck_reason::origin_refused : stuck_reason::origin_unreachable;
  }
};

/// What is not in the log and has to come from the daemon. Each may be empty.
/// Why a task's command cannot start: the value of one of its variables is not available.
struct MissingVariable {
  Version version{};  // of the task at that time
  TimeUs since;
  std::string words;  // "TOKEN: /srv/token: No such file or directory"
};

struct StuckSources {
  /// Whether claims skip a job because a process of an earlier attempt is not known to be gone.
  std::function<bool(JobId)> is_skipped = {};
  /// Why a repository's origin cannot be used; none if it can.
  std::function<std::optional<OriginTrouble>(const std::string& repo)> origin_trouble = {};
  /// The variable that a task's command waits for; none if it waits for no variable.
  std::function<std::optional<MissingVariable>(TaskId)> missing_variable = {};
  /// Since when a fetch from origin has been in progress for a task; none if there is none.
  std::function<std::optional<TimeUs>(TaskId)> fetching_since = {};
};

/// What stood against a task at a version, the latest: a step that failed or, beyond doubt, did not happen, or a red
/// gate, with its last line. Empty if nothing did.
[[nodiscard]] std::string objection_to(const Task& task, Version version);
/// Why a task is blocked, beyond what the block says: the objection that led to it. `failed`: the job that failed, if
/// that is the reason. Empty if the block says it all, or nothing is known.
[[nodiscard]] std::string words_behind_block(const Task& task, const Job* failed);

/// Whether it needs attention.
enum class Standing {
  stands,  // it does not move and will not move by itself
  waits,   // its turn comes by itself: ordinary queueing, or work within its time
};

/// The record since which a task has been stuck, if no row has its time: the last one of this kind after `after`.
struct StandsSince {
  enum class Record { none, blocked, cancel_requested, restored, at };
  Record record = Record::none;
  Seq after{};  // the record is a later one; for `at`: this very one
  JobId job{};  // for `blocked`: the job whose end may have blocked the task
};

/// An attempt of a job. The last line of its output says more than the state knows.
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
  std::string frees;                   // the command to type; empty if only time helps
  std::optional<TimeUs> since;         // when the wait began
  StandsSince since_record;            // used if `since` is not known
  std::optional<StuckAttempt> failed;  // the attempt that failed
  std::optional<TimeUs> until;         // when it ends by itself
  std::optional<Owner> owner;          // the owner that it waits for
  std::optional<Boot> owner_boot;      // of the owner
  Standing standing = Standing::stands;
  /// The setting that is switched off and would free it; empty if there is none. It is reported once, not for every
  /// task.
  std::string_view held_by;
  std::string_view held_by_if_dead;    // the same, if the owner is dead
  bool only_if_owner_is_dead = false;  // not stuck while the owner is alive
};

/// Why a live task does not move; none if it is terminal. Whether its owner is alive is not yet checked: see
/// judge_owner().
[[nodiscard]] std::optional<Stuck> why_stuck(const State& state, const Task& task, TimeUs now,
                                             const StuckSources& sources);

/// Completes the answer with what the world reports about stuck.owner. Requires: stuck.owner.
[[nodiscard]] Stuck judge_owner(Stuck stuck, Liveness owner);

/// A setting that is switched off and that tasks wait for.
struct SwitchedOff {
  std::string_view key;
  std::string_view words;  // what is not done meanwhile
};

/// The settings that are off, in name order.
[[nodiscard]] std::vector<SwitchedOff> switches_off(const Settings& settings);

}  // namespace pawl
