// What a log is, rather than what happened in it: how long, how old, how large, who wrote it, and how fast it grows.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "schema/ids.h"
#include "schema/result.h"
#include "schema/time.h"
#include "store/journal.h"

namespace pawl {

struct LogFacts {
  struct Place {
    Seq seq{};
    TimeUs time;
  };
  /// A start of a daemon.
  struct Start {
    Place at;
    std::string version;
    std::string host;
    bool is_after_a_crash = false;  // the daemon before it did not say that it ends
  };
  struct Restore {
    Place at;
    Seq from{};  // the last record of the backup
  };
  /// What was written on one day, UTC.
  struct Day {
    std::uint64_t records = 0;
    std::uint64_t bytes = 0;  // of the records themselves
  };

  std::uint64_t records = 0;
  std::uint64_t refused = 0;
  std::uint64_t bytes = 0;
  std::optional<Place> first;
  std::optional<Place> last;
  std::map<std::uint32_t, Place> rules;  // by version: the first record that it decided
  std::vector<Start> starts;             // oldest first
  std::vector<Restore> restores;
  std::map<std::int64_t, Day> days;  // by the number of days since 1970; those without a record are not in it
};

/// How fast a log grew at its end.
struct LogGrowth {
  std::int64_t over_s = 0;  // the time that was looked at: up to the last 7 days
  std::uint64_t records_per_day = 0;
  std::uint64_t bytes_per_day = 0;
};

/// Reads the journal to its end. After an error, with which reading ended, `facts` has what came before.
Result<void> read_facts(Journal& journal, LogFacts& facts);

/// None if the log is younger than an hour: that says nothing about a day.
std::optional<LogGrowth> growth_of(const LogFacts& facts);

}  // namespace pawl
