// What the options of `pawl bench` ask for.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "schema/result.h"
#include "tools/bench/lane.h"
#include "tools/commands/command.h"

namespace pawl::bench {

struct BenchWish {
  std::optional<std::string> fresh;  // the folder of a log in this process; none: a daemon
  std::vector<ActorLoop> loops;
  bool loops_given = false;
  std::vector<std::size_t> actors = {1, 16, 64, 256};
  std::int64_t for_ns = 3'000'000'000;
  std::uint64_t count = 0;
  std::int64_t think_ns = 0;
  std::uint64_t rounds = 3;
  std::uint64_t depth = 1;  // actors to a connection
  bool batches = false;     // their requests go together
  Waiting waiting = Waiting::callbacks;
  bool keys = false;
};

/// `malformed` names the option and what is wrong.
Result<BenchWish> asked_in(const Arguments& arguments);

/// "50ms", "1.5s", "200us" in nanoseconds. `malformed` begins with `what`.
Result<std::int64_t> duration_ns(std::string_view text, std::string_view what);

}  // namespace pawl::bench
