#include "daemon/api/long_polls.h"

#include <gtest/gtest.h>

#include <future>
#include <mutex>

#include "tests/unit/daemon/comes_true.h"

namespace pawl {
namespace {

constexpr LongPolls::Time no_deadline = LongPolls::Time::max();

using Wake = LongPolls::Wake;

TEST(LongPolls, who_is_gone_is_dropped_and_not_woken) {
  LongPolls polls;
  const auto gone = std::make_shared<std::atomic<bool>>(false);
  const auto held = std::make_shared<int>(0);
  std::atomic<int> woken = 0;
  polls.wait(
      {.seen = polls.turn(), .deadline = no_deadline, .gone = gone, .wake = [held, &woken](Wake, auto) { ++woken; }});
  EXPECT_EQ(held.use_count(), 2);
  gone->store(true);
  EXPECT_TRUE(comes_true([&] { return held.use_count() == 1; })) << "its resources are freed";
  polls.notify();
  polls.stop();
  EXPECT_EQ(woken, 0);
}

TEST(LongPolls, others_are_woken_as_ever) {
  LongPolls polls;
  std::promise<Wake> first, second;
  const auto here = std::make_shared<std::atomic<bool>>(false);
  polls.wait({.seen = polls.turn(), .deadline = no_deadline, .gone = here, .wake = [&](Wake why, auto) {
                first.set_value(why);
              }});
  polls.notify();
  EXPECT_EQ(first.get_future().get(), Wake::again);
  polls.wait({.seen = polls.turn(), .deadline = std::chrono::steady_clock::now(), .wake = [&](Wake why, auto) {
                second.set_value(why);
              }});
  EXPECT_EQ(second.get_future().get(), Wake::deadline);
}

TEST(LongPolls, many_are_woken_for_many_events_at_once) {
  LongPolls polls(std::chrono::hours(1));
  std::promise<Wake> first;
  polls.wait({.seen = polls.turn(), .deadline = no_deadline, .wake = [&](Wake why, auto) { first.set_value(why); }});
  polls.notify();
  EXPECT_EQ(first.get_future().get(), Wake::again) << "the first news come at once";

  const LongPolls::Turn seen = polls.turn();
  std::promise<Wake> up_to_date, outdated;
  polls.wait({.seen = seen, .deadline = no_deadline, .wake = [&](Wake why, auto) { up_to_date.set_value(why); }});
  polls.notify();
  polls.wait({.seen = seen, .deadline = no_deadline, .wake = [&](Wake why, auto) { outdated.set_value(why); }});
  polls.stop();
  EXPECT_EQ(up_to_date.get_future().get(), Wake::stopped) << "the pause is not over";
  EXPECT_EQ(outdated.get_future().get(), Wake::stopped) << "nor for one that came too late";
}

TEST(LongPolls, after_the_pause_all_are_woken) {
  LongPolls polls(std::chrono::milliseconds(1));
  for (int i = 0; i < 20; ++i) {
    std::promise<Wake> early, late;
    const LongPolls::Turn seen = polls.turn();
    polls.wait({.seen = seen, .deadline = no_deadline, .wake = [&](Wake why, auto) { early.set_value(why); }});
    polls.notify();
    polls.wait({.seen = seen, .deadline = no_deadline, .wake = [&](Wake why, auto) { late.set_value(why); }});
    EXPECT_EQ(early.get_future().get(), Wake::again);
    EXPECT_EQ(late.get_future().get(), Wake::again);
  }
}

/// Waits for keys, and the order in which they are woken.
class KeyedPolls : public testing::Test {
 protected:
  void TearDown() override { polls_.stop(); }

