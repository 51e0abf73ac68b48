// What the machine answers. One spelling everywhere: code, log, JSON, documents. docs/API.md has each one's exact
// condition, and whether a retry can help.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace pawl {

// X(name, number). The numbers are on disk: never changed, never used again.
#define PAWL_OUTCOMES(X)     \
  X(accepted, 0)             \
  X(skipped, 1)              \
  X(stale_boot, 2)           \
  X(unknown_task, 3)         \
  X(unknown_job, 4)          \
  X(unknown_boot, 5)         \
  X(reserved_name, 6)        \
  X(duplicate_boot_id, 7)    \
  X(bad_pipeline, 8)         \
  X(unknown_setting, 9)      \
  X(bad_value, 10)           \
  X(duplicate_work_item, 11) \
  X(relaunch, 12)            \
  X(unknown_pipeline, 13)    \
  X(unknown_stage, 14)       \
  X(terminal, 15)            \
  X(version_conflict, 16)    \
  X(no_such_edge, 17)        \
  X(committed, 18)           \
  X(outcome_unknown, 19)     \
  X(steps_unfinished, 20)    \
  X(blocked, 21)             \
  X(lease_required, 22)      \
  X(lease_held, 23)          \
  X(stale_token, 24)         \
  X(cancel_requested, 25)    \
  X(not_held, 26)            \
  X(no_agent, 27)            \
  X(already_queued, 28)      \
  X(not_queued, 29)          \
  X(superseded, 30)          \
  X(dependency, 31)          \
  X(serial_gate, 32)         \
  X(limit, 33)               \
  X(not_running, 34)         \
  X(stale_attempt, 35)       \
  X(no_such_step, 36)        \
  X(already_done, 37)        \
  X(not_started, 38)         \
  X(not_blocked, 39)

/// `accepted`; `skipped`, for an event of a group in which another was refused; or why it was refused.
enum class Outcome : std::uint16_t {
#define X(name, number) name = number,
  PAWL_OUTCOMES(X)
#undef X
};

constexpr std::string_view name(Outcome outcome) {
  switch (outcome) {
#define X(name, number) \
  case Outcome::name:   \
    return #name;
    PAWL_OUTCOMES(X)
#undef X
  }
  return "?";
}

/// The outcome of that name or number, if there is one: what is read back may be of a newer version.
constexpr std::optional<Outcome> outcome_named(std::string_view text) {
#define X(name, number) \
  if (text == #name) return Outcome::name;
  PAWL_OUTCOMES(X)
#undef X
  return std::nullopt;
}

constexpr std::optional<Outcome> outcome_numbered(std::uint16_t number) {
#define X(name, number_) \
  if (number == number_) return Outcome::name;
  PAWL_OUTCOMES(X)
#undef X
  return std::nullopt;
}

}  // namespace pawl
