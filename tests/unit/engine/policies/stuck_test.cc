// Every reason why a task does not move, by the code that people and programs are told.
#include "engine/policies/stuck.h"

#include "tests/unit/engine/story.h"

namespace pawl {
namespace {

class StuckTest : public Story {
 protected:
  std::optional<Stuck> look() {
    std::optional<Stuck> found =
        why_stuck(machine.state(), *row(), machine.now(), {.is_passed_over = [this](JobId) { return passed_over; }});
    if (!found || !found->owner) return found;
    return judge_owner(*found, world.is_alive(*found->owner, *found->owner_boot));
  }
  std::string reason() {
    const auto found = look();
    return found ? found->reason : "none";
  }
  std::string frees() {
    const auto found = look();
    return found ? found->frees : "none";
  }
  void wait(std::int64_t seconds) { machine.set_now(plus_s(machine.now(), seconds)); }
  void exit_with(std::int64_t code) {
    fb::RunExitedT event;
    event.job = raw(job);
    event.attempt = 1;
    event.exit_code = code;
    ASSERT_EQ(machine.propose(propose_group(asker("monitor"), event)).outcome, Outcome::accepted);
  }
  /// For tasks from here on; the fixture's own is out of the way.
  void give_every_step_a_command() {
    Pipeline pipeline = pipeline_with_probe();
    for (Stage& each : pipeline.stages) {
      for (PipelineStep& step : each.steps) step.run = {"step"};
    }
    machine.propose(propose_group(asker("operator"), pipeline_event(pipeline)));
    finish(fb::JobResult::done);
  }
  void finish(fb::JobResult result) {
    fb::JobFinishedT event;
    event.job = raw(job);
    event.attempt = 1;
    event.result = result;
    ASSERT_EQ(machine.propose(propose_group(asker("monitor"), event)).outcome, Outcome::accepted);
  }

