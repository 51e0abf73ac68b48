// What the machine answers. The rows are in schema/outcomes.def.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace pawl {

/// `accepted`; `skipped`, for an event whose group was refused because of another event; or the reason for the refusal.
enum class Outcome : std::uint16_t {
#define PAWL_OUTCOME(name, number, ...) name = number,
#include "schema/outcomes.def"
#undef PAWL_OUTCOME
};

/// Whether the same request, uncorrected, can be accepted later.
enum class Retry : std::uint8_t {
  no,
  later,  // by itself: the obstacle goes away
  act,    // once somebody removes the obstacle
};

/// What the sentence of an answer ends with, if known.
enum class Ending : std::uint8_t {
  nothing,
  task,    // the task's stage and version
  job,     // the job's status and attempt
  block,   // why the task is blocked
  holder,  // who holds the lease
  lease,   // nothing, but the answer shows the lease instead of the object asked about; so does `holder`
};

struct OutcomeRow {
  Outcome outcome;
  std::string_view name;
  int http_status;
  Retry retry;
  Ending ending;
  std::string_view sentence;  // for people
};

/// By number, without gaps.
inline constexpr auto outcome_rows = std::to_array<OutcomeRow>({
#define PAWL_OUTCOME(name, number, http_status, retry, ending, sentence) \
  {Outcome::name, #name, http_status, Retry::retry, Ending::ending, sentence},
#include "schema/outcomes.def"
#undef PAWL_OUTCOME
});

/// Requires: an outcome in the table, as outcome_named() and outcome_numbered() return.
constexpr const OutcomeRow& row_of(Outcome outcome) {
  return outcome_rows[static_cast<std::size_t>(outcome)];
}

constexpr std::string_view name(Outcome outcome) {
  return static_cast<std::size_t>(outcome) < outcome_rows.size() ? row_of(outcome).name : "?";
}

/// The outcome with that name or number, if any: a log may have been written by a newer version.
constexpr std::optional<Outcome> outcome_named(std::string_view text) {
  for (const OutcomeRow& row : outcome_rows) {
    if (row.name == text) return row.outcome;
  }
  return std::nullopt;
}

constexpr std::optional<Outcome> outcome_numbered(std::uint16_t number) {
  return number < outcome_rows.size() ? std::optional(outcome_rows[number].outcome) : std::nullopt;
}

static_assert(
    [] {
      for (std::size_t i = 0; i < outcome_rows.size(); ++i) {
        if (static_cast<std::size_t>(outcome_rows[i].outcome) != i) return false;
      }
      return true;
    }(),
    "rows are in the order of their numbers, without gaps");

}  // namespace pawl
