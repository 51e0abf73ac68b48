// Shutdown of the daemon: what may still finish, what is recorded, and how long it takes. With real processes.
#include "tests/unit/daemon/work/executor_stage.h"

namespace pawl {
namespace {

class ExecutorEndTest : public ExecutorTest {
 protected:
  /// Waits until the agent of the task just submitted is running.
  bool agent_is_up() {
    return comes_true([&] { return contents(at("pid")).ends_with("\n"); });
  }
  bool agent_was_told_to_end() {
    return comes_true([&] { return contents(at("data/logs/job-1-1.log")).find("called off") != std::string::npos; });
  }
  void let_agents_go() { std::ofstream(at("go")) << ""; }
  /// What the next daemon does about it.
  void start_again() {
    shut_down();
    boot();
    execute();
  }
};

constexpr const char* waits_for_go = R"(name: test
agents:
  worker: {run: 'echo $$ > $1/pid; until [ -e $1/go ]; do sleep 0.02; done', timeout_s: 600}
stages:
  - {name: work, agent: worker, to: done}
)";

constexpr const char* stubborn_pipeline = R"(name: test
agents:
  worker: {run: 'trap "" TERM; echo $$ > $1/pid; until [ -e $1/go ]; do sleep 0.02; done', timeout_s: 600}
stages:
  - {name: work, agent: worker, to: done}
)";

TEST_F(ExecutorEndTest, agent_that_ends_with_0_while_the_daemon_stops_is_not_run_again) {
  set("stop.kill_after_s", 600);
  define(stubborn_pipeline);
  execute();
  const TaskId id = submit();
  ASSERT_TRUE(agent_is_up());
  std::thread stop([this] { executor_->stop(); });
  ASSERT_TRUE(agent_was_told_to_end());
  let_agents_go();
  stop.join();
  EXPECT_EQ(count(fb::Event::RunExited), 1u);

  start_again();
  EXPECT_TRUE(reaches(id, "done"));
  EXPECT_EQ(count(fb::Event::RunStarted), 1u);
}

TEST_F(ExecutorEndTest, agent_that_was_told_to_end_and_failed_is_tried_again_for_nothing) {
  define(R"(name: test
agents:
  worker: {run: 'trap "exit 3" TERM; echo $$ > $1/pid; until [ -e $1/go ]; do sleep 0.02; done', timeout_s: 600}
stages:
  - {name: work, agent: worker, to: done}
)");
  execute();
  const TaskId id = submit();
  ASSERT_TRUE(agent_is_up());
  executor_->stop();
  EXPECT_EQ(count(fb::Event::RunExited), 0u) << "exit code 3 was our doing";

  let_agents_go();
  start_again();
  EXPECT_TRUE(reaches(id, "done"));
  EXPECT_EQ(job(1), std::nullopt);
  EXPECT_EQ(count(fb::Event::RunStarted), 2u);
}

TEST_F(ExecutorEndTest, drain_lets_agents_come_to_their_end_and_begins_nothing) {
  set("job.retry_delay_s", 0);
  define(waits_for_go);
  execute();
  const TaskId first = submit();
  ASSERT_TRUE(agent_is_up());
  submit("W-2", "other");
  std::thread drain([this] { executor_->drain(seconds(600)); });
  let_agents_go();
  drain.join();
  EXPECT_EQ(job(1)->run->exit_code, 0) << "it was not told to end, and its exit is recorded";
  EXPECT_EQ(task(first)->stage, "work") << "its gate is for the next daemon";
  executor_->stop();
  EXPECT_EQ(count(fb::Event::JobClaimed), 1u);

  start_again();
  EXPECT_TRUE(reaches(first, "done"));
  EXPECT_TRUE(comes_true([&] { return count(fb::Event::RunStarted) == 2; })) << "one for each task";
}

TEST_F(ExecutorEndTest, drain_is_over_when_its_time_is) {
  define(waits_for_go);
  execute();
  submit();
  ASSERT_TRUE(agent_is_up());
  executor_->drain(seconds(1));
  EXPECT_EQ(job(1)->run->exit_code, std::nullopt);
  executor_->stop();
  EXPECT_EQ(count(fb::Event::RunExited), 0u);
}

TEST_F(ExecutorEndTest, whoever_hurries_ends_one_wait_after_the_other) {
  set("stop.kill_after_s", 600);
  define(stubborn_pipeline);
  execute();
  submit();
  ASSERT_TRUE(agent_is_up());
  std::atomic<bool> has_ended{false};
  std::thread end([&] {
    executor_->drain(seconds(600));
    executor_->stop();
    has_ended = true;
  });
  EXPECT_TRUE(comes_true([&] {
    executor_->hurry();
    return has_ended.load();
  }));
  end.join();
  EXPECT_EQ(count(fb::Event::RunExited), 0u) << "it was killed";
}

}  // namespace
}  // namespace pawl
