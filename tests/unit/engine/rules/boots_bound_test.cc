#include "schema/limits.h"
#include "tests/unit/engine/story.h"

namespace pawl {
namespace {

using Boots = Story;

TEST_F(Boots, past_the_bound_those_of_a_group_that_ends_one_give_back_what_it_held_first) {
  const auto start = [&](const std::string& name, const std::string& id) {
    fb::BootStartedT event;
    event.name = name;
    event.boot_id = id;
    event.pid = 7;
    event.host = "host";
    event.version = "test";
    return machine.propose(propose_group(requester("worker"), event)).outcome;
  };
  // The oldest boot except the daemon's: it loses its lease and its job only after it becomes stale.
  ASSERT_EQ(start("holder", "holder-1"), Outcome::accepted);
  ASSERT_EQ(start("watcher", "zz-watcher"), Outcome::accepted);
  fb::LeaseAcquiredT lease;
  lease.key = "of-the-holder";
  lease.owner = owner("worker");
  lease.owner->boot_id = "holder-1";
  ASSERT_EQ(machine.propose(propose_group(requester("worker"), lease)).outcome, Outcome::accepted);
  lease.key = "of-the-watcher";
  lease.owner->boot_id = "zz-watcher";
  ASSERT_EQ(machine.propose(propose_group(requester("worker"), lease)).outcome, Outcome::accepted);
  set("queue.max_concurrency", std::int64_t{2});
  set("queue.serial_per_repo", false);
  stand_on("testing");
  fb::JobFinishedT again;
  again.job = raw(job);
  again.attempt = 1;
  again.result = fb::JobResult::retry;
  ASSERT_EQ(machine.propose(propose_group(requester("executor"), again)).outcome, Outcome::accepted);
  wait_for_retry();
  fb::JobClaimedT claim;
  claim.job = raw(job);
  claim.owner = owner("worker");
  claim.owner->boot_id = "holder-1";
  ASSERT_EQ(machine.propose(propose_group(requester("worker"), claim)).outcome, Outcome::accepted);
  for (std::size_t n = machine.state().boots.size(); n < limits::boots_max; ++n) {
    ASSERT_EQ(start("other-" + std::to_string(n), "other-" + std::to_string(n)), Outcome::accepted);
  }
  ASSERT_EQ(start("holder", "holder-2"), Outcome::accepted);
  EXPECT_FALSE(held("of-the-holder"));
  EXPECT_TRUE(held("of-the-watcher"));
  EXPECT_EQ(job_status(), JobStatus::queued);
  EXPECT_NE(machine.state().boots.find("holder-1"), nullptr) << "it held something when the bound was checked";
  ASSERT_EQ(start("holder", "holder-3"), Outcome::accepted);
  EXPECT_EQ(machine.state().boots.find("holder-1"), nullptr) << "the next one finds it holding nothing";
}

TEST_F(Boots, stale_ones_are_forgotten_beyond_the_bound_but_never_one_that_holds_something) {
  const auto register_worker = [&](std::size_t n) {
    fb::BootStartedT event;
    event.name = "worker";
    event.boot_id = "worker-" + std::to_string(n);
    event.pid = 7;
    event.host = "host";
    event.version = "test";
    ASSERT_EQ(machine.propose(propose_group(requester("worker"), event)).outcome, Outcome::accepted);
  };
  for (std::size_t n = 0; n < limits::boots_max + 10; ++n) register_worker(n);
  EXPECT_EQ(machine.state().boots.size(), limits::boots_max);
  EXPECT_EQ(machine.state().boots.find("worker-0"), nullptr);
  EXPECT_NE(machine.state().boots.find("worker-" + std::to_string(limits::boots_max + 9)), nullptr);
  EXPECT_NE(machine.state().boots.find(boot_id), nullptr) << "the daemon's is older than all, and not stale";
}

}  // namespace
}  // namespace pawl
