// Keeps DIR/logs within bounds, by age and by bytes: the oldest logs of ended tasks go first.
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

/// Looks once a minute, on a thread of its own. Never removes what belongs to a live task, or what somebody may still
/// write to.
class LogRoom {
 public:
  struct Bounds {
    std::int64_t bytes_max = limits::logs_bytes_max;  // 0: no bound
    std::int64_t age_s_max = limits::logs_age_s_max;  // likewise
  };
  struct Options {
    std::filesystem::path folder;  // DIR/logs
    /// Asked before each look, from the thread of this. May be empty: the defaults.
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

  /// One look: how many logs it removed. At `removed_per_look` there may be more. For its thread, and for tests
  /// instead of start().
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
