// The pieces of work whose costs are watched: what pawl does for a request, and for a record. One list, for the test
// that counts instructions and allocations (pawl_costs) and for the benchmarks that take the time (pawl_microbench).
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

namespace pawl::costs {

struct Work {
  std::string_view name;  // "apply"
  std::string_view what;  // one line for people
  std::string_view unit;  // what one call counts as: "record", "W"
  /// Prepares everything, and returns a function that does the work for some units and returns how many. It may be
  /// called again and again, and always does the same.
  std::function<std::function<std::uint64_t()>()> prepare;
  /// How many calls pawl_costs makes: enough that single costs, such as a table that grows, do not show.
  unsigned calls = 100;
};

const std::vector<Work>& all_work();

}  // namespace pawl::costs
