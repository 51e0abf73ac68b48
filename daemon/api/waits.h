// Requests that wait for something to happen: a job to claim, a record to come. None of them holds a thread.
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

class Waits {
 public:
  using Time = std::chrono::steady_clock::time_point;
  /// Why a wait ended.
  enum class Wake {
    again,     // something happened: it may be worth to look again
    deadline,  // nothing did
    stopped,   // the daemon ends: whatever can be answered is to be answered now
  };

  Waits();
  ~Waits();

  /// How often notify() was called. To be taken before looking, so that what happens between the look and park() wakes.
  std::uint64_t generation() const;
  /// Set once whoever waits is gone; null when nobody can tell.
  using Gone = std::shared_ptr<const std::atomic<bool>>;
  /// Calls `wake` once, from the thread of this: after the next notify() since `seen`, or at the deadline. Within a
  /// second after `gone` was set it is dropped instead, and not called. Threads: any.
  void park(std::uint64_t seen, Time deadline, Gone gone, std::function<void(Wake)> wake);
  void notify();
  /// Wakes all with `stopped`, and each that still comes at once.
  void stop();

 private:
  struct Parked {
    std::uint64_t seen;
    Time deadline;
    Gone gone;
    std::function<void(Wake)> wake;
  };

  void run();

  mutable Mutex mutex_;
  std::condition_variable changed_;
  std::list<Parked> parked_ PAWL_GUARDED_BY(mutex_);
  std::uint64_t generation_ PAWL_GUARDED_BY(mutex_) = 0;
  bool stopping_ PAWL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace pawl
