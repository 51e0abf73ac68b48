// Work that takes long, carried out on one thread, one piece after another; of what waits, only so much is accepted.
#pragma once

#include <atomic>
#include <functional>
#include <utility>

#include "daemon/thread_pool.h"

namespace pawl {

class OneByOne {
 public:
  explicit OneByOne(int waiting_max) : waiting_max_(waiting_max), thread_(1) {}

  /// Carries out `work` once, on the thread, which may block. False: too much waits, and it is not carried out.
  /// Threads: any.
  bool post(std::function<void()> work) {
    if (waiting_.fetch_add(1) >= waiting_max_) {
      waiting_.fetch_sub(1);
      return false;
    }
    thread_.post([this, work = std::move(work)] {
      work();
      waiting_.fetch_sub(1);
    });
    return true;
  }
  /// Finishes what waits, then ends the thread.
  void stop() { thread_.stop(); }

 private:
  const int waiting_max_;
  std::atomic<int> waiting_{0};
  ThreadPool thread_;
};

}  // namespace pawl
