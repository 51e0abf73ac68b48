// What the daemon's process uses, under the names that Prometheus' own clients give it.
#pragma once

#include <cstdint>
#include <optional>

namespace pawl {

/// None: the system does not tell, as without /proc.
struct ProcessFigures {
  std::optional<std::int64_t> cpu_us;
  std::optional<std::int64_t> resident_bytes;
  std::optional<std::int64_t> virtual_bytes;
  std::optional<std::int64_t> open_fds;
  std::optional<std::int64_t> fds_max;
};

/// Reads a few files of /proc. Threads: any that may block.
ProcessFigures look_at_process();

}  // namespace pawl
