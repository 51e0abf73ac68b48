#include "daemon/api/long_polls.h"

#include <gtest/gtest.h>

#include <future>

#include "tests/unit/daemon/comes_true.h"

namespace pawl {
namespace {

constexpr LongPolls::Time no_deadline = LongPolls::Time::max();

TEST(LongPolls, who_is_gone_is_dropped_and_not_woken) {
  LongPolls polls;
  const auto gone = std::make_shared<std::atomic<bool>>(false);
  const auto held = std::make_shared<int>(0);
  std::atomic<int> woken = 0;
  polls.wait(polls.generation(), no_deadline, gone, [held, &woken](LongPolls::Wake) { ++woken; });
  EXPECT_EQ(held.use_count(), 2);
  gone->store(true);
  EXPECT_TRUE(comes_true([&] { return held.use_count() == 1; })) << "its resources are freed";
  polls.notify();
  polls.stop();
  EXPECT_EQ(woken, 0);
}

TEST(LongPolls, others_are_woken_as_ever) {
  LongPolls polls;
  std::promise<LongPolls::Wake> first, second;
  const auto here = std::make_shared<std::atomic<bool>>(false);
  polls.wait(polls.generation(), no_deadline, here, [&](LongPolls::Wake why) { first.set_value(why); });
  polls.notify();
  EXPECT_EQ(first.get_future().get(), LongPolls::Wake::again);
  polls.wait(polls.generation(), std::chrono::steady_clock::now(), nullptr,
             [&](LongPolls::Wake why) { second.set_value(why); });
  EXPECT_EQ(second.get_future().get(), LongPolls::Wake::deadline);
}

}  // namespace
}  // namespace pawl
