// Time in records; and that a step of the wall clock does not reap anyone.
#include "store/commit/clock.h"

#include <gtest/gtest.h>

#include "engine/policies/reaper.h"
#include "store/commit/start.h"
#include "tools/simulation/direct_machine.h"
#include "tools/simulation/scripted_world.h"

namespace pawl {
namespace {

struct HandClock {
  std::int64_t wall = 0;
  std::int64_t boottime = 0;
  std::int64_t monotonic = 0;
  void pass(std::int64_t us) {
    wall += us;
    boottime += us;
    monotonic += us;
  }
  void sleep(std::int64_t us) {
    wall += us;
    boottime += us;
  }
  Clock::Sources sources() {
    return {.wall = [this] { return wall; },
            .boottime = [this] { return boottime; },
            .monotonic = [this] { return monotonic; }};
  }
};

constexpr std::int64_t day_us = 24 * 3600 * us_per_s;
constexpr std::int64_t noon_us = 1'767'268'800 * us_per_s;  // 2026-01-01T12:00:00Z

TEST(Clock, begins_at_the_later_of_wall_clock_and_last_record) {
  HandClock hand{.wall = 1000, .boottime = 5, .monotonic = 5};
  EXPECT_EQ(Clock({.last_record = TimeUs{900}}, hand.sources()).now().us, 1000);
  EXPECT_EQ(Clock({.last_record = TimeUs{2000}}, hand.sources()).now().us, 2000);
  EXPECT_EQ(Clock({}, hand.sources()).now().us, 1000);
}

TEST(Clock, a_step_of_the_wall_clock_is_followed_by_500_ppm_at_most) {
  HandClock hand{.wall = 1'000'000'000};
  Clock clock({}, hand.sources());
  hand.wall += 3600 * us_per_s;  // set an hour ahead
  hand.boottime = hand.monotonic = 10 * us_per_s;
  EXPECT_EQ(clock.now().us, 1'000'000'000 + 10 * us_per_s + 5000);
  hand.wall = 0;  // now set far back
  hand.boottime = hand.monotonic = 20 * us_per_s;
  EXPECT_EQ(clock.now().us, 1'000'000'000 + 20 * us_per_s);
}

TEST(Clock, never_goes_back_however_often_it_is_asked) {
  HandClock hand{.wall = 1'000'000'000};
  Clock clock({}, hand.sources());
  hand.wall = 0;
  std::int64_t last = 0;
  for (int i = 0; i < 10'000; ++i) {
    hand.boottime += i % 700;
    hand.monotonic += i % 700;
    const std::int64_t now = clock.now().us;
    ASSERT_GE(now, last);
    last = now;
  }
  EXPECT_LT(last, 1'000'000'000 + hand.boottime) << "the clock slews back";
}

TEST(Clock, catches_up_with_a_wall_clock_that_is_a_little_ahead_and_stays_there) {
  HandClock hand{.wall = 1'000'000'000};
  Clock clock({}, hand.sources());
  hand.wall += 100;
  for (int i = 0; i < 1000; ++i) {
    hand.pass(1000);
    clock.now();
  }
  EXPECT_EQ(clock.now().us, hand.wall);
}

TEST(Clock, counts_what_the_machine_slept_and_tells_of_it_in_the_same_breath) {
  HandClock hand{.wall = noon_us, .boottime = 700 * us_per_s, .monotonic = 100 * us_per_s};
  Clock clock({}, hand.sources());
  hand.pass(5 * us_per_s);
  EXPECT_EQ(clock.read().asleep_us, 0) << "earlier sleep does not count";
  hand.sleep(3600 * us_per_s);
  const LogTime now = clock.read();
  EXPECT_EQ(now.time.us, noon_us + 3605 * us_per_s);
  EXPECT_EQ(now.asleep_us, 3600 * us_per_s);
}

TEST(Clock, what_was_slept_is_counted_as_it_was_whatever_the_wall_clock_says) {
  HandClock hand{.wall = noon_us};
  Clock clock({}, hand.sources());
  hand.wall = 0;
  hand.sleep(3600 * us_per_s);
  EXPECT_EQ(clock.now().us, noon_us + 3600 * us_per_s)
      << "otherwise a gap of that length would exceed the elapsed time";
}

TEST(Clock, goes_on_with_the_kernel_whatever_became_of_the_wall_clock) {
  HandClock hand{.wall = noon_us + 7200 * us_per_s,
                 .boottime = 1060 * us_per_s};  // set forward two hours while a minute passed
  const TimeBefore before{.last_record = TimeUs{noon_us + 10 * us_per_s},
                          .last_sign = TimeUs{noon_us + 20 * us_per_s},
                          .base = TimeBefore::Base{.time = {noon_us}, .boottime_us = 1000 * us_per_s}};
  Clock clock(before, hand.sources());
  EXPECT_EQ(clock.now().us, noon_us + 60 * us_per_s);
  EXPECT_EQ(clock.gap_us(), 40 * us_per_s) << "since the last sign of life";
  EXPECT_EQ(clock.drift_us(), 7140 * us_per_s);
  hand.wall = 0;
  EXPECT_EQ(Clock(before, hand.sources()).now().us, noon_us + 60 * us_per_s);
}

TEST(Clock, goes_on_where_it_was_though_it_had_followed_a_wall_clock_ahead) {
  // A day under this kernel, running 500 ppm fast.
  HandClock hand{.wall = noon_us + 10 * day_us, .boottime = day_us};
  TimeBefore before{.last_record = TimeUs{noon_us + 10 * us_per_s},
                    .last_sign = TimeUs{noon_us + day_us + 43 * us_per_s},
                    .base = TimeBefore::Base{.time = {noon_us}, .boottime_us = 0}};
  EXPECT_EQ(Clock(before, hand.sources()).now().us, noon_us + day_us + 43 * us_per_s);
  before.last_sign = TimeUs{noon_us + day_us + 44 * us_per_s};  // impossible
  Clock clock(before, hand.sources());
  EXPECT_EQ(clock.now().us, noon_us + day_us);
  EXPECT_EQ(clock.gap_us(), day_us - 10 * us_per_s) << "in that case since the last record";
}

TEST(Clock, under_another_kernel_the_wall_clock_is_believed_but_never_before_the_last_record) {
  HandClock hand{.wall = noon_us + 3600 * us_per_s, .boottime = 20 * us_per_s};
  Clock clock({.last_record = TimeUs{noon_us}, .last_sign = TimeUs{noon_us + 600 * us_per_s}}, hand.sources());
  EXPECT_EQ(clock.now().us, noon_us + 3600 * us_per_s);
  EXPECT_EQ(clock.gap_us(), 3000 * us_per_s);
  hand.wall = 5 * us_per_s;  // no battery, 1970
  Clock behind({.last_record = TimeUs{noon_us}, .last_sign = TimeUs{noon_us + 600 * us_per_s}}, hand.sources());
  EXPECT_EQ(behind.now().us, noon_us);
  EXPECT_EQ(behind.gap_us(), 0);
  EXPECT_EQ(behind.drift_us(), 5 * us_per_s - noon_us);
}

TEST(Clock, a_kernel_whose_clock_went_back_is_another) {
  HandClock hand{.wall = noon_us + 60 * us_per_s, .boottime = 30 * us_per_s};
  const TimeBefore before{.last_record = TimeUs{noon_us},
                          .base = TimeBefore::Base{.time = {noon_us}, .boottime_us = 31 * us_per_s}};
  EXPECT_EQ(Clock(before, hand.sources()).now().us, noon_us + 60 * us_per_s);
}

TEST(Clock, a_new_log_has_no_time_before_it_and_less_than_a_second_is_no_gap) {
  HandClock hand{.wall = noon_us};
  Clock fresh({}, hand.sources());
  hand.pass(100 * us_per_s);
  EXPECT_EQ(fresh.gap_us(), 0);
  EXPECT_EQ(Clock({.last_record = TimeUs{hand.wall - us_per_s + 1}}, hand.sources()).gap_us(), 0);
  EXPECT_EQ(Clock({.last_record = TimeUs{hand.wall - us_per_s}}, hand.sources()).gap_us(), us_per_s);
}

TEST(Clock, an_accepted_wall_clock_is_a_gap_up_to_it) {
  HandClock hand{.wall = noon_us + 7200 * us_per_s, .boottime = 1060 * us_per_s};
  const TimeBefore before{.last_record = TimeUs{noon_us + 60 * us_per_s},
                          .base = TimeBefore::Base{.time = {noon_us}, .boottime_us = 1000 * us_per_s},
                          .wall_is_right = true};
  Clock clock(before, hand.sources());
  EXPECT_EQ(clock.now().us, noon_us + 7200 * us_per_s);
  EXPECT_EQ(clock.gap_us(), 7140 * us_per_s);
}

std::string why_not(const TimeBefore& before, std::int64_t wall, std::int64_t boottime = 10 * us_per_s) {
  HandClock hand{.wall = wall, .boottime = boottime};
  const auto believed = check_wall_clock(before, hand.sources(), TimeUs{noon_us});
  return believed ? "" : believed.error().message;
}

TEST(WallClock, is_not_believed_more_than_400_days_after_the_last_sign_of_life) {
  TimeBefore before{.last_record = TimeUs{noon_us}};
  EXPECT_EQ(why_not(before, noon_us + 400 * day_us), "");
  EXPECT_EQ(why_not(before, 0), "") << "in that case the log goes on from its last record";
  const std::string refusal = why_not(before, noon_us + 400 * day_us + 1);
  for (const char* word : {"2027-02-05T12:00:00.000001Z", "2026-01-01T12:00:00.000000Z", "--accept-clock"}) {
    EXPECT_NE(refusal.find(word), std::string::npos) << refusal;
  }
  before.last_sign = TimeUs{noon_us + 2 * day_us};
  EXPECT_EQ(why_not(before, noon_us + 401 * day_us), "");
  before.last_sign = TimeUs{noon_us + 4000 * day_us};  // a time in the future
  EXPECT_NE(why_not(before, noon_us + 401 * day_us), "");
  before.wall_is_right = true;
  EXPECT_EQ(why_not(before, noon_us + 401 * day_us), "") << "an operator accepted the clock";
}

TEST(WallClock, is_not_asked_under_the_kernel_of_the_last_daemon) {
  const TimeBefore before{.last_record = TimeUs{noon_us},
                          .base = TimeBefore::Base{.time = {noon_us}, .boottime_us = 5 * us_per_s}};
  EXPECT_EQ(why_not(before, noon_us + 4000 * day_us), "");
  EXPECT_NE(why_not(before, noon_us + 4000 * day_us, 4 * us_per_s), "") << "the kernel is another one";
}

TEST(WallClock, of_a_new_log_is_between_the_program_and_twenty_years_after_it) {
  EXPECT_EQ(why_not({}, noon_us), "");
  EXPECT_EQ(why_not({}, noon_us + 20 * 365 * day_us), "");
  for (const std::int64_t wall : {std::int64_t{0}, noon_us - 1, noon_us + 20 * 365 * day_us + 1}) {
    EXPECT_NE(why_not({}, wall).find("--accept-clock"), std::string::npos) << wall;
  }
  EXPECT_EQ(why_not({.wall_is_right = true}, 0), "");
}

/// The wall clock is set a week ahead, then far back. Each pass sees a running job and a lease with a ttl.
TEST(Reaper, ClockStepReapsNobody) {
  HandClock hand{.wall = 1'767'225'600 * us_per_s};
  Clock clock({}, hand.sources());
  DirectMachine machine;
  ScriptedWorld world;
  Streaks streaks;
  const Requester daemon{.boot = "b", .actor = "pawld", .key = {}, .request = std::nullopt};
  machine.set_now(clock.now());
  ASSERT_TRUE(start_boot(machine, "b", "test"));
  ASSERT_TRUE(define_pipelines(machine, {}, {}, daemon));
  fb::TaskCreatedT created;
  created.work_item = "W-1";
  created.repo = "shop";
  ASSERT_EQ(machine.propose(propose_group(daemon, created)).outcome, Outcome::accepted);
  const auto owner = [] {
    auto row = std::make_unique<fb::OwnerT>();
    row->boot_id = "b";
    row->pid = 1;
    row->actor = "executor";
    return row;
  };
  fb::JobClaimedT claimed;
  claimed.job = 1;
  claimed.owner = owner();
  fb::LeaseAcquiredT leased;
  leased.key = "repo:shop";
  leased.owner = owner();
  leased.ttl = 600;
  ASSERT_EQ(machine.propose(propose_group(daemon, claimed, leased)).outcome, Outcome::accepted);
  const auto pass = [&] {
    hand.pass(60 * us_per_s);
    machine.set_now(clock.now());
    EXPECT_FALSE(reap_job(machine, world, TaskId{1}, JobId{1}, streaks, daemon, 1).reaped);
    EXPECT_TRUE(
        leases_to_reclaim(machine.state(), machine.now(), [](const Owner&, const Boot&) { return true; }).empty());
  };
  pass();
  hand.wall += 7 * 24 * 3600 * us_per_s;
  for (int i = 0; i < 4; ++i) pass();
  hand.wall = 0;
  for (int i = 0; i < 4; ++i) pass();
  // And a job that is truly too old is still reaped.
  hand.pass(5400 * us_per_s);
  machine.set_now(clock.now());
  EXPECT_TRUE(reap_job(machine, world, TaskId{1}, JobId{1}, streaks, daemon, 1).reaped);
}

}  // namespace
}  // namespace pawl
