// The daemon's clock: what records are stamped with. It runs with CLOCK_BOOTTIME, across restarts under one kernel, and
// follows the wall clock by at most 500 µs a second: so no step of the wall clock reaps anybody or freezes a ttl. Under
// another kernel the wall clock is believed, as far as the log has not been there already. SPEC §5.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "schema/result.h"
#include "schema/time.h"
#include "store/os/mutex.h"

namespace pawl {

/// What the clock says: the time that a record made now would bear, and how much of the time since the clock began the
/// machine has slept. All of the same moment.
struct LogTime {
  TimeUs time;
  std::int64_t asleep_us = 0;
  std::int64_t boottime_us = 0;  // CLOCK_BOOTTIME
  std::int64_t gap_us = 0;       // time until then in which no daemon has acted, for who begins to (Clock::gap_us)

  LogTime(TimeUs time_, std::int64_t asleep_us_ = 0)
      : time(time_), asleep_us(asleep_us_) {}  // NOLINT: a clock of tests
};

/// A gap shorter than that is none: it ages what is open by as little.
constexpr std::int64_t shortest_gap_us = us_per_s;

/// What a start knows of the time before it.
struct TimeBefore {
  /// A moment of the log's time, and CLOCK_BOOTTIME then: of the last daemon, if it ran under this very kernel and in
  /// this time namespace.
  struct Base {
    TimeUs time;
    std::int64_t boottime_us = 0;
  };
  std::optional<TimeUs> last_record = {};  // none: the log is new
  std::optional<TimeUs> last_sign = {};    // of a daemon that lived, by the log's time (store/data_dir.h)
  std::optional<Base> base = {};
  bool wall_is_right = false;  // somebody says so: --accept-clock
};

class Clock {
 public:
  /// All in µs. Only `wall` may go back; `monotonic` stands still while the machine sleeps.
  struct Sources {
    std::function<std::int64_t()> wall;
    std::function<std::int64_t()> boottime;
    std::function<std::int64_t()> monotonic;
  };

  Clock(const TimeBefore& before, Sources sources);
  static Sources system_sources();

  /// Its time is never earlier than what it said before. Threads: any.
  LogTime read();
  TimeUs now() { return read().time; }
  /// By how much the wall clock is ahead of the log's time; negative: behind. Threads: any.
  std::int64_t drift_us();

  /// The time until now in which no daemon has acted, as far as the log's time counts it; 0: less than
  /// shortest_gap_us, or the log is new. For who begins to.
  std::int64_t gap_us();
  /// A moment of it, by which the next start goes on.
  TimeBefore::Base base();

 private:
  LogTime read_locked() PAWL_REQUIRES(mutex_);

  const Sources sources_;
  Mutex mutex_;
  std::int64_t monotonic_us_ PAWL_GUARDED_BY(mutex_) =
      0;  // of the last step of the slew: what was slept is counted as it was
  std::int64_t offset_us_ PAWL_GUARDED_BY(mutex_) = 0;  // now = boottime + offset
  std::int64_t slept_before_us_ PAWL_GUARDED_BY(mutex_) = 0;
  std::optional<TimeUs> last_alive_;  // before the clock began
};

/// Whether the wall clock can be believed where it has to be: `malformed`, with both times, if it is more than 400 days
/// after the last sign of life in a log, or for a new log before `earliest` or 20 years after it.
Result<void> check_wall_clock(const TimeBefore& before, const Clock::Sources& sources, TimeUs earliest);

}  // namespace pawl
