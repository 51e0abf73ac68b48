// A few threads for work that may block: reads of the log and of files, on behalf of requests.
#pragma once

#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>

#include <atomic>
#include <functional>
#include <utility>

namespace pawl {

/// Asio's, which on its own would go on with what its work posts while it ends.
class ThreadPool {
 public:
  explicit ThreadPool(unsigned threads) : pool_(threads) {}
  ~ThreadPool() { stop(); }
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  /// Threads: any. Once stop() is called, no more work is accepted; once it has returned, nothing runs.
  void post(std::function<void()> work) {
    if (!stopping_) boost::asio::post(pool_, std::move(work));
  }
  /// Finishes the posted work, then ends the threads.
  void stop() {
    stopping_ = true;
    pool_.join();
  }

 private:
  std::atomic<bool> stopping_ = false;
  boost::asio::thread_pool pool_;
};

}  // namespace pawl
