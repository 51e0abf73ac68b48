// What a benchmark measured: latencies, counts and rates.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tools/bench/loop.h"

namespace pawl::bench {

/// Durations in nanoseconds, counted in buckets that are at most 1/64 wide of their value. Adding never allocates.
class Latencies {
 public:
  Latencies();

  void add(std::int64_t ns);
  void add(const Latencies& other);
  std::uint64_t count() const { return count_; }
  /// The duration that `share` (0 to 1) of all did not exceed: the upper end of its bucket. 0 if there are none.
  std::int64_t quantile_ns(double share) const;

 private:
  static std::size_t bucket_of(std::uint64_t ns);
  static std::uint64_t upper_end_of(std::size_t bucket);

  std::vector<std::uint64_t> counts_;
  std::uint64_t count_ = 0;
};

struct VerbFigures {
  Latencies done;
  std::uint64_t lost = 0;
  std::uint64_t empty = 0;
};

/// One loop, one number of actors, one round.
struct Figures {
  std::array<VerbFigures, verbs> of_verb{};
  std::map<std::string, std::uint64_t> errors = {};  // by code
  std::uint64_t rounds = 0;                          // of the loop: W for `guarded`
  std::int64_t wall_ns = 0;
  std::uint64_t all_rounds = 0;  // those of the warm-up too
  /// CPU time of the serving process for all rounds; none if it cannot be seen from here.
  std::optional<std::int64_t> server_cpu_ns = std::nullopt;
};

/// All rounds of one loop with one number of actors.
struct Measured {
  ActorLoop loop{};
  std::size_t actors = 0;
  std::vector<Figures> rounds = {};
};

/// How the figures came about.
struct Setting {
  std::string target;  // "DIR/pawl.sock", "a log in DIR"
  std::string client;  // "1 request an op, pipelining 4", "blocking threads"
  std::int64_t for_ms = 0;
  std::uint64_t count = 0;
  std::int64_t think_us = 0;
};

/// A table for people, and notes below it.
std::string table_of(const Setting& setting, const std::vector<Measured>& all);
/// One JSON object, ended by a newline.
std::string json_of(const Setting& setting, const std::vector<Measured>& all);

}  // namespace pawl::bench
