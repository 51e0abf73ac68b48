// What a daemon does before it serves: it registers its boot, by which recovery runs, and sees to it that the
// pipelines it was given are in force.
#pragma once

#include <atomic>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "daemon/api/routes.h"
#include "engine/policies/machine.h"
#include "engine/state/pipeline.h"
#include "schema/result.h"

namespace pawl {

/// "0.1.0", or "0.1.0+torn.813" if records from 813 on were torn off the log's tail.
std::string boot_version(std::optional<Seq> torn_at);

/// Proposes BootStarted of this process, under the very boot that it registers. Recovery of what earlier boots left
/// follows in its group.
Result<void> start_boot(Machine& machine, const std::string& boot_id, const std::string& version);

/// Defines `delivery` where the log has no pipeline of that name, and each of `given` that is not in force as it is.
/// `malformed` if the machine refuses one: says why.
Result<void> define_pipelines(Machine& machine, const std::vector<Pipeline>& in_force,
                              const std::vector<Pipeline>& given, const Asker& asker);

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

/// Raises this process's soft limit of open descriptors to `wanted`, as far as it may; the limit then. Commands inherit
/// it.
std::size_t raise_descriptor_limit(std::size_t wanted);

}  // namespace pawl
