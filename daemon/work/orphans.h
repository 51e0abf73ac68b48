// Reaps orphans that the kernel hands to the daemon, when it is a container's first process or a subreaper. Keepers
// reap what the daemon itself runs (daemon/work/keeper.h).
#pragma once

#include <condition_variable>
#include <thread>

#include "store/os/mutex.h"

namespace pawl {

/// Every second, on its own thread, reaps children that nothing here waits for. Does nothing if the daemon does not get
/// orphans.
class OrphanReaper {
 public:
  OrphanReaper();
  ~OrphanReaper();
  OrphanReaper(const OrphanReaper&) = delete;
  OrphanReaper& operator=(const OrphanReaper&) = delete;

 private:
  void run();

  Mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ PAWL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace pawl
