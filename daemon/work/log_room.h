// Keeps DIR/logs within bounds of age and size, removing the oldest logs of ended tasks first.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <set>
#include <string>
#include <thread>

#include "daemon/work/log_name.h"
#include "schema/limits.h"
#include "store/commit/desk.h"
#include "store/os/mutex.h"

namespace pawl {

/// Checks once a minute, on its own thread. Never removes a log that belongs to a live task, or that a process may
/// still write to.
class LogRoom {
 public:
  struct Bounds {
    std::int64_t bytes_max = limits::logs_bytes_max;  // 0: no limit
    std::int64_t age_s_max = limits::logs_age_s_max;  // 0: no limit
  };
  struct Options {
    std::filesystem::path folder;  // DIR/logs
    /// Called before each check, on this object's thread. May be empty: the defaults.
    std::function<Bounds()> bounds = {};
    std::chrono::milliseconds interval = std::chrono::minutes(1);
    std::size_t removed_per_look = 1000;
    std::size_t rows_per_ask = limits::rows_per_read_max;
  };

  /// `desk` outlives it.
  LogRoom(Desk& desk, Options options);
  ~LogRoom();
  void start();
  void stop();

  /// One check; returns how many logs it removed. If that is `removed_per_look`, more may be due. For the thread, and
  /// for tests instead of start().
  std::size_t look();

 private:
  struct Log {
    std::filesystem::path path;
    LogOwner owner;
    std::int64_t written_at_s = 0;
    std::int64_t bytes = 0;
  };
  struct Live {
    std::set<TaskId> tasks;
    std::set<JobId> jobs;
    bool has(const LogOwner& owner) const;
  };
  class Walk;

  Live live();
  bool is_live(const LogOwner& owner);
  bool remove(const Log& log);
  void run();

  Desk& desk_;
  const Options options_;
  Mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ PAWL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace pawl
