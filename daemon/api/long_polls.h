// Requests that wait for an event: a job to claim, a new record. They do not hold a thread.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <thread>

#include "store/os/mutex.h"

namespace pawl {

class LongPolls {
 public:
  using Time = std::chrono::steady_clock::time_point;
  /// Why a wait ended.
  enum class Wake {
    again,     // something happened: look again
    deadline,  // nothing happened
    stopped,   // the daemon is shutting down: answer now what can be answered
  };

  LongPolls();
  ~LongPolls();

  /// How often notify() was called. Read it before looking, so that an event between the look and wait() wakes the
  /// wait.
  std::uint64_t generation() const;
  /// Set once the waiting client is gone; null if this is unknown.
  using Gone = std::shared_ptr<const std::atomic<bool>>;
  /// Calls `wake` once, on this object's thread: after the next notify() since `seen`, or at the deadline. If `gone` is
  /// set, drops it within a second instead, without a call. Threads: any.
  void wait(std::uint64_t seen, Time deadline, Gone gone, std::function<void(Wake)> wake);
  void notify();
  /// Wakes all waits with `stopped`, and later ones at once.
  void stop();

 private:
  struct Waiting {
    std::uint64_t seen;
    Time deadline;
    Gone gone;
    std::function<void(Wake)> wake;
  };

  void run();

  mutable Mutex mutex_;
  std::condition_variable changed_;
  std::list<Waiting> waiting_ PAWL_GUARDED_BY(mutex_);
  std::uint64_t generation_ PAWL_GUARDED_BY(mutex_) = 0;
  bool stopping_ PAWL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace pawl
