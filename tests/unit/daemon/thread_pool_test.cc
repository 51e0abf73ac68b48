#include "daemon/thread_pool.h"

#include <gtest/gtest.h>

#include <future>

namespace pawl {
namespace {

TEST(ThreadPool, stop_finishes_what_was_posted) {
  ThreadPool pool(2);
  std::atomic<int> done = 0;
  std::promise<void> go;
  const std::shared_future<void> gone(go.get_future());
  for (int i = 0; i < 100; ++i) {
    pool.post([&done, gone] {
      gone.wait();
      ++done;
    });
  }
  EXPECT_EQ(done, 0);
  go.set_value();
  pool.stop();
  EXPECT_EQ(done, 100);
}

TEST(ThreadPool, after_stop_nothing_is_run) {
  std::atomic<int> done = 0;
  auto pool = std::make_unique<ThreadPool>(2);
  pool->stop();
  pool->post([&done] { ++done; });
  pool->stop();
  pool.reset();
  EXPECT_EQ(done, 0);
}

TEST(ThreadPool, work_that_posts_itself_again_does_not_hold_up_the_end) {
  ThreadPool pool(2);
  std::promise<void> begun;
  std::atomic<bool> is_begun = false;
  std::function<void()> again = [&] {
    if (!is_begun.exchange(true)) begun.set_value();
    pool.post(again);
  };
  pool.post(again);
  begun.get_future().wait();
  pool.stop();
}

TEST(ThreadPool, work_runs_on_several_threads) {
  ThreadPool pool(2);
  std::promise<void> here;
  std::promise<void> there;
  pool.post([&] {
    here.set_value();
    there.get_future().wait();
  });
  pool.post([&] {
    there.set_value();
    here.get_future().wait();
  });
  pool.stop();
}

}  // namespace
}  // namespace pawl
