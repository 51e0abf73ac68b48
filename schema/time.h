// Time as it is recorded.
#pragma once

#include <compare>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

#include "schema/result.h"

namespace pawl {

/// Microseconds since 1970-01-01T00:00:00Z. Nothing in schema/ and engine/ reads a clock: `now` is always an argument.
struct TimeUs {
  std::int64_t us = 0;
  friend constexpr auto operator<=>(TimeUs, TimeUs) = default;
};

constexpr std::int64_t us_per_s = 1'000'000;

/// Saturates at both ends: a ttl of a million years, possible in an exported line or a script, means for ever.
constexpr TimeUs plus_s(TimeUs time, std::int64_t seconds) {
  std::int64_t us = 0;
  const bool fits = !__builtin_mul_overflow(seconds, us_per_s, &us) && !__builtin_add_overflow(time.us, us, &us);
  if (fits) return {us};
  return {seconds < 0 ? std::numeric_limits<std::int64_t>::min() : std::numeric_limits<std::int64_t>::max()};
}

/// Whole seconds from `since` to `now`, rounded down; 0 if `now` is earlier.
constexpr std::int64_t age_s(TimeUs since, TimeUs now) {
  if (now.us <= since.us) return 0;
  // Unsigned, because the difference between the two ends does not fit a signed type.
  const std::uint64_t age_us = static_cast<std::uint64_t>(now.us) - static_cast<std::uint64_t>(since.us);
  return static_cast<std::int64_t>(age_us / std::uint64_t{us_per_s});
}

/// "2026-06-15T10:00:00.000000Z"
std::string rfc3339(TimeUs time);
/// Reads RFC 3339 in UTC, with 0 to 6 decimals and a final Z; anything else is `malformed`.
Result<TimeUs> parse_rfc3339(std::string_view text);

}  // namespace pawl
