#include "daemon/drift_watch.h"

#include <cstdlib>

#include "schema/time.h"

namespace pawl {
namespace {

constexpr std::int64_t far_s = 60;
/// Below this the clocks agree again: hysteresis, so that clocks about a minute apart do not cause a stream of
/// messages.
constexpr std::int64_t near_s = 30;

}  // namespace

std::optional<std::int64_t> drift_to_tell(std::int64_t drift_us) {
  const std::int64_t drift_s = drift_us / us_per_s;
  return std::abs(drift_us) > far_s * us_per_s ? std::optional(drift_s) : std::nullopt;
}

void DriftWatch::look(std::int64_t drift_us) {
  const std::int64_t apart_us = std::abs(drift_us);
  if (!is_told_ && apart_us > far_s * us_per_s) {
    is_told_ = true;
    warn_("the wall clock is " + std::to_string(apart_us / us_per_s) + " s " + (drift_us > 0 ? "ahead of" : "behind") +
          " the log's time, which approaches it by 0.5 ms a second, so the drift costs no job or lease. If the wall "
          "clock is right and ahead, restart with --accept-clock to follow it at once");
  } else if (is_told_ && apart_us <= near_s * us_per_s) {
    is_told_ = false;
    warn_("the wall clock and the log's time agree again");
  }
}

}  // namespace pawl
