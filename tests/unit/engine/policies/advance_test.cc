// The single path, through the real engine: what it asks of the world, what it writes to the log, who wins.
#include "engine/policies/advance.h"

#include <gtest/gtest.h>

#include <set>
#include <string_view>

#include "engine/policies/reconciler.h"
#include "tests/unit/engine/story.h"

namespace pawl {
namespace {

using Advance = Story;

TEST_F(Advance, guarded_edge_runs_lease_gate_steps_and_one_group) {
  const AdvanceAnswer answer = go();
  EXPECT_EQ(answer.result, AdvanceResult::advanced);
  EXPECT_EQ(stage(), "deploy");
  EXPECT_EQ(world.ran, (Names{"gate deploy-staging", "step retest", "step merge"}));
  EXPECT_EQ(last_records(4), (Names{"StageTransition:accepted", "JobFinished:accepted", "LeaseReleased:accepted",
                                    "LeaseReleased:accepted"}));
  EXPECT_EQ(job_status(), JobStatus::done);
  EXPECT_FALSE(held(task_key(task)));
  EXPECT_FALSE(held("repo:shop"));
}

TEST_F(Advance, final_edge_ends_in_the_archive) {
  go();
  EXPECT_EQ(go(AdvanceRequest::OnRed::report, "finalizer").result, AdvanceResult::advanced);
  EXPECT_EQ(stage(), "archived");
  EXPECT_EQ(machine.archive().at(0).task.stage, "done");
}

TEST_F(Advance, unguarded_edge_takes_no_lease) {
  set("queue.max_concurrency", std::int64_t{2});
  set("queue.serial_per_repo", false);
  stand_on("development");
  EXPECT_EQ(go().result, AdvanceResult::advanced);
  EXPECT_EQ(last_records(3), (Names{"GateEvaluated:accepted", "StageTransition:accepted", "JobFinished:accepted"}));
}

TEST_F(Advance, gate_of_an_unguarded_edge_runs_under_the_lease_of_its_task) {
  set("queue.max_concurrency", std::int64_t{2});
  set("queue.serial_per_repo", false);
  Pipeline pipeline = pipeline_with_probe();
  for (Stage& each : pipeline.stages) each.gate->run = {"make", "test"};
  machine.propose(propose_group(requester("operator"), pipeline_event(pipeline)));
  stand_on("development");
  bool asked = false;
  world.meanwhile = [&](const std::string&) {
    asked = true;
    EXPECT_TRUE(held(task_key(task)));
  };
  EXPECT_EQ(go().result, AdvanceResult::advanced);
  EXPECT_TRUE(asked);
  EXPECT_FALSE(held(task_key(task)));
}

TEST_F(Advance, live_owner_defers_before_the_gate_is_asked) {
  ASSERT_EQ(acquire(task_key(task), "webhook").outcome, Outcome::accepted);
  EXPECT_EQ(go().result, AdvanceResult::deferred);
  EXPECT_TRUE(world.ran.empty());
}

TEST_F(Advance, held_task_waits_before_anything_is_asked_and_goes_on_once_it_is_free) {
  fb::HoldPlacedT hold;
  hold.place = "repo:shop";
  hold.until = plus_s(machine.now(), 60).us;
  ASSERT_EQ(machine.propose(propose_group(requester("operator"), hold)).outcome, Outcome::accepted);
  const AdvanceAnswer answer = go();
  EXPECT_EQ(answer.result, AdvanceResult::waiting);
  EXPECT_EQ(answer.awaited, Awaited::hold);
  EXPECT_EQ(last_records(1), (Names{"HoldPlaced:accepted"}));
  EXPECT_TRUE(world.ran.empty());
  machine.set_now(plus_s(machine.now(), 60));
  EXPECT_EQ(go().result, AdvanceResult::advanced) << "no record has said that it is over";
}

TEST_F(Advance, task_waits_for_its_time_before_anything_is_asked) {
  fb::TaskPrioritizedT later;
  later.task = raw(task);
  later.not_before = plus_s(machine.now(), 60).us;
  ASSERT_EQ(machine.propose(propose_group(requester("operator"), later)).outcome, Outcome::accepted);
  const AdvanceAnswer answer = go();
  EXPECT_EQ(answer.result, AdvanceResult::waiting);
  EXPECT_EQ(answer.awaited, Awaited::hold);
  EXPECT_TRUE(answer.reason.starts_with("not_yet: its time has not come")) << answer.reason;
  EXPECT_TRUE(world.ran.empty());
  machine.set_now(plus_s(machine.now(), 60));
  EXPECT_EQ(go().result, AdvanceResult::advanced) << "no record has said that its time has come";
}

TEST_F(Advance, held_repository_waits_and_takes_neither_lease) {
  ASSERT_EQ(acquire("repo:shop", "webhook").outcome, Outcome::accepted);
  const AdvanceAnswer answer = go();
  EXPECT_EQ(answer.result, AdvanceResult::waiting);
  EXPECT_EQ(answer.reason, "lease");
  EXPECT_EQ(answer.awaited, Awaited::lease);
  EXPECT_FALSE(held(task_key(task)));
  EXPECT_TRUE(world.ran.empty());
}

TEST_F(Advance, task_that_is_committed_to_another_edge_is_left_alone_without_a_record) {
  set("queue.max_concurrency", std::int64_t{2});
  set("queue.serial_per_repo", false);
  stand_on("development");
  exited();
  const Decision leased = acquire(task_key(task), "webhook");
  const Token token = *leased.granted(task_key(task));
  fb::StepStartedT start;
  start.task = raw(task);
  start.version = raw(version());
  start.to = "done";
  start.step = "deploy";
  start.token = raw(token);
  ASSERT_EQ(machine.propose(propose_group(requester("webhook"), start)).outcome, Outcome::accepted);
  fb::StepFinishedT finished;
  finished.task = raw(task);
  finished.version = raw(version());
  finished.step = "deploy";
  finished.started = raw(machine.state().last_seq);
  ASSERT_EQ(machine.propose(propose_group(requester("webhook"), finished)).outcome, Outcome::accepted);
  fb::LeaseReleasedT released;
  released.key = task_key(task);
  released.token = raw(token);
  ASSERT_EQ(machine.propose(propose_group(requester("webhook"), released)).outcome, Outcome::accepted);
  const Seq before = machine.state().last_seq;
  EXPECT_EQ(go().result, AdvanceResult::committed);
  EXPECT_EQ(machine.state().last_seq, before) << "a lease taken and given back would wake it again at once";
  EXPECT_TRUE(world.ran.empty());
}

TEST_F(Advance, second_actor_in_mid_flight_runs_nothing) {
  exited();
  world.meanwhile = [&](const std::string& what) {
    if (what != "step merge") return;
    world.meanwhile = nullptr;
    EXPECT_EQ(go(AdvanceRequest::OnRed::report, "webhook").result, AdvanceResult::deferred);
  };
  EXPECT_EQ(go().result, AdvanceResult::advanced);
  EXPECT_EQ(count("step merge"), 1u);
}

TEST_F(Advance, task_that_is_to_be_cancelled_goes_no_further_than_the_gate_that_runs) {
  world.meanwhile = [&](const std::string& what) {
    if (what.starts_with("gate")) request_cancel();
  };
  go();
  EXPECT_EQ(count("step retest"), 0u);
  EXPECT_EQ(stage(), "archived");
  EXPECT_EQ(machine.archive().at(0).task.stage, "cancelled");
}

TEST_F(Advance, red_gate_rolls_back_for_the_monitor_only) {
  exited();
  world.gate_green[task] = false;
  EXPECT_EQ(go(AdvanceRequest::OnRed::report).result, AdvanceResult::gate_red);
  EXPECT_EQ(stage(), "deploy-staging");
  EXPECT_FALSE(held(task_key(task)));
  EXPECT_EQ(go().result, AdvanceResult::rolled_back);
  EXPECT_EQ(stage(), "development");
  EXPECT_EQ(count("step retest"), 0u);
}

TEST_F(Advance, gate_in_error_retries_and_never_rolls_back) {
  world.gate_green[task] = std::nullopt;
  EXPECT_EQ(go().result, AdvanceResult::waiting);
  EXPECT_EQ(stage(), "deploy-staging");
  EXPECT_EQ(job_status(), JobStatus::queued);
  EXPECT_FALSE(held("repo:shop"));
}

TEST_F(Advance, failed_reversible_step_rolls_back) {
  world.step_exit["retest"] = {.how = CommandExit::How::exited, .code = 1};
  EXPECT_EQ(go().result, AdvanceResult::rolled_back);
  EXPECT_EQ(stage(), "development");
  EXPECT_EQ(count("step merge"), 0u);
}

TEST_F(Advance, vouched_exit_code_of_an_irreversible_step_rolls_back) {
  world.step_exit["merge"] = {.how = CommandExit::How::exited, .code = 3};
  EXPECT_EQ(go().result, AdvanceResult::rolled_back);
  EXPECT_EQ(count("probe merge"), 0u);
}

TEST_F(Advance, timed_out_merge_is_unknown_and_the_probe_says_yes) {
  world.step_exit["merge"] = {.how = CommandExit::How::timed_out};
  world.probe_exit["merge"] = 0;
  EXPECT_EQ(go().result, AdvanceResult::advanced);
  EXPECT_EQ(stage(), "deploy");
  EXPECT_EQ(count("end merge run-2"), 1u) << "the process is shown to be gone before the probe is asked";
}

TEST_F(Advance, unknown_merge_that_did_not_happen_rolls_back) {
  world.step_exit["merge"] = {.how = CommandExit::How::signalled, .code = 9};
  world.probe_exit["merge"] = 1;
  EXPECT_EQ(go().result, AdvanceResult::rolled_back);
}

TEST_F(Advance, unknown_merge_without_an_answer_blocks_and_frees_slot_and_leases) {
  world.step_exit["merge"] = {.how = CommandExit::How::exited, .code = 1};
  world.probe_exit["merge"] = 2;
  const AdvanceAnswer answer = go();
  EXPECT_EQ(answer.result, AdvanceResult::blocked);
  EXPECT_EQ(row()->blocked, "outcome_unknown");
  EXPECT_EQ(stage(), "deploy-staging");
  EXPECT_EQ(job_status(), JobStatus::done);
  EXPECT_FALSE(held(task_key(task)));
  EXPECT_FALSE(held("repo:shop"));
}

TEST_F(Advance, crash_in_mid_merge_is_settled_before_anything_runs_again) {
  struct Crash {};
  world.meanwhile = [&](const std::string& what) {
    if (what == "step merge") throw Crash{};
  };
  EXPECT_THROW(go(), Crash);
  world.meanwhile = nullptr;
  world.ran.clear();
  boot("boot-2");
  EXPECT_TRUE(is_committed(*row()));
  EXPECT_FALSE(held(task_key(task))) << "a stale boot's leases are reclaimed with its end";
  EXPECT_EQ(job_status(), JobStatus::done) << "a committed crossing is re-entered, not requeued";

  world.probe_exit["merge"] = 1;
  const Reconciled done = reconcile(machine, world, task, requester("reconciler"), 1);
  EXPECT_EQ(done.move, ReconcileMove::reenter);
  EXPECT_EQ(done.answer->result, AdvanceResult::advanced);
  EXPECT_EQ(world.ran, (Names{"end merge run-2", "probe merge", "step merge"}))
      << "no gate, no second retest; the probe before the merge";
}

TEST_F(Advance, crash_after_merge_skips_it) {
  struct Crash {};
  world.meanwhile = [&](const std::string& what) {
    if (what == "step merge") throw Crash{};
  };
  EXPECT_THROW(go(), Crash);
  world.meanwhile = nullptr;
  world.ran.clear();
  boot("boot-2");
  EXPECT_EQ(reconcile(machine, world, task, requester("reconciler"), 1).answer->result, AdvanceResult::advanced);
  EXPECT_EQ(world.ran, (Names{"end merge run-2", "probe merge"}));
}

TEST_F(Advance, orphan_that_cannot_be_ended_blocks) {
  struct Crash {};
  world.meanwhile = [&](const std::string& what) {
    if (what == "step merge") throw Crash{};
  };
  EXPECT_THROW(go(), Crash);
  world.meanwhile = nullptr;
  world.ran.clear();
  world.previous_alive["merge"] = true;
  boot("boot-2");
  EXPECT_EQ(reconcile(machine, world, task, requester("reconciler"), 1).answer->result, AdvanceResult::blocked);
  EXPECT_TRUE(world.ran.empty()) << "nothing is probed while the old process may still act";
}

/// The edge's owner is outside: the daemon has no command for its steps, and can only run probes.
class LeftOpenOutside : public Advance {
 protected:
  /// The owner of the crossing dies in the middle of its merge, and the reconciler takes over.
  AdvanceAnswer reconciled(int probe_exit) {
    struct Crash {};
    world.meanwhile = [&](const std::string& what) {
      if (what == "step merge") throw Crash{};
    };
    EXPECT_THROW(go(), Crash);
    boot("boot-2");
    world.meanwhile = nullptr;
    world.without_command = {"retest", "merge"};
    world.probe_exit["merge"] = probe_exit;
    const Reconciled done = reconcile(machine, world, task, requester("reconciler"), 1);
    EXPECT_FALSE(held(task_key(task)));
    EXPECT_FALSE(held("repo:shop"));
    return *done.answer;
  }
};

TEST_F(LeftOpenOutside, step_that_happened_is_settled_and_the_task_goes_on) {
  EXPECT_EQ(reconciled(0).result, AdvanceResult::advanced);
  EXPECT_EQ(stage(), "deploy");
}

TEST_F(LeftOpenOutside, step_that_nobody_knows_of_blocks) {
  EXPECT_EQ(reconciled(2).result, AdvanceResult::blocked);
  EXPECT_EQ(row()->blocked, "outcome_unknown");
}

TEST_F(LeftOpenOutside, step_that_did_not_happen_is_for_the_next_owner) {
  const AdvanceAnswer answer = reconciled(1);
  EXPECT_EQ(answer.result, AdvanceResult::waiting);
  EXPECT_EQ(answer.reason, "did_not_happen: merge");
  EXPECT_EQ(count("probe merge"), 2u) << "it might still have happened";
  EXPECT_FALSE(is_committed(*row()));
  EXPECT_EQ(reconcile(machine, world, task, requester("reconciler"), 1).answer->reason, "no_command");
}

TEST_F(LeftOpenOutside, end_that_comes_while_the_gate_runs_leaves_the_rest_to_the_next_owner) {
  fb::StepFinishedT late;
  struct Crash {};
  world.meanwhile = [&](const std::string& what) {
    if (what == "step retest") throw Crash{};
  };
  EXPECT_THROW(go(), Crash);
  late.task = raw(task);
  late.version = raw(version());
  late.step = "retest";
  late.started = raw(open_step(*row())->started);
  boot("boot-2");
  world.without_command = {"retest", "merge"};
  world.meanwhile = [&](const std::string& what) {
    if (what.rfind("gate", 0) == 0) machine.propose(propose_group(requester("hand"), late));
  };
  const AdvanceAnswer answer = go();
  EXPECT_EQ(answer.result, AdvanceResult::waiting);
  EXPECT_EQ(answer.reason, "no_command");
  EXPECT_EQ(answer.awaited, Awaited::command);
  EXPECT_EQ(count("step merge"), 0U) << "the daemon has no command for it";
}

TEST_F(Advance, reaped_owner_is_fenced_at_its_next_step) {
  world.meanwhile = [&](const std::string& what) {
    if (what != "step retest") return;
    fb::LeaseReclaimedT event;
    event.key = task_key(task);
    event.token = raw(machine.state().lease(event.key)->token);
    event.reason = fb::ReclaimReason::forced;
    ASSERT_EQ(machine.propose(propose_group(requester("operator"), event)).outcome, Outcome::accepted);
  };
  EXPECT_EQ(go().result, AdvanceResult::deferred);
  EXPECT_EQ(count("step merge"), 0u);
  EXPECT_FALSE(held("repo:shop")) << "the lease it still held is released";
}

TEST_F(Advance, cancel_in_mid_crossing_stops_before_the_merge) {
  world.meanwhile = [&](const std::string& what) {
    if (what == "step retest") request_cancel();
  };
  go();
  EXPECT_EQ(count("step merge"), 0u);
  EXPECT_NE(stage(), "deploy");
}

TEST_F(Advance, cancel_during_the_merge_finishes_it_honestly) {
  world.meanwhile = [&](const std::string& what) {
    if (what == "step merge") request_cancel();
  };
  EXPECT_EQ(go().result, AdvanceResult::advanced);
  ASSERT_EQ(stage(), "archived");
  EXPECT_EQ(machine.archive().at(0).task.stage, "cancelled") << "deploy is not terminal, so the cancel is carried out";
}

TEST_F(Advance, ownership_switched_on_in_mid_flight_makes_the_token_stale) {
  set("ownership.enabled", false);
  world.meanwhile = [&](const std::string& what) {
    if (what == "step retest") set("ownership.enabled", true);
  };
  EXPECT_EQ(go().result, AdvanceResult::deferred);
  EXPECT_EQ(count("step merge"), 0u);
}

TEST_F(Advance, ownership_off_marks_what_was_not_checked) {
  set("ownership.enabled", false);
  EXPECT_EQ(go().result, AdvanceResult::advanced);
  const auto& transition = machine.lines()[machine.lines().size() - 2];
  EXPECT_EQ(transition.record.record().event_type(), fb::Event::StageTransition);
  EXPECT_TRUE(transition.applied.unchecked);
}

TEST_F(Advance, reconciler_asks_the_gate_then_queues_then_blocks) {
  fb::JobFinishedT finished;
  finished.job = raw(job);
  finished.attempt = 1;
  finished.result = fb::JobResult::done;
  machine.propose(propose_group(requester("monitor"), finished));
  world.gate_green[task] = false;
  EXPECT_EQ(reconcile(machine, world, task, requester("reconciler"), 1).move, ReconcileMove::ask_gate);
  EXPECT_EQ(last_records(1), (Names{"JobQueued:accepted"}));
  EXPECT_EQ(reconcile(machine, world, task, requester("reconciler"), 1).move, ReconcileMove::none);
}

TEST_F(Advance, token_that_was_handed_over_is_all_that_an_edge_needs_whose_steps_share_the_repository) {
  ASSERT_EQ(go().result, AdvanceResult::advanced);
  ASSERT_EQ(stage(), "deploy");
  const Token token = *acquire(task_key(task), "finalizer").granted(task_key(task));
  const AdvanceAnswer answer = advance(
      machine, world, {.task = task, .version = version(), .requester = requester("finalizer"), .token = token});
  EXPECT_EQ(answer.result, AdvanceResult::advanced);
  EXPECT_EQ(stage(), "archived");
}

TEST_F(Advance, failed_step_of_a_stage_without_a_way_back_is_tried_again_and_then_blocks) {
  Pipeline pipeline = pipeline_with_probe();
  for (Stage& each : pipeline.stages) {
    if (each.name == "deploy-staging") each.rollback.clear();
  }
  machine.propose(propose_group(requester("operator"), pipeline_event(pipeline)));
  set("queue.max_concurrency", std::int64_t{2});
  set("queue.serial_per_repo", false);
  stand_on("deploy-staging");
  world.step_exit["retest"] = {.how = CommandExit::How::exited, .code = 1};
  const AdvanceAnswer answer = go();
  EXPECT_EQ(answer.result, AdvanceResult::waiting);
  EXPECT_EQ(answer.reason, "step_failed: retest");
  EXPECT_EQ(job_status(), JobStatus::queued);
  EXPECT_FALSE(held(task_key(task)));
}

TEST_F(Advance, task_that_somebody_takes_while_the_gate_of_an_open_edge_runs_is_left_to_him) {
  set("queue.max_concurrency", std::int64_t{2});
  set("queue.serial_per_repo", false);
  stand_on("testing");
  world.meanwhile = [&](const std::string& what) {
    if (what == "gate testing") acquire(task_key(task), "webhook");
  };
  EXPECT_EQ(go().result, AdvanceResult::deferred);
  EXPECT_EQ(stage(), "testing");
  EXPECT_TRUE(held(task_key(task)));
}

TEST_F(Advance, word_of_an_operator_about_a_step_in_the_air_stands) {
  world.meanwhile = [&](const std::string& what) {
    if (what != "step retest") return;
    fb::StepFinishedT event;
    event.task = raw(task);
    event.version = raw(version());
    event.step = "retest";
    event.started = raw(row()->steps.front().started);
    event.outcome = fb::StepOutcome::failed;
    event.by = fb::StepBy::operator_;
    ASSERT_EQ(machine.propose(propose_group(requester("operator"), event)).outcome, Outcome::accepted);
  };
  EXPECT_EQ(go().outcome, Outcome::not_started);
  EXPECT_EQ(count("step merge"), 0u);
  EXPECT_FALSE(held(task_key(task)));
}

TEST(AdvanceResults, have_names_of_their_own) {
  std::set<std::string_view> names;
  for (int result = 0; result <= static_cast<int>(AdvanceResult::committed); ++result) {
    EXPECT_TRUE(names.insert(name(static_cast<AdvanceResult>(result))).second) << result;
  }
}

TEST_F(Advance, old_version_drives_nothing) {
  const Version old = version();
  go();
  world.ran.clear();
  const AdvanceAnswer answer =
      advance(machine, world, {.task = task, .version = old, .requester = requester("monitor")});
  EXPECT_EQ(answer.result, AdvanceResult::waiting);
  EXPECT_EQ(answer.reason, "moved_on");
  EXPECT_EQ(answer.awaited, Awaited::nothing);
  EXPECT_TRUE(world.ran.empty());
}

}  // namespace
}  // namespace pawl
