// Time as records bear it.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "schema/result.h"

namespace pawl {

/// Microseconds since 1970-01-01T00:00:00Z. Nothing in schema/ and engine/ asks a clock: now is always an argument.
struct TimeUs {
  std::int64_t us = 0;
  friend constexpr auto operator<=>(TimeUs, TimeUs) = default;
};

constexpr std::int64_t us_per_s = 1'000'000;

constexpr TimeUs plus_s(TimeUs time, std::int64_t seconds) {
  return {time.us + seconds * us_per_s};
}

/// Whole seconds from `since` to `now`, rounded down; 0 if `now` is earlier.
constexpr std::int64_t age_s(TimeUs since, TimeUs now) {
  return now.us > since.us ? (now.us - since.us) / us_per_s : 0;
}

/// "2026-06-15T10:00:00.000000Z"
std::string rfc3339(TimeUs time);
/// Reads RFC 3339 in UTC, with 0 to 6 decimals and a final Z; anything else is `malformed`.
Result<TimeUs> parse_rfc3339(std::string_view text);

}  // namespace pawl
