// Watches how much room the log has, and whether its folder is writable.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "daemon/api/routes.h"
#include "store/data_dir.h"

namespace pawl {

/// Reads the free space at most once a second, and every few seconds probes, on its own thread, whether the folder is
/// writable. Threads: any.
class SpaceWatch {
 public:
  struct Options {
    std::filesystem::path folder;
    std::uint64_t bytes_floor = 0;
    std::uint64_t inodes_floor = 0;
    /// Below these, even writes that end something are refused.
    std::uint64_t bytes_reserve = 0;
    std::uint64_t inodes_reserve = 0;
    std::chrono::milliseconds probe_interval = std::chrono::seconds(3);
    /// A probe that takes longer counts as failed.
    std::chrono::milliseconds probe_patience = std::chrono::seconds(30);
    /// Called when the folder is no longer writable or has too little room to begin anything, including at the start,
    /// and when it has recovered. On the watch's own thread. May be empty.
    std::function<void(const std::string&)> warn = {};
    std::function<Result<FreeSpace>(const std::string&)> free_space = pawl::free_space;
    /// The log's time, for the probe: a moment up to which everything is recorded. Called every `probe_interval` on the
    /// watch's own thread, as long as this lives; must not block.
    std::function<TimeUs()> now = [] { return TimeUs{}; };
    std::function<Result<void>(const std::string&, TimeUs)> probe = probe_writable;
  };

  explicit SpaceWatch(Options options);
  /// A probe that is blocked by the disk is abandoned until the process ends.
  ~SpaceWatch();
  Readiness look();

 private:
  struct Shared;
  static Readiness look(Shared& shared);
  static void run(Shared& shared);

  const std::shared_ptr<Shared> shared_;  // with the thread, which may outlive this object
  std::thread thread_;
};

}  // namespace pawl
