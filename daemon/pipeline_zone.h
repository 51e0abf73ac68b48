// Time zones, from the machine's time zone database. The only place that knows the library.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "schema/result.h"
#include "schema/time.h"

namespace pawl {

/// The rules of a zone, for all time. A process reads each zone once: a newer database counts after a restart.
class Zone {
 public:
  /// `malformed`: the database has no zone of that name, with the nearest one; or this machine has no database. UTC is
  /// known everywhere.
  static Result<Zone> named(const std::string& name);

  /// The instants of a local time, in minutes since 1970-01-01 00:00. Where clocks are set forward over it, it is the
  /// instant at which they are set; where they are set back, it comes twice.
  struct Instants {
    TimeUs early;
    TimeUs late;
    bool is_skipped = false;
    bool is_twice() const { return early != late; }
  };
  Instants at(std::int64_t local_minute) const;
  /// The local time at an instant, rounded down to a minute.
  std::int64_t local_minute(TimeUs time) const;
  /// "Mon 2026-12-07 08:00".
  std::string in_words(TimeUs time) const;

 private:
  struct Rules;
  explicit Zone(std::shared_ptr<const Rules> rules) : rules_(std::move(rules)) {}
  std::shared_ptr<const Rules> rules_;
};

}  // namespace pawl