  bool passed_over = false;
};

TEST_F(StuckTest, what_runs_within_its_budget_is_not_stuck) {
  EXPECT_EQ(reason(), "none");
}

TEST_F(StuckTest, owner_dead) {
  world.pid_alive[1] = false;
  EXPECT_EQ(reason(), "owner_dead");
  EXPECT_EQ(frees(), "pawl reap");
}

TEST_F(StuckTest, owner_alive_past_the_ceiling) {
  wait(5400);
  EXPECT_EQ(reason(), "owner_alive");
}

TEST_F(StuckTest, owner_alive_past_the_grace) {
  exit_with(0);
  ASSERT_EQ(acquire(task_key(task), "monitor").outcome, Outcome::accepted);
  wait(299);
  EXPECT_EQ(reason(), "none");
  wait(1);
  EXPECT_EQ(reason(), "owner_alive");
  EXPECT_EQ(frees(), "pawl release --work-item '" + row()->work_item + "' --repo 'shop'");
}

TEST_F(StuckTest, owner_alive_past_the_grace_without_a_lease_is_for_the_reaper) {
  exit_with(0);
  wait(300);
  EXPECT_EQ(reason(), "owner_alive");
  EXPECT_EQ(frees(), "pawl reap");
}

TEST_F(StuckTest, words_of_a_command_line_are_words_whatever_is_in_them) {
  fb::TaskCreatedT event;
  event.work_item = "it's $(reboot)";
  event.repo = "other";
  event.stage = "deploy";
  task = TaskId{machine.propose(propose_group(asker("operator"), event)).effects.front().id};
  ASSERT_EQ(acquire(task_key(task), "monitor").outcome, Outcome::accepted);
  EXPECT_EQ(frees(), R"(pawl release --work-item 'it'\''s $(reboot)' --repo 'other')");
}

TEST_F(StuckTest, what_has_ended_is_not_stuck) {
  Task ended = *row();
  ended.stage = "done";
  EXPECT_FALSE(why_stuck(machine.state(), ended, machine.now(), {}));
}

TEST_F(StuckTest, repository_that_somebody_holds_is_asked_of_every_step) {
  Pipeline pipeline = pipeline_with_probe();
  for (Stage& each : pipeline.stages) {
    if (each.name == "deploy-staging") std::swap(each.steps[0], each.steps[1]);
  }
  machine.propose(propose_group(asker("operator"), pipeline_event(pipeline)));
  set("queue.serial_per_repo", false);
  set("queue.max_concurrency", std::int64_t{2});
  stand_on("deploy-staging");
  finish(fb::JobResult::done);
  acquire(repo_key("shop"), "worker");
  EXPECT_EQ(reason(), "lease") << "of the first step; the second shares it";
}

TEST_F(StuckTest, repository_that_somebody_holds) {
  finish(fb::JobResult::done);
  fb::GateEvaluatedT gate;
  gate.task = raw(task);
  gate.version = raw(version());
  gate.gate = "deploy-staging";
  gate.passed = true;
  machine.propose(propose_group(asker("monitor"), gate));
  EXPECT_EQ(reason(), "none") << "its gate is green: the next pass drives it";
  const Decision repo = acquire(repo_key("shop"), "worker");
  EXPECT_EQ(reason(), "lease");
  EXPECT_EQ(frees(), "pawl release 'repo:shop' --token " + std::to_string(raw(*repo.granted(repo_key("shop")))));
  go();
  fb::TaskCreatedT event;
  event.work_item = "W-other";
  event.repo = "shop";
  event.stage = "deploy";
  task = TaskId{machine.propose(propose_group(asker("operator"), event)).effects.front().id};
  EXPECT_EQ(reason(), "none") << "nothing on its edge needs the repository for itself";
}

TEST_F(StuckTest, outcome_unknown_says_how_it_is_resolved) {
  world.step_exit["merge"] = {.how = CommandExit::How::timed_out};
  world.probe_exit["merge"] = 2;
  go();
  EXPECT_EQ(reason(), "outcome_unknown");
  EXPECT_EQ(frees(), "pawl resolve 1 merge --happened (or --did-not)");
}

TEST_F(StuckTest, blocked_where_nobody_works_is_freed_without_a_job) {
  go();
  ASSERT_EQ(stage(), "deploy");
  fb::TaskBlockedT event;
  event.task = raw(task);
  event.version = raw(version());
  event.reason = "outcome_unknown";
  ASSERT_EQ(machine.propose(propose_group(asker("operator"), event)).outcome, Outcome::accepted);
  EXPECT_EQ(reason(), "blocked") << "whatever was unknown has been settled";
  EXPECT_EQ(frees(), "pawl unblock 1") << "a retry wants an agent";
}

TEST_F(StuckTest, blocked_by_whatever_it_says) {
  finish(fb::JobResult::failed);
  EXPECT_EQ(reason(), "blocked");
}

TEST_F(StuckTest, queued_jobs_wait_for_a_slot_a_worker_a_dependency_or_a_process) {
  const TaskId first = task;
  const auto create = [&](const std::string& repo, const std::vector<TaskId>& depends_on = {}) {
    fb::TaskCreatedT event;
    event.work_item = "Q-" + std::to_string(machine.lines().size());
    event.repo = repo;
    for (const TaskId id : depends_on) event.depends_on.push_back(raw(id));
    task = TaskId{machine.propose(propose_group(asker("operator"), event)).effects.front().id};
  };
  create("shop");
  EXPECT_EQ(reason(), "serial_gate");
  set("queue.max_concurrency", std::int64_t{1});
  create("other");
  EXPECT_EQ(reason(), "limit");
  set("queue.max_concurrency", std::int64_t{5});
  EXPECT_EQ(reason(), "unclaimed");
  EXPECT_EQ(why_stuck(machine.state(), *row(), machine.now(), {})->reason, "unclaimed") << "whom nobody asks";
  passed_over = true;
  EXPECT_EQ(reason(), "previous_alive");
  const TaskId second = task;
  create("third", {second, first});
  fb::TaskCancelledT cancel;
  cancel.task = raw(second);
  ASSERT_EQ(machine.propose(propose_group(asker("operator"), cancel)).outcome, Outcome::accepted);
  EXPECT_EQ(reason(), "dependency") << "of two, the one that has not ended";
  EXPECT_EQ(frees(), "pawl task 1");
}

TEST_F(StuckTest, critical_window_waits_for_whoever_crosses) {
  ASSERT_EQ(acquire(task_key(task), "monitor").outcome, Outcome::accepted);
  finish(fb::JobResult::done);
  EXPECT_EQ(reason(), "lease");
  request_cancel();
  EXPECT_EQ(reason(), "critical_window");
  EXPECT_EQ(frees(), "pawl release --work-item '" + row()->work_item + "' --repo 'shop'");
}

TEST_F(StuckTest, critical_window_that_nobody_is_in_is_for_the_next_pass) {
  struct Crash {};
  world.meanwhile = [](const std::string& what) {
    if (what == "step merge") throw Crash{};
  };
  EXPECT_THROW(go(), Crash);
  world.meanwhile = nullptr;
  request_cancel();
  boot("boot-2");
  EXPECT_EQ(reason(), "outcome_unknown") << "a step without a command";
  fb::StepFinishedT happened;
  happened.task = raw(task);
  happened.version = raw(version());
  happened.step = "merge";
  happened.started = raw(row()->steps.back().started);
  happened.by = fb::StepBy::operator_;
  ASSERT_EQ(machine.propose(propose_group(asker("operator"), happened)).outcome, Outcome::accepted);
  EXPECT_EQ(reason(), "critical_window");
  EXPECT_EQ(frees(), "pawl advance 1");
  EXPECT_FALSE(look()->owner);
}

TEST_F(StuckTest, outcome_unknown_of_a_step_that_somebody_outside_left_open) {
  const Decision lease = acquire(task_key(task), "worker");
  const Decision repo = acquire(repo_key("shop"), "worker");
  fb::StepStartedT start;
  start.task = raw(task);
  start.version = raw(version());
  start.to = "deploy";
  start.step = "merge";
  start.token = raw(*lease.granted(task_key(task)));
  start.repo_token = raw(*repo.granted(repo_key("shop")));
  ASSERT_EQ(machine.propose(propose_group(asker("worker"), start)).outcome, Outcome::accepted);
  finish(fb::JobResult::done);
  EXPECT_EQ(reason(), "lease") << "he is about to end it";
  fb::LeaseReleasedT release;
  release.key = task_key(task);
  release.token = start.token;
  machine.propose(propose_group(asker("worker"), release));
  EXPECT_EQ(reason(), "outcome_unknown") << "without a command the reconciler cannot go on from there";
  EXPECT_EQ(frees(), "pawl resolve 1 merge --happened (or --did-not)");
  request_cancel();
  EXPECT_EQ(reason(), "outcome_unknown") << "a committed crossing is finished first";
}

TEST_F(StuckTest, outcome_unknown_of_a_step_of_an_edge_on_which_the_task_does_not_stand) {
  give_every_step_a_command();
  stand_on("analysis");
  fb::StepStartedT start;
  start.task = raw(task);
  start.version = raw(version());
  start.to = "deploy";
  start.step = "merge";
  set("ownership.enabled", false);
  ASSERT_EQ(machine.propose(propose_group(asker("worker"), start)).outcome, Outcome::accepted);
  finish(fb::JobResult::done);
  EXPECT_EQ(reason(), "outcome_unknown") << "the reconciler drives it over another edge";
}

TEST_F(StuckTest, outcome_unknown_of_a_step_of_an_earlier_crossing_of_the_same_edge) {
  give_every_step_a_command();
  stand_on("deploy-staging");
  finish(fb::JobResult::done);
  set("ownership.enabled", false);
  for (const char* to : {"development", "review", "testing", "deploy-staging"}) {
    fb::StageTransitionT moved;
    moved.task = raw(task);
    moved.to = to;
    moved.expected_version = raw(version());
    ASSERT_EQ(machine.propose(propose_group(asker("operator"), moved)).outcome, Outcome::accepted);
  }
  // Whoever entered the crossing before all that comes to its step only now.
  fb::StepStartedT start;
  start.task = raw(task);
  start.version = 1;
  start.to = "deploy";
  start.step = "merge";
  ASSERT_EQ(machine.propose(propose_group(asker("finalizer"), start)).outcome, Outcome::accepted);
  set("ownership.enabled", true);
  EXPECT_EQ(reason(), "outcome_unknown") << "the reconciler settles what is of the present crossing";
  EXPECT_EQ(frees(), "pawl resolve " + std::to_string(raw(task)) + " merge --happened (or --did-not)");
}

TEST_F(StuckTest, red_gate_of_a_stage_without_a_job) {
  go();
  ASSERT_EQ(stage(), "deploy");
  EXPECT_EQ(reason(), "none") << "the next pass drives it";
  set("reconciler.enabled", false);
  EXPECT_EQ(reason(), "reconciler_off");
  set("reconciler.enabled", true);
  world.gate_green[task] = false;
  go(AdvanceOrder::OnRed::report, "finalizer");
  EXPECT_EQ(reason(), "gate_red");
  EXPECT_EQ(look()->detail, "the gate of 'deploy' is red");
  world.gate_green[task] = std::nullopt;
  go(AdvanceOrder::OnRed::report, "finalizer");
  EXPECT_EQ(reason(), "gate_red");
  EXPECT_TRUE(look()->detail.starts_with("the gate of 'deploy' is in error")) << look()->detail;
  fb::GateEvaluatedT gate;
  gate.task = raw(task);
  gate.version = raw(version());
  gate.gate = "deploy";
  gate.passed = false;
  gate.reason = "the site is down";
  machine.propose(propose_group(asker("monitor"), gate));
  EXPECT_EQ(look()->detail, "the gate of 'deploy' is red: the site is down");
}

TEST_F(StuckTest, variable_missing) {
  give_every_step_a_command();
  MissingVariable missing{.version = row()->version, .since = machine.now(), .words = "TOKEN: /srv/token: none"};
  const auto found = [&] {
    return why_stuck(machine.state(), *row(), machine.now(),
                     {.missing_variable = [&](TaskId) { return std::optional(missing); }});
  };
  ASSERT_TRUE(found());
  EXPECT_EQ(found()->reason, "variable_missing");
  EXPECT_EQ(found()->detail, "its command cannot be given the variable TOKEN: /srv/token: none");
  missing.version = Version{raw(row()->version) - 1};
  EXPECT_FALSE(found() && found()->reason == "variable_missing") << "that was before the task moved on";
}

}  // namespace
}  // namespace pawl
