// How much room the log has, and whether it can be written at all.
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

/// Asks the system at most once a second how much room there is, and tries every few seconds, on a thread of its own,
/// whether the folder can be written. Threads: any.
class SpaceWatch {
 public:
  struct Options {
    std::filesystem::path folder;
    std::uint64_t bytes_floor = 0;
    std::uint64_t inodes_floor = 0;
    /// Below these not even what ends something is taken.
    std::uint64_t bytes_reserve = 0;
    std::uint64_t inodes_reserve = 0;
    std::chrono::milliseconds probe_interval = std::chrono::seconds(3);
    /// A probe that takes longer counts as failed.
    std::chrono::milliseconds probe_patience = std::chrono::seconds(30);
    /// Told when the folder can no longer be written or has too little room for anything to begin, also where that is
    /// so from the start, and when it is as it should be again. From a thread of its own. May be empty.
    std::function<void(const std::string&)> warn = {};
    std::function<Result<FreeSpace>(const std::string&)> free_space = pawl::free_space;
    /// By the log's time, for the probe: of a moment up to which nothing is left to be recorded. Called every
    /// `probe_interval` from a thread of its own, as long as this lives; must not block.
    std::function<TimeUs()> now = [] { return TimeUs{}; };
    std::function<Result<void>(const std::string&, TimeUs)> probe = probe_writable;
  };

  explicit SpaceWatch(Options options);
  /// A probe that is held up by the disk is left to the process's end.
  ~SpaceWatch();
  Readiness look();

 private:
  struct Shared;
  static Readiness look(Shared& shared);
  static void run(Shared& shared);

  const std::shared_ptr<Shared> shared_;  // with the thread, which may outlive this
  std::thread thread_;
};

}  // namespace pawl
