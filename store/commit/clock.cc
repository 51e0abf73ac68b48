#include "store/commit/clock.h"

#include <time.h>

#include <algorithm>
#include <utility>

namespace pawl {
namespace {

/// 500 ppm: a µs for each 2,000.
constexpr std::int64_t us_per_slewed_us = 2000;

std::int64_t read_us(clockid_t clock) {
  timespec time{};
  ::clock_gettime(clock, &time);
  return time.tv_sec * us_per_s + time.tv_nsec / 1000;
}

}  // namespace

Clock::Clock(TimeUs last_record, Sources sources) : sources_(std::move(sources)) {
  monotonic_us_ = sources_.monotonic();
  offset_us_ = std::max(sources_.wall(), last_record.us) - monotonic_us_;
}

Clock::Sources Clock::system_sources() {
  return {.wall = [] { return read_us(CLOCK_REALTIME); }, .monotonic = [] { return read_us(CLOCK_MONOTONIC); }};
}

TimeUs Clock::now() {
  const std::lock_guard lock(mutex_);
  const std::int64_t monotonic_us = sources_.monotonic();
  const std::int64_t slew_us_max = (monotonic_us - monotonic_us_) / us_per_slewed_us;
  if (slew_us_max > 0) {
    const std::int64_t behind_us = sources_.wall() - (monotonic_us + offset_us_);
    offset_us_ += std::clamp(behind_us, -slew_us_max, slew_us_max);
    monotonic_us_ += slew_us_max * us_per_slewed_us;  // what is left of the interval counts towards the next step
  }
  return {monotonic_us + offset_us_};
}

}  // namespace pawl
