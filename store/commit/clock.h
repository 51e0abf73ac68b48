// The daemon's clock, which stamps records. It runs with CLOCK_BOOTTIME, across restarts under one kernel, and follows
// the wall clock by at most 500 µs per second, so a step of the wall clock neither reaps anything nor freezes a ttl.
// After a kernel restart the wall clock is trusted, but never goes back behind the log's last time (SPEC §5).
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "schema/result.h"
#include "schema/time.h"
#include "store/os/mutex.h"

namespace pawl {

/// One reading of the clock: the time for a record made now, and how long the machine has slept since the clock
/// started. All from the same moment.
struct LogTime {
  TimeUs time;
  std::int64_t asleep_us = 0;
  std::int64_t boottime_us = 0;  // CLOCK_BOOTTIME
  std::int64_t gap_us = 0;       // for a starting daemon: the time until now in which no daemon acted (Clock::gap_us)

  LogTime(TimeUs time_, std::int64_t asleep_us_ = 0)
      : time(time_), asleep_us(asleep_us_) {}  // NOLINT: for tests' clocks
};

/// A shorter gap is ignored: it ages open work only by that little.
constexpr std::int64_t shortest_gap_us = us_per_s;

/// What a start knows about the time before it.
struct TimeBefore {
  /// A moment in the log's time, and CLOCK_BOOTTIME at that moment: from the last daemon, if it ran under this same
  /// kernel and in this time namespace.
  struct Base {
    TimeUs time;
    std::int64_t boottime_us = 0;
  };
  std::optional<TimeUs> last_record = {};  // none: the log is new
  std::optional<TimeUs> last_sign = {};    // the last sign of a live daemon, in the log's time (store/data_dir.h)
  std::optional<Base> base = {};
  bool wall_is_right = false;  // the operator says so: --accept-clock
};

class Clock {
 public:
  /// All in µs. Only `wall` may go back; `monotonic` stops while the machine sleeps.
  struct Sources {
    std::function<std::int64_t()> wall;
    std::function<std::int64_t()> boottime;
    std::function<std::int64_t()> monotonic;
  };

  Clock(const TimeBefore& before, Sources sources);
  static Sources system_sources();

  /// The time never goes back. Threads: any.
  LogTime read();
  TimeUs now() { return read().time; }
  /// By how much the wall clock is ahead of the log's time; negative: behind. Threads: any.
  std::int64_t drift_us();

  /// For a starting daemon: the time until now in which no daemon acted, as counted by the log's time; 0 if it is less
  /// than shortest_gap_us or the log is new.
  std::int64_t gap_us();
  /// A moment of this clock, from which the next start can continue.
  TimeBefore::Base base();

 private:
  LogTime read_locked() PAWL_REQUIRES(mutex_);

  const Sources sources_;
  Mutex mutex_;
  // Of the last slew step; sleep counts in full.
  std::int64_t monotonic_us_ PAWL_GUARDED_BY(mutex_) = 0;
  std::int64_t offset_us_ PAWL_GUARDED_BY(mutex_) = 0;  // now = boottime + offset
  std::int64_t slept_before_us_ PAWL_GUARDED_BY(mutex_) = 0;
  std::optional<TimeUs> last_alive_;  // before the clock started
};

/// Checks that the wall clock is plausible when it has to be trusted: `malformed`, with both times, if it is more than
/// 400 days after the last sign of life in the log or, for a new log, before `earliest` or more than 20 years after it.
Result<void> check_wall_clock(const TimeBefore& before, const Clock::Sources& sources, TimeUs earliest);

}  // namespace pawl
