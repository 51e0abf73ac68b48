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

/// In the order of their numbers. A number without a row was never given out.
inline constexpr auto outcome_rows = std::to_array<OutcomeRow>({
#define PAWL_OUTCOME(name, number, http_status, retry, ending, sentence) \
  {Outcome::name, #name, http_status, Retry::retry, Ending::ending, sentence},
#include "schema/outcomes.def"
#undef PAWL_OUTCOME
});

/// One more than the highest number.
inline constexpr std::size_t outcome_numbers = static_cast<std::size_t>(outcome_rows.back().outcome) + 1;

namespace detail {

/// Where the row of a number is in outcome_rows; behind the last if there is none.
inline constexpr auto outcome_row_of_number = [] {
  std::array<std::uint16_t, outcome_numbers> rows{};
  rows.fill(static_cast<std::uint16_t>(outcome_rows.size()));
  for (std::size_t i = 0; i < outcome_rows.size(); ++i) {
    rows[static_cast<std::size_t>(outcome_rows[i].outcome)] = static_cast<std::uint16_t>(i);
  }
  return rows;
}();

}  // namespace detail

/// The outcome with that number, if any: a log may have been written by a newer version.
constexpr std::optional<Outcome> outcome_numbered(std::size_t number) {
  if (number >= outcome_numbers) return std::nullopt;
  const std::size_t row = detail::outcome_row_of_number[number];
  return row < outcome_rows.size() ? std::optional(outcome_rows[row].outcome) : std::nullopt;
}

/// Requires: an outcome in the table, as outcome_named() and outcome_numbered() return.
constexpr const OutcomeRow& row_of(Outcome outcome) {
  return outcome_rows[detail::outcome_row_of_number[static_cast<std::size_t>(outcome)]];
}

constexpr std::string_view name(Outcome outcome) {
  return outcome_numbered(static_cast<std::size_t>(outcome)) ? row_of(outcome).name : "?";
}

/// The outcome with that name, if any.
constexpr std::optional<Outcome> outcome_named(std::string_view text) {
  for (const OutcomeRow& row : outcome_rows) {
    if (row.name == text) return row.outcome;
  }
  return std::nullopt;
}

static_assert(
    [] {
      for (std::size_t i = 1; i < outcome_rows.size(); ++i) {
        if (outcome_rows[i].outcome <= outcome_rows[i - 1].outcome) return false;
      }
      return true;
    }(),
    "rows are in the order of their numbers");

}  // namespace pawl
