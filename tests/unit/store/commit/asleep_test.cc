// The machine's sleep is recorded before anything is decided or seen after it (SPEC §5).
#include <gtest/gtest.h>

#include <atomic>

#include "store/commit/batch.h"
#include "store/commit/sequencer.h"
#include "store/commit/start.h"
#include "store/memory_log.h"
#include "store/open.h"

namespace pawl {
namespace {

constexpr TimeUs bedtime{1'767'268'800 * us_per_s};  // 2026-01-01T12:00:00Z

/// A daemon's boot, and a lease of 600 s held by a worker elsewhere.
class Asleep : public testing::Test {
 protected:
  Asleep() {
    boot("pawld", "d");
    boot("worker", "w");
    boot("other", "o");
    EXPECT_EQ(acquire("w"), Outcome::accepted);
    decider.hand_over();
  }

  Outcome ask(Group group) {
    Outcome outcome = Outcome::skipped;
    decider.take(WriteRequest{.group = std::move(group),
                              .look = [&](const SeenDecision& seen) { outcome = seen.decision.outcome; },
                              .done = [](const std::optional<Decision>&) {}});
    return outcome;
  }
  static Requester requester(const std::string& boot) {
    return {.boot = boot, .actor = "test", .key = {}, .request = {}};
  }
  void boot(const std::string& name, const std::string& id) {
    fb::BootStartedT event;
    event.name = name;
    event.boot_id = id;
    event.pid = 7;
    event.host = "elsewhere";
    event.version = "1";
    EXPECT_EQ(ask(propose_group(requester(name == daemon_name ? id : "d"), event)), Outcome::accepted);
  }
  Outcome acquire(const std::string& boot) {
    fb::LeaseAcquiredT lease;
    lease.key = "slot";
    lease.ttl = 600;
    lease.owner = std::make_unique<fb::OwnerT>();
    lease.owner->boot_id = boot;
    lease.owner->pid = 7;
    return ask(propose_group(requester(boot), lease));
  }
  void sleep_s(std::int64_t seconds) {
    time.us += seconds * us_per_s;
    asleep_us += seconds * us_per_s;
  }
  /// The types of the records since the last call.
  std::vector<std::string> types() {
    std::vector<std::string> types;
    for (const Decided& group : decider.hand_over().groups) {
      for (const Proposal& each : group.records) types.emplace_back(fb::EnumNameEvent(each.record().event_type()));
    }
    return types;
  }

  using Types = std::vector<std::string>;
  TimeUs time = bedtime;
  std::int64_t asleep_us = 0;
  Decider decider{State(), [this] { return LogTime{time, asleep_us}; }};
};

TEST_F(Asleep, nobody_takes_a_lease_whose_time_passed_in_a_sleep) {
  sleep_s(3600);
  EXPECT_EQ(acquire("o"), Outcome::lease_held);
  EXPECT_EQ(types(), (Types{"TimeGap", "LeaseAcquired"}));
  time.us += 600 * us_per_s;
  EXPECT_EQ(acquire("o"), Outcome::accepted) << "awake, the ttl runs out";
}

TEST_F(Asleep, whoever_looks_sees_what_is_open_as_old_as_it_was) {
  sleep_s(3600);
  std::optional<TimeUs> renewed;
  decider.take(ReadRequest{.look = [&](const State& state) { renewed = state.lease("slot")->renewed; }, .done = [] {}});
  EXPECT_EQ(renewed, plus_s(bedtime, 3600));
  EXPECT_EQ(types(), Types{"TimeGap"});
  decider.take(ReadRequest{.look = [](const State&) {}, .done = [] {}});
  EXPECT_EQ(types(), Types{}) << "one record is enough";
}

TEST_F(Asleep, moments_add_up) {
  const auto look = [&] { decider.take(ReadRequest{.look = [](const State&) {}, .done = [] {}}); };
  for (int i = 0; i < 3; ++i) {
    time.us += 300'000;
    asleep_us += 300'000;
    look();
  }
  EXPECT_EQ(types(), Types{});
  time.us += 300'000;
  asleep_us += 300'000;
  look();
  EXPECT_EQ(types(), Types{"TimeGap"});
}

TEST_F(Asleep, moments_before_the_last_record_count_no_longer) {
  time.us += 900'000;
  asleep_us += 900'000;
  EXPECT_EQ(acquire("o"), Outcome::lease_held);
  time.us += 200'000;
  asleep_us += 200'000;
  EXPECT_EQ(acquire("o"), Outcome::lease_held);
  EXPECT_EQ(types(), (Types{"LeaseAcquired", "TimeGap", "LeaseAcquired"}));
}

TEST(SequencerAsleep, says_up_to_when_nothing_is_left_to_be_told) {
  const auto log = std::move(MemoryLog::open(std::make_shared<MemoryDisk>())).value();
  Opened opened = open_state(*log).value();
  std::atomic<std::int64_t> asleep_us{0};
  Sequencer sequencer(*log, std::move(opened.state), opened.chain, {.now = [&] {
    return LogTime{TimeUs{bedtime.us + asleep_us}, asleep_us};
  }});
  sequencer.start();
  ASSERT_TRUE(start_boot(sequencer, "d", "test"));
  EXPECT_EQ(sequencer.told_until(), bedtime);
  asleep_us = 3600 * us_per_s;
  EXPECT_FALSE(sequencer.told_until());
  sequencer.look([](const State&) {});
  sequencer.stop();
  EXPECT_EQ(sequencer.told_until(), plus_s(bedtime, 3600));
  EXPECT_EQ(raw(log->last_seq()), 2u);
}

/// A daemon restarted on its log. The machine has slept since bedtime, and no one has acted.
class RestartedAsleep : public testing::Test {
 protected:
  std::unique_ptr<Sequencer> restarted() {
    Opened opened = open_state(*log).value();
    auto sequencer =
        std::make_unique<Sequencer>(*log, std::move(opened.state), opened.chain, Sequencer::Options{.now = [this] {
          LogTime now{TimeUs{bedtime.us + asleep_us}, asleep_us};
          now.gap_us = asleep_us;
          return now;
        }});
    sequencer->start();
    return sequencer;
  }

  const std::unique_ptr<MemoryLog> log = std::move(MemoryLog::open(std::make_shared<MemoryDisk>())).value();
  std::int64_t asleep_us = 0;
};

TEST_F(RestartedAsleep, what_passed_before_the_daemons_own_boot_is_told_with_that) {
  ASSERT_TRUE(start_boot(*restarted(), "d", "test"));
  const auto sequencer = restarted();
  asleep_us = 3600 * us_per_s;
  sequencer->look([](const State&) {});
  EXPECT_EQ(raw(log->last_seq()), 1u);
  ASSERT_TRUE(start_boot(*sequencer, "d-2", "test", {}, {.time_ns = "t", .gap_us = 3600 * us_per_s}));
}

TEST_F(RestartedAsleep, a_sleep_between_the_look_at_the_clock_and_the_boot_is_told_with_the_boot) {
  ASSERT_TRUE(start_boot(*restarted(), "d", "test"));
  const auto sequencer = restarted();
  asleep_us = 3600 * us_per_s;
  ASSERT_TRUE(start_boot(*sequencer, "d-2", "test", {}, {.time_ns = "t"})) << "prepared when there was no gap";
  std::vector<std::string> types;
  ASSERT_TRUE(log->read(Seq{1}, [&](RecordBytes bytes) {
    types.emplace_back(fb::EnumNameEvent(fb::GetRecord(bytes.data())->event_type()));
    return true;
  }));
  ASSERT_GE(types.size(), 3U);
  EXPECT_EQ(types[1], "BootStarted");
  EXPECT_EQ(types[2], "TimeGap");
}

}  // namespace
}  // namespace pawl
