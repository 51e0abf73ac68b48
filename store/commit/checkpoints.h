// Takes checkpoints from time to time, on a thread of its own: from the log, so that the owner of the state is not
// delayed.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <thread>

#include "store/log.h"
#include "store/os/mutex.h"

namespace pawl {

class Checkpoints {
 public:
  /// Takes one every `every` records; 0: none. `failed` is called for each that could not be stored, on the thread. May
  /// be empty. Owns neither the journal nor the store.
  Checkpoints(Journal& journal, CheckpointStore& store, std::uint64_t every, std::function<void(const Error&)> failed)
      : journal_(journal), store_(store), every_(every), failed_(std::move(failed)) {}
  ~Checkpoints() { stop(); }

  void start();
  void stop();
  /// Told after each append. Threads: any.
  void note_durable(Seq last);
  /// The record of the newest one that was stored; 0: none. Threads: any.
  Seq last() const { return Seq{last_.load()}; }

 private:
  void run();

  Journal& journal_;
  CheckpointStore& store_;
  const std::uint64_t every_;
  const std::function<void(const Error&)> failed_;
  std::atomic<std::uint64_t> durable_{0};
  std::atomic<std::uint64_t> last_{0};
  std::atomic<std::uint64_t> due_{UINT64_MAX};  // the durable seq from which on one is to be taken
  Mutex mutex_;
  std::condition_variable wake_;
  bool ends_ PAWL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace pawl
