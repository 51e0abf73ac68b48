// Where orphans of others come to the daemon, it reaps them: as the first process of a container, or as a subreaper.
// What the daemon itself runs is reaped by keepers (daemon/work/keeper.h).
#pragma once

#include <condition_variable>
#include <thread>

#include "store/os/mutex.h"

namespace pawl {

/// Reaps each second, on a thread of its own, what nobody here waits for. Does nothing where no orphans come.
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
