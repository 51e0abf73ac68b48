// The daemon's clock: what records are stamped with. It begins at the later of the wall clock and the last record's
// time, runs with CLOCK_MONOTONIC, and follows the wall clock by at most 500 µs a second: so a step of the wall clock
// neither reaps everything nor freezes every ttl.
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>

#include "schema/time.h"

namespace pawl {

class Clock {
 public:
  /// Both in µs. `monotonic` never goes back.
  struct Sources {
    std::function<std::int64_t()> wall;
    std::function<std::int64_t()> monotonic;
  };

  Clock(TimeUs last_record, Sources sources);
  static Sources system_sources();

  /// Never earlier than what it said before. Threads: any.
  TimeUs now();

 private:
  const Sources sources_;
  std::mutex mutex_;
  std::int64_t monotonic_us_ = 0;  // of the last step of the slew
  std::int64_t offset_us_ = 0;     // now = monotonic + offset
};

}  // namespace pawl
