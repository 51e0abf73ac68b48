#include "store/commit/clock.h"

#include <time.h>

#include <algorithm>
#include <utility>

namespace pawl {
namespace {

/// 500 ppm: 1 µs in every 2,000.
constexpr std::int64_t us_per_slewed_us = 2000;
constexpr std::int64_t day_s = 24 * 60 * 60;
constexpr std::int64_t longest_rest_s = 400 * day_s;
constexpr std::int64_t longest_use_s = 20 * 365 * day_s;

std::int64_t read_us(clockid_t clock) {
  timespec time{};
  ::clock_gettime(clock, &time);
  return time.tv_sec * us_per_s + time.tv_nsec / 1000;
}

/// The last moment at which a daemon is known to have been alive, if `start` is this daemon's first. A sign from after
/// `start` is ignored.
TimeUs last_alive(const TimeBefore& before, TimeUs start) {
  const TimeUs last = before.last_record.value_or(start);
  return before.last_sign && *before.last_sign <= start ? std::max(last, *before.last_sign) : last;
}

/// Where the log's time continues under the last daemon's kernel.
TimeUs gone_on(const TimeBefore& before, std::int64_t boottime_us) {
  const std::int64_t passed_us = boottime_us - before.base->boottime_us;
  const TimeUs by_boottime{before.base->time.us + passed_us};
  const TimeUs most{by_boottime.us + passed_us / us_per_slewed_us};  // if it followed the wall clock all the time
  return before.last_sign && *before.last_sign <= most ? std::max(by_boottime, *before.last_sign) : by_boottime;
}

bool goes_on(const TimeBefore& before, std::int64_t boottime_us) {
  const bool is_same = before.base && before.base->boottime_us >= 0 && boottime_us >= before.base->boottime_us;
  return is_same && !before.wall_is_right;
}

}  // namespace

Clock::Clock(const TimeBefore& before, Sources sources) : sources_(std::move(sources)) {
  const std::int64_t boottime_us = sources_.boottime();
  monotonic_us_ = sources_.monotonic();
  slept_before_us_ = boottime_us - monotonic_us_;
  TimeUs start{sources_.wall()};
  if (goes_on(before, boottime_us)) start = gone_on(before, boottime_us);
  if (before.last_record) start = std::max(start, *before.last_record);
  offset_us_ = start.us - boottime_us;
  if (before.last_record) last_alive_ = last_alive(before, start);
}

Clock::Sources Clock::system_sources() {
  return {.wall = [] { return read_us(CLOCK_REALTIME); },
          .boottime = [] { return read_us(CLOCK_BOOTTIME); },
          .monotonic = [] { return read_us(CLOCK_MONOTONIC); }};
}

LogTime Clock::read() {
  const MutexLock lock(mutex_);
  return read_locked();
}

LogTime Clock::read_locked() {
  // In this order: if the machine sleeps between the two readings, neither includes the sleep yet; and a delayed thread
  // does not look like sleep.
  const std::int64_t boottime_us = sources_.boottime();
  const std::int64_t monotonic_us = sources_.monotonic();
  const std::int64_t slew_us_max = (monotonic_us - monotonic_us_) / us_per_slewed_us;
  if (slew_us_max > 0) {
    const std::int64_t behind_us = sources_.wall() - (boottime_us + offset_us_);
    offset_us_ += std::clamp(behind_us, -slew_us_max, slew_us_max);
    monotonic_us_ += slew_us_max * us_per_slewed_us;  // the rest of the interval counts towards the next step
  }
  LogTime now(TimeUs{boottime_us + offset_us_}, boottime_us - monotonic_us - slept_before_us_);
  now.boottime_us = boottime_us;
  if (last_alive_) now.gap_us = now.time.us - last_alive_->us;
  return now;
}

std::int64_t Clock::gap_us() {
  if (!last_alive_) return 0;
  const std::int64_t gap_us = now().us - last_alive_->us;
  return gap_us >= shortest_gap_us ? gap_us : 0;
}

std::int64_t Clock::drift_us() {
  const MutexLock lock(mutex_);
  return sources_.wall() - read_locked().time.us;
}

TimeBefore::Base Clock::base() {
  const MutexLock lock(mutex_);
  const std::int64_t boottime_us = sources_.boottime();
  return {.time = {boottime_us + offset_us_}, .boottime_us = boottime_us};
}

Result<void> check_wall_clock(const TimeBefore& before, const Clock::Sources& sources, TimeUs earliest) {
  if (before.wall_is_right || goes_on(before, sources.boottime())) return {};
  const TimeUs wall{sources.wall()};
  const std::string says = "the wall clock shows " + rfc3339(wall);
  const std::string remedy = ": set the clock or, if it is right, start once with --accept-clock";
  if (before.last_record) {
    const TimeUs last = last_alive(before, wall);
    if (wall <= plus_s(last, longest_rest_s)) return {};
    return Error{ErrorCode::malformed,
                 says + ", more than 400 days after the last sign of life in this log, " + rfc3339(last) + remedy};
  }
  if (wall >= earliest && wall <= plus_s(earliest, longest_use_s)) return {};
  return Error{ErrorCode::malformed, says + ", and this log would begin then: this program dates from " +
                                         rfc3339(earliest) + " and trusts a clock only from then until 20 years later" +
                                         remedy};
}

}  // namespace pawl
