// The path over an edge whose irreversible step may still happen: who is asked what, and when (SPEC §8).
#include <gtest/gtest.h>

#include "engine/policies/reconciler.h"
#include "engine/policies/stuck.h"
#include "tests/unit/engine/story.h"

namespace pawl {
namespace {

class DoubtfulPath : public Story {
 protected:
  void merge_times_out() { world.step_exit["merge"] = {.how = CommandExit::How::timed_out, .code = 0}; }

  Reconciled pass() { return reconcile(machine, world, task, requester("reconciler"), 1); }

  bool is_in_doubt() const { return doubtful_step(*row()) != nullptr; }
};

TEST_F(DoubtfulPath, rolls_back_after_the_second_no_and_not_before_its_time) {
  merge_times_out();
  world.probe_exit["merge"] = 1;
  std::int64_t waited_us = 0;
  world.pass_time = [&](std::int64_t us) {
    EXPECT_TRUE(is_committed(*row()));
    waited_us += us;
    machine.set_now(TimeUs{machine.now().us + us});
  };
  EXPECT_EQ(go().result, AdvanceResult::rolled_back);
  EXPECT_EQ(count("probe merge"), 2u);
  EXPECT_EQ(waited_us, 30 * us_per_s);
  EXPECT_EQ(stage(), "development");
}

TEST_F(DoubtfulPath, between_its_two_looks_it_waits_and_nothing_is_to_be_taken_away) {
  merge_times_out();
  world.probe_exit["merge"] = 1;
  world.pass_time = nullptr;
  go();
  ASSERT_TRUE(is_in_doubt());
  ASSERT_EQ(acquire(task_key(task), "reconciler").outcome, Outcome::accepted);
  const auto found = why_stuck(machine.state(), *row(), machine.now(), {});
  ASSERT_TRUE(found);
  EXPECT_EQ(found->standing, Standing::waits);
  EXPECT_EQ(found->frees, "") << "the daemon is already handling it";
  EXPECT_EQ(found->until, plus_s(*doubtful_step(*row())->ended, 30));
  EXPECT_NE(found->detail.find("'merge' did not happen"), std::string::npos) << found->detail;
  EXPECT_NE(found->detail.find("its probe runs once more"), std::string::npos) << found->detail;
}

TEST_F(DoubtfulPath, late_effect_is_seen_by_the_second_look) {
  merge_times_out();
  world.probe_exit["merge"] = 1;
  world.pass_time = [&](std::int64_t us) {
    world.probe_exit["merge"] = 0;
    machine.set_now(TimeUs{machine.now().us + us});
  };
  EXPECT_EQ(go().result, AdvanceResult::advanced);
  EXPECT_EQ(count("step merge"), 1u);
}

TEST_F(DoubtfulPath, second_look_that_knows_nothing_blocks) {
  merge_times_out();
  world.probe_exit["merge"] = 1;
  world.pass_time = [&](std::int64_t us) {
    world.probe_exit["merge"] = 2;
    machine.set_now(TimeUs{machine.now().us + us});
  };
  EXPECT_EQ(go().result, AdvanceResult::blocked);
  EXPECT_EQ(row()->blocked, "outcome_unknown");
  EXPECT_TRUE(is_committed(*row()));
}

TEST_F(DoubtfulPath, cut_short_between_the_two_is_begun_again) {
  merge_times_out();
  world.probe_exit["merge"] = 1;
  world.pass_time = nullptr;
  const AdvanceAnswer answer = go();
  EXPECT_EQ(answer.result, AdvanceResult::waiting);
  EXPECT_EQ(answer.reason, "settling: merge");
  EXPECT_TRUE(is_in_doubt());
  EXPECT_EQ(job_status(), JobStatus::done);
  world.step_exit.clear();
  EXPECT_EQ(pass().answer->result, AdvanceResult::advanced);
  EXPECT_EQ(count("step merge"), 2u);
  EXPECT_EQ(count("gate deploy-staging"), 1u);
}

TEST_F(DoubtfulPath, refusal_of_the_second_try_does_not_let_the_first_one_go) {
  merge_times_out();
  world.probe_exit["merge"] = 1;
  world.pass_time = nullptr;
  go();
  world.step_exit["merge"] = {.how = CommandExit::How::exited, .code = 3};
  EXPECT_EQ(pass().answer->reason, "settling: merge");
  EXPECT_EQ(stage(), "deploy-staging");
  // It refused, so it is not begun a third time; only the probe runs.
  machine.set_now(plus_s(machine.now(), 30));
  EXPECT_EQ(pass().answer->result, AdvanceResult::rolled_back);
  EXPECT_EQ(count("step merge"), 2u);
  EXPECT_EQ(stage(), "development");
}

TEST_F(DoubtfulPath, cancel_is_carried_out_after_the_second_no) {
  merge_times_out();
  world.probe_exit["merge"] = 1;
  world.pass_time = nullptr;
  go();
  request_cancel();
  EXPECT_EQ(pass().answer->reason, "settling: merge");
  machine.set_now(plus_s(machine.now(), 30));
  pass();
  EXPECT_EQ(count("step merge"), 1u);
  EXPECT_EQ(stage(), "archived");
  EXPECT_EQ(machine.archive().at(0).task.stage, "cancelled");
}

TEST_F(DoubtfulPath, cancelled_task_whose_merge_came_late_is_delivered) {
  merge_times_out();
  world.probe_exit["merge"] = 1;
  world.pass_time = nullptr;
  go();
  request_cancel();
  world.probe_exit["merge"] = 0;
  machine.set_now(plus_s(machine.now(), 30));
  pass();
  EXPECT_EQ(machine.archive().at(0).task.steps.back().state, StepState::done);
}

TEST_F(DoubtfulPath, gate_that_cannot_tell_keeps_the_work_and_charges_nothing) {
  fb::RunExitedT exited;
  exited.job = raw(job);
  exited.attempt = 1;
  machine.propose(propose_group(requester("monitor"), exited));
  world.gate_later.insert(task);
  const AdvanceAnswer answer = go();
  EXPECT_EQ(answer.result, AdvanceResult::waiting);
  EXPECT_EQ(answer.reason, "later");
  EXPECT_EQ(job_status(), JobStatus::done);
  world.gate_later.clear();
  EXPECT_EQ(pass().answer->result, AdvanceResult::advanced);
}

TEST_F(DoubtfulPath, reversible_step_that_cannot_tell_is_tried_later_and_rolls_nothing_back) {
  fb::RunExitedT exited;
  exited.job = raw(job);
  exited.attempt = 1;
  machine.propose(propose_group(requester("monitor"), exited));
  world.step_exit["retest"] = {.how = CommandExit::How::exited, .code = 75};
  EXPECT_EQ(go().reason, "later: retest");
  EXPECT_EQ(stage(), "deploy-staging");
  EXPECT_EQ(job_status(), JobStatus::done);
  world.step_exit.clear();
  EXPECT_EQ(pass().answer->result, AdvanceResult::advanced);
}

TEST_F(DoubtfulPath, irreversible_step_that_cannot_tell_is_asked_after) {
  world.step_exit["merge"] = {.how = CommandExit::How::exited, .code = 75};
  EXPECT_EQ(go().result, AdvanceResult::advanced);
  EXPECT_EQ(count("probe merge"), 1u);
}

TEST_F(DoubtfulPath, gate_that_is_red_twice_on_one_commit_blocks) {
  world.gate_green[task] = false;
  world.head = "c0ffee";
  EXPECT_EQ(go().result, AdvanceResult::rolled_back);
  ASSERT_TRUE(row()->red);
  EXPECT_EQ(row()->red->head, "c0ffee");
}

TEST_F(DoubtfulPath, gate_that_is_red_on_the_same_commit_again_blocks_unless_it_is_to_be_retried) {
  for (const bool retried : {true, false}) {
    set("queue.max_concurrency", std::int64_t{8});
    set("queue.serial_per_repo", false);
    set("gate.unchanged", std::string(retried ? "retry" : "block"));
    world.head = "c0ffee";
    stand_on("development");
    world.gate_green[task] = false;
    EXPECT_EQ(go().result, AdvanceResult::gate_red);
    wait_for_retry();
    fb::JobClaimedT claim;
    claim.job = raw(job);
    claim.owner = owner("executor");
    ASSERT_EQ(machine.propose(propose_group(requester("executor"), claim)).outcome, Outcome::accepted);
    EXPECT_EQ(go().result, retried ? AdvanceResult::gate_red : AdvanceResult::blocked);
  }
}

}  // namespace
}  // namespace pawl