  void wait(const std::string& name, std::vector<std::string> keys, LongPolls::Gone gone = nullptr) {
    polls_.wait({.seen = polls_.turn(),
                 .deadline = no_deadline,
                 .gone = std::move(gone),
                 .wake =
                     [this, name](Wake why, LongPolls::Turn turn) {
                       if (why == Wake::stopped) return;
                       const std::lock_guard lock(mutex_);
                       woken_ += name;
                       turn_ = turn;
                     },
                 .keys = std::move(keys)});
  }
  /// Notifies, and waits until as many have been woken in all.
  std::string woken(std::size_t count) {
    EXPECT_TRUE(comes_true([&] {
      const std::lock_guard lock(mutex_);
      return woken_.size() >= count;
    }));
    const std::lock_guard lock(mutex_);
    return woken_;
  }

  LongPolls polls_;
  std::mutex mutex_;
  std::string woken_;
  LongPolls::Turn turn_ = 0;
};

TEST_F(KeyedPolls, an_event_wakes_the_first_that_waits_for_its_key_and_no_other) {
  wait("a", {"tester"});
  wait("b", {"developer"});
  wait("c", {"tester", "developer"});
  polls_.notify("reviewer");
  polls_.notify("developer");
  EXPECT_EQ(woken(1), "b");
  polls_.notify("developer");
  EXPECT_EQ(woken(2), "bc");
  polls_.notify("developer");
  polls_.notify("tester");
  EXPECT_EQ(woken(3), "bca");
}

TEST_F(KeyedPolls, a_turn_is_passed_on_to_those_that_waited_before_it_and_not_in_a_circle) {
  wait("a", {"tester"});
  wait("b", {"tester"});
  polls_.notify("tester");
  EXPECT_EQ(woken(1), "a");
  const LongPolls::Turn first = turn_;
  wait("a", {"tester"});  // it looked after the event
  polls_.pass_on({"tester"}, first);
  EXPECT_EQ(woken(2), "ab");
  EXPECT_EQ(turn_, first);
  polls_.pass_on({"tester"}, first);
  polls_.notify("tester");
  EXPECT_EQ(woken(3), "aba");
  EXPECT_GT(turn_, first) << "the new event woke it, not the turn that was passed on";
  polls_.stop();
  EXPECT_EQ(woken_, "aba") << "nothing more was woken";
}

TEST_F(KeyedPolls, an_event_between_the_look_and_the_wait_is_not_lost) {
  const LongPolls::Turn seen = polls_.turn();
  polls_.notify("tester");
  polls_.notify("developer");
  std::promise<Wake> of_tester;
  std::promise<Wake> of_reviewer;
  polls_.wait({.seen = seen,
               .deadline = no_deadline,
               .wake = [&](Wake why, auto) { of_tester.set_value(why); },
               .keys = {"tester"}});
  polls_.wait({.seen = seen,
               .deadline = no_deadline,
               .wake = [&](Wake why, auto) { of_reviewer.set_value(why); },
               .keys = {"reviewer"}});
  EXPECT_EQ(of_tester.get_future().get(), Wake::again);
  polls_.stop();
  EXPECT_EQ(of_reviewer.get_future().get(), Wake::stopped) << "events of others do not wake it";
}

TEST_F(KeyedPolls, a_client_that_is_gone_does_not_keep_the_turn) {
  wait("a", {"tester"}, std::make_shared<std::atomic<bool>>(true));
  wait("b", {"tester"});
  polls_.notify("tester");
  EXPECT_EQ(woken(1), "b");
}

TEST_F(KeyedPolls, the_earliest_alarm_of_a_key_wakes_the_first_that_waits_for_it) {
  wait("a", {"tester"});
  wait("b", {"tester"});
  polls_.notify_at("tester", no_deadline - std::chrono::hours(1));
  polls_.notify_at("tester", std::chrono::steady_clock::now());
  polls_.notify_at("tester", no_deadline - std::chrono::hours(2));
  EXPECT_EQ(woken(1), "a");
}

TEST_F(KeyedPolls, an_event_for_all_wakes_those_with_keys_too) {
  wait("a", {"tester"});
  wait("b", {});
  polls_.notify();
  EXPECT_EQ(woken(2), "ab");
}

}  // namespace
}  // namespace pawl
