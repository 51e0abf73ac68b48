// Learns at once that a process of this machine has ended, be it a child or not: by a pidfd, which keeps meaning the
// one process that it was opened for.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>

#include "store/os/descriptor.h"

namespace pawl {

class DeathWatch {
 public:
  /// `died` is called once for each watched process that ended, from a thread of the watch's own or from watch(): it
  /// must not block.
  explicit DeathWatch(std::function<void()> died);
  ~DeathWatch();

  /// Watches a process of `host` with that start time; `died` is called also if it has ended already. One that cannot
  /// be seen from here, or not be watched for want of descriptors, is left to those who look from time to time.
  void watch(const std::string& host, std::int64_t pid, std::int64_t pid_start);
  /// Ends the thread. Nothing is called any more.
  void stop();

 private:
  void run();

  const std::function<void()> died_;
  Descriptor epoll_;
  Descriptor wake_;  // an eventfd
  std::mutex mutex_;
  std::map<int, Descriptor> watched_;  // by number
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace pawl
