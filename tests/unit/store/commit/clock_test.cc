// Time as records bear it, and that no step of the wall clock reaps anybody.
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
  std::int64_t monotonic = 0;
  Clock::Sources sources() {
    return {.wall = [this] { return wall; }, .monotonic = [this] { return monotonic; }};
  }
};

TEST(Clock, begins_at_the_later_of_wall_clock_and_last_record) {
  HandClock hand{.wall = 1000, .monotonic = 5};
  EXPECT_EQ(Clock(TimeUs{900}, hand.sources()).now().us, 1000);
  EXPECT_EQ(Clock(TimeUs{2000}, hand.sources()).now().us, 2000);
}

TEST(Clock, a_step_of_the_wall_clock_is_followed_by_500_ppm_at_most) {
  HandClock hand{.wall = 1'000'000'000, .monotonic = 0};
  Clock clock(TimeUs{0}, hand.sources());
  hand.wall += 3600 * us_per_s;  // somebody sets it an hour ahead
  hand.monotonic = 10 * us_per_s;
  EXPECT_EQ(clock.now().us, 1'000'000'000 + 10 * us_per_s + 5000);
  hand.wall = 0;  // and now far back
  hand.monotonic = 20 * us_per_s;
  EXPECT_EQ(clock.now().us, 1'000'000'000 + 20 * us_per_s);
}

TEST(Clock, never_goes_back_however_often_it_is_asked) {
  HandClock hand{.wall = 1'000'000'000, .monotonic = 0};
  Clock clock(TimeUs{0}, hand.sources());
  hand.wall = 0;
  std::int64_t last = 0;
  for (int i = 0; i < 10'000; ++i) {
    hand.monotonic += i % 700;
    const std::int64_t now = clock.now().us;
    ASSERT_GE(now, last);
    last = now;
  }
  EXPECT_LT(last, 1'000'000'000 + hand.monotonic) << "it is on its way back";
}

TEST(Clock, catches_up_with_a_wall_clock_that_is_a_little_ahead_and_stays_there) {
  HandClock hand{.wall = 1'000'000'000, .monotonic = 0};
  Clock clock(TimeUs{0}, hand.sources());
  hand.wall += 100;
  for (int i = 0; i < 1000; ++i) {
    hand.wall += 1000;
    hand.monotonic += 1000;
    clock.now();
  }
  EXPECT_EQ(clock.now().us, hand.wall);
}

/// Somebody sets the wall clock a week ahead, then far back. Each pass sees a job that runs and a lease that has a ttl.
TEST(Reaper, ClockStepReapsNobody) {
  HandClock hand{.wall = 1'767'225'600 * us_per_s, .monotonic = 0};
  Clock clock(TimeUs{0}, hand.sources());
  DirectMachine machine;
  ScriptedWorld world;
  Streaks streaks;
  const Asker daemon{.boot = "b", .actor = "pawld", .key = {}, .request = std::nullopt};
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
    hand.monotonic += 60 * us_per_s;
    hand.wall += 60 * us_per_s;
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
  // And what is truly too old is reaped all the same.
  hand.monotonic += 5400 * us_per_s;
  machine.set_now(clock.now());
  EXPECT_TRUE(reap_job(machine, world, TaskId{1}, JobId{1}, streaks, daemon, 1).reaped);
}

}  // namespace
}  // namespace pawl
