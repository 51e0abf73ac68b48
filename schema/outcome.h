// What the machine answers. The rows are in schema/outcomes.def.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace pawl {

/// `accepted`; `skipped`, for an event of a group in which another was refused; or why it was refused.
enum class Outcome : std::uint16_t {
#define PAWL_OUTCOME(name, number, ...) name = number,
#include "schema/outcomes.def"
#undef PAWL_OUTCOME
};

/// Whether the same request can be accepted later without anybody correcting it.
enum class Retry : std::uint8_t {
  no,
  later,  // by itself: what stands in the way ends
  act,    // once somebody has acted on what stands in the way
};

/// What an answer in words ends with, where it is known.
enum class Ending : std::uint8_t {
  nothing,
  task,    // where the task stands
  job,     // how the job stands
  block,   // why the task is blocked
  holder,  // who holds the lease
  lease,   // nothing, but the answer shows the lease rather than the object that was asked about; so does `holder`
};

struct OutcomeRow {
  Outcome outcome;
  std::string_view name;
  int http_status;
  Retry retry;
  Ending ending;
  std::string_view sentence;  // for people
};

/// By number, without a gap.
inline constexpr auto outcome_rows = std::to_array<OutcomeRow>({
#define PAWL_OUTCOME(name, number, http_status, retry, ending, sentence) \
  {Outcome::name, #name, http_status, Retry::retry, Ending::ending, sentence},
#include "schema/outcomes.def"
#undef PAWL_OUTCOME
});

/// Requires: an outcome of the table, which each is that was read by outcome_named() or outcome_numbered().
constexpr const OutcomeRow& row_of(Outcome outcome) {
  return outcome_rows[static_cast<std::size_t>(outcome)];
}

constexpr std::string_view name(Outcome outcome) {
  return static_cast<std::size_t>(outcome) < outcome_rows.size() ? row_of(outcome).name : "?";
}

/// The outcome of that name or number, if there is one: what is read back may be of a newer version.
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
    "rows stand by their numbers, and no number is left out");

}  // namespace pawl
