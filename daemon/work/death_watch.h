// Watches for the end of processes through pidfds. A pidfd always refers to the process that it was opened for.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <thread>

#include "daemon/work/system.h"
#include "store/os/descriptor.h"
#include "store/os/mutex.h"

namespace pawl {

class PidfdWatch final : public DeathWatch {
 public:
  /// `look`: System::liveness_of(). `died`: as in System::watch_deaths().
  using Look = std::function<Liveness(const std::string& host, std::int64_t pid, std::int64_t pid_start)>;
  PidfdWatch(Look look, std::function<void()> died);
  ~PidfdWatch() override;

  void watch(const std::string& host, std::int64_t pid, std::int64_t pid_start) override;
  /// Ends the thread.
  void stop() override;

 private:
  void run();

  const Look look_;
  const std::function<void()> died_;
  Descriptor epoll_;
  Descriptor wake_;  // an eventfd
  Mutex mutex_;
  std::map<int, Descriptor> watched_ PAWL_GUARDED_BY(mutex_);  // by number
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace pawl
