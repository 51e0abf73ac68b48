#include "schema/limits.h"
#include "tests/engine/story.h"

namespace pawl {
namespace {

using Boots = Story;

TEST_F(Boots, stale_ones_are_forgotten_beyond_the_bound_but_never_one_that_holds_something) {
  const auto register_worker = [&](std::size_t n) {
    fb::BootStartedT event;
    event.name = "worker";
    event.boot_id = "worker-" + std::to_string(n);
    event.pid = 7;
    event.host = "host";
    event.version = "test";
    ASSERT_EQ(machine.propose(propose_group(asker("worker"), event)).outcome, Outcome::accepted);
  };
  for (std::size_t n = 0; n < limits::boots_max + 10; ++n) register_worker(n);
  EXPECT_EQ(machine.state().boots.size(), limits::boots_max);
  EXPECT_EQ(machine.state().boots.find("worker-0"), nullptr);
  EXPECT_NE(machine.state().boots.find("worker-" + std::to_string(limits::boots_max + 9)), nullptr);
  EXPECT_NE(machine.state().boots.find(boot_id), nullptr) << "the daemon's is older than all, and not stale";
}

}  // namespace
}  // namespace pawl
