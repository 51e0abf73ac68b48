#include "daemon/api/waits.h"

#include <gtest/gtest.h>

#include <future>

#include "tests/unit/daemon/comes_true.h"

namespace pawl {
namespace {

constexpr Waits::Time no_deadline = Waits::Time::max();

TEST(Waits, who_is_gone_is_dropped_and_not_woken) {
  Waits waits;
  const auto gone = std::make_shared<std::atomic<bool>>(false);
  const auto held = std::make_shared<int>(0);
  std::atomic<int> woken = 0;
  waits.park(waits.generation(), no_deadline, gone, [held, &woken](Waits::Wake) { ++woken; });
  EXPECT_EQ(held.use_count(), 2);
  gone->store(true);
  EXPECT_TRUE(comes_true([&] { return held.use_count() == 1; })) << "its resources are freed";
  waits.notify();
  waits.stop();
  EXPECT_EQ(woken, 0);
}

TEST(Waits, others_are_woken_as_ever) {
  Waits waits;
  std::promise<Waits::Wake> first, second;
  const auto here = std::make_shared<std::atomic<bool>>(false);
  waits.park(waits.generation(), no_deadline, here, [&](Waits::Wake why) { first.set_value(why); });
  waits.notify();
  EXPECT_EQ(first.get_future().get(), Waits::Wake::again);
  waits.park(waits.generation(), std::chrono::steady_clock::now(), nullptr,
             [&](Waits::Wake why) { second.set_value(why); });
  EXPECT_EQ(second.get_future().get(), Waits::Wake::deadline);
}

}  // namespace
}  // namespace pawl
