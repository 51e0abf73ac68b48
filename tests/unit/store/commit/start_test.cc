// The first records of a start.
#include "store/commit/start.h"

#include <gtest/gtest.h>

#include "store/os/process_identity.h"
#include "tools/simulation/direct_machine.h"

namespace pawl {
namespace {

constexpr TimeUs start_time{1'767'268'800 * us_per_s};  // 2026-01-01T12:00:00Z

TEST(Startup, a_torn_tail_is_told_in_the_boots_version) {
  EXPECT_EQ(boot_version("0.1.0", std::nullopt), "0.1.0");
  EXPECT_EQ(boot_version("0.1.0", Seq{813}), "0.1.0+torn.813");
}

TEST(Startup, a_new_log_knows_of_no_time_before) {
  const TimeBefore before = time_before(State());
  EXPECT_FALSE(before.last_record || before.base);
}

TEST(Startup, the_next_start_goes_on_by_the_clock_that_the_boot_bears) {
  DirectMachine machine;
  machine.set_now(start_time);
  ASSERT_TRUE(start_boot(machine, "b-1", "test", "m", {.time_ns = time_namespace(), .boottime_us = 77}));
  TimeBefore before = time_before(machine.state(), TimeUs{5});
  EXPECT_EQ(before.last_record, start_time);
  EXPECT_EQ(before.last_sign, TimeUs{5});
  ASSERT_TRUE(before.base);
  EXPECT_EQ(before.base->time, start_time);
  EXPECT_EQ(before.base->boottime_us, 77);

  machine.set_now(plus_s(start_time, 10));
  ASSERT_TRUE(start_boot(machine, "b-2", "test", "m", {.time_ns = "time:[1]", .boottime_us = 77}));
  EXPECT_FALSE(time_before(machine.state()).base) << "in another time namespace";
  ASSERT_TRUE(start_boot(machine, "b-3", "test", "m", {.time_ns = "unknown", .boottime_us = 77}));
  EXPECT_FALSE(time_before(machine.state()).base) << "what is not known equals nothing";
  ASSERT_TRUE(start_boot(machine, "b-4", "test"));
  EXPECT_FALSE(time_before(machine.state()).base) << "one that bears no clock";
}

/// Two hours without a daemon: what is open is as old as it was, and what the dead boot held is freed all the same.
TEST(Startup, time_without_a_daemon_is_recorded_behind_the_boot_and_ages_nothing) {
  DirectMachine machine;
  machine.set_now(start_time);
  ASSERT_TRUE(start_boot(machine, "b-1", "test"));
  const Asker daemon{.boot = "b-1", .actor = "test", .key = {}, .request = std::nullopt};
  fb::BootStartedT worker;
  worker.name = "worker";
  worker.boot_id = "w";
  worker.pid = 7;
  worker.host = "elsewhere";
  worker.version = "1";
  ASSERT_EQ(machine.propose(propose_group(daemon, worker)).outcome, Outcome::accepted);
  fb::LeaseAcquiredT lease;
  lease.key = "slot";
  lease.ttl = 600;
  lease.owner = std::make_unique<fb::OwnerT>();
  lease.owner->boot_id = "w";
  lease.owner->pid = 7;
  ASSERT_EQ(machine.propose(propose_group(daemon, lease)).outcome, Outcome::accepted);

  machine.set_now(plus_s(start_time, 7200));
  ASSERT_TRUE(start_boot(machine, "b-2", "test", {}, {.time_ns = "t", .boottime_us = 1, .gap_us = 7200 * us_per_s}));
  EXPECT_EQ(machine.state().lease("slot")->renewed, plus_s(start_time, 7200));
  EXPECT_TRUE(machine.state().is_live(*machine.state().lease("slot"), plus_s(start_time, 7799)));
  EXPECT_FALSE(machine.state().is_live(*machine.state().lease("slot"), plus_s(start_time, 7800)));
  EXPECT_EQ(machine.state().boot_named(daemon_name)->started_at, plus_s(start_time, 7200));
}

}  // namespace
}  // namespace pawl
