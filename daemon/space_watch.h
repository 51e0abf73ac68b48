// How much room the log has.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>

#include "daemon/api/routes.h"

namespace pawl {

/// How much room the log has, asked of the system at most once a second. Threads: any.
class SpaceWatch {
 public:
  SpaceWatch(std::filesystem::path folder, std::uint64_t floor_bytes);
  Readiness look();

 private:
  const std::filesystem::path folder_;
  const std::uint64_t floor_bytes_;
  std::atomic<std::int64_t> next_look_ms_{0};
  std::atomic<std::uint64_t> free_bytes_{0};
};

}  // namespace pawl
