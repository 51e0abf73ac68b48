// Every reason why a task does not move, by the code that people and programs see.
#include "engine/policies/stuck.h"

#include "tests/unit/engine/story.h"

namespace pawl {
namespace {

class StuckTest : public Story {
 protected:
  std::optional<Stuck> look() {
    std::optional<Stuck> found =
        why_stuck(machine.state(), *row(), machine.now(), {.is_skipped = [this](JobId) { return skipped; }});
    if (!found || !found->owner) return found;
    return judge_owner(*found, observation                                         ? *observation
                               : world.is_alive(*found->owner, *found->owner_boot) ? Liveness::alive
                                                                                   : Liveness::dead);
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
    ASSERT_EQ(machine.propose(propose_group(requester("monitor"), event)).outcome, Outcome::accepted);
  }
  /// For tasks from here on; moves the fixture's own out of the way.
  void give_every_step_a_command() {
    Pipeline pipeline = pipeline_with_probe();
    for (Stage& each : pipeline.stages) {
      for (PipelineStep& step : each.steps) step.run = {"step"};
    }
    machine.propose(propose_group(requester("operator"), pipeline_event(pipeline)));
    finish(fb::JobResult::done);
  }
  void finish(fb::JobResult result) {
    fb::JobFinishedT event;
    event.job = raw(job);
    event.attempt = 1;
    event.result = result;
    ASSERT_EQ(machine.propose(propose_group(requester("monitor"), event)).outcome, Outcome::accepted);
  }

  bool skipped = false;
  std::optional<Liveness> observation;  // in place of the real observations
};

TEST_F(StuckTest, what_runs_within_its_budget_waits_its_turn) {
  EXPECT_EQ(reason(), "running");
  EXPECT_EQ(look()->standing, Standing::waits);
  EXPECT_EQ(look()->since, machine.state().jobs.find(job)->run->claimed);
  EXPECT_EQ(frees(), "");
  observation = Liveness::invisible;
  EXPECT_EQ(look()->standing, Standing::waits) << "its process cannot be observed";
  EXPECT_EQ(reason(), "running");
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
  EXPECT_EQ(reason(), "running");
  EXPECT_EQ(look()->standing, Standing::waits);
  wait(1);
  EXPECT_EQ(reason(), "owner_alive");
  EXPECT_EQ(look()->standing, Standing::stands);
  EXPECT_EQ(frees(), "pawl release --work-item '" + row()->work_item + "' --repo 'shop'");
}

TEST_F(StuckTest, owner_alive_past_the_grace_without_a_lease_is_for_the_reaper) {
  exit_with(0);
  EXPECT_EQ(reason(), "no_command") << "the step's outside owner is absent";
  wait(300);
  EXPECT_EQ(reason(), "owner_alive");
  EXPECT_EQ(frees(), "pawl reap");
}

TEST_F(StuckTest, words_of_a_command_line_are_words_whatever_is_in_them) {
  fb::TaskCreatedT event;
  event.work_item = "it's $(reboot)";
  event.repo = "other";
  event.stage = "deploy";
  task = TaskId{machine.propose(propose_group(requester("operator"), event)).effects.front().id};
  ASSERT_EQ(acquire(task_key(task), "monitor").outcome, Outcome::accepted);
  EXPECT_EQ(frees(), "") << "the daemon is already handling it";
  wait(5400);
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
  machine.propose(propose_group(requester("operator"), pipeline_event(pipeline)));
  set("queue.serial_per_repo", false);
  set("queue.max_concurrency", std::int64_t{2});
  stand_on("deploy-staging");
  finish(fb::JobResult::done);
  acquire(repo_key("shop"), "worker");
  EXPECT_EQ(reason(), "lease") << "of the first step; the second shares it";
}

TEST_F(StuckTest, repository_that_somebody_holds) {
  give_every_step_a_command();
  stand_on("deploy-staging");
  finish(fb::JobResult::done);
  fb::GateEvaluatedT gate;
  gate.task = raw(task);
  gate.version = raw(version());
  gate.gate = "deploy-staging";
  gate.passed = true;
  machine.propose(propose_group(requester("monitor"), gate));
  EXPECT_EQ(reason(), "next_pass") << "its gate is green";
  EXPECT_EQ(look()->standing, Standing::waits);
  const Decision repo = acquire(repo_key("shop"), "worker");
  EXPECT_EQ(reason(), "lease");
  EXPECT_EQ(frees(), "") << "the daemon is at work under it: another merge would run beside it";
  EXPECT_EQ(look()->detail, "it waits for the lease repo:shop, which worker holds");
  EXPECT_EQ(look()->since, machine.state().lease(repo_key("shop"))->acquired);
  const TimeUs then = machine.now();
  wait(5400);
  EXPECT_EQ(frees(), "pawl release 'repo:shop' --token " + std::to_string(raw(*repo.granted(repo_key("shop")))));
  machine.set_now(then);
  go();
  fb::TaskCreatedT event;
  event.work_item = "W-other";
  event.repo = "shop";
  event.stage = "deploy";
  task = TaskId{machine.propose(propose_group(requester("operator"), event)).effects.front().id};
  EXPECT_EQ(reason(), "next_pass") << "no step on its edge is exclusive on the repository";
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
  ASSERT_EQ(machine.propose(propose_group(requester("operator"), event)).outcome, Outcome::accepted);
  EXPECT_EQ(reason(), "blocked") << "the unknown outcome has been settled";
  EXPECT_EQ(frees(), "pawl unblock 1") << "a retry needs an agent";
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
    task = TaskId{machine.propose(propose_group(requester("operator"), event)).effects.front().id};
  };
  create("shop");
  EXPECT_EQ(reason(), "serial_gate");
  set("queue.max_concurrency", std::int64_t{1});
  create("other");
  EXPECT_EQ(reason(), "limit");
  set("queue.max_concurrency", std::int64_t{5});
  EXPECT_EQ(reason(), "unclaimed");
  EXPECT_EQ(why_stuck(machine.state(), *row(), machine.now(), {})->reason, "unclaimed")
      << "no worker asks for this agent";
  skipped = true;
  EXPECT_EQ(reason(), "previous_alive");
  const TaskId second = task;
  create("third", {second, first});
  fb::TaskCancelledT cancel;
  cancel.task = raw(second);
  ASSERT_EQ(machine.propose(propose_group(requester("operator"), cancel)).outcome, Outcome::accepted);
  EXPECT_EQ(reason(), "dependency") << "of the two, the unfinished one";
  EXPECT_EQ(frees(), "pawl task 1");
  EXPECT_EQ(look()->standing, Standing::waits);
  fb::TaskBlockedT block;
  block.task = raw(first);
  block.version = raw(machine.state().tasks.find(first)->version);
  block.reason = "odd";
  ASSERT_EQ(machine.propose(propose_group(requester("operator"), block)).outcome, Outcome::accepted);
  EXPECT_EQ(look()->standing, Standing::stands) << "a moving dependency need not be reported";
  EXPECT_EQ(look()->detail, "it depends on task 1, which is on 'deploy-staging', blocked: odd");
}

TEST_F(StuckTest, critical_window_waits_for_whoever_crosses) {
  ASSERT_EQ(acquire(task_key(task), "monitor").outcome, Outcome::accepted);
  finish(fb::JobResult::done);
  EXPECT_EQ(reason(), "lease");
  request_cancel();
  EXPECT_EQ(reason(), "critical_window");
  EXPECT_EQ(frees(), "") << "the daemon is crossing";
  EXPECT_EQ(look()->standing, Standing::stands) << "somebody wants it gone";
  wait(5400);
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
  ASSERT_EQ(machine.propose(propose_group(requester("operator"), happened)).outcome, Outcome::accepted);
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
  ASSERT_EQ(machine.propose(propose_group(requester("worker"), start)).outcome, Outcome::accepted);
  finish(fb::JobResult::done);
  EXPECT_EQ(reason(), "lease") << "its owner is about to end it";
  fb::LeaseReleasedT release;
  release.key = task_key(task);
  release.token = start.token;
  machine.propose(propose_group(requester("worker"), release));
  EXPECT_EQ(reason(), "outcome_unknown") << "without a command the reconciler cannot go on from there";
  EXPECT_EQ(frees(), "pawl resolve 1 merge --happened (or --did-not)");
  request_cancel();
  EXPECT_EQ(reason(), "outcome_unknown") << "a committed crossing is finished first";
  EXPECT_NE(look()->detail.find("a cancel is requested, and waits for this answer too"), std::string::npos);
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
  ASSERT_EQ(machine.propose(propose_group(requester("worker"), start)).outcome, Outcome::accepted);
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
    ASSERT_EQ(machine.propose(propose_group(requester("operator"), moved)).outcome, Outcome::accepted);
  }
  // The owner that entered the crossing before all this reaches its step only now.
  fb::StepStartedT start;
  start.task = raw(task);
  start.version = 1;
  start.to = "deploy";
  start.step = "merge";
  ASSERT_EQ(machine.propose(propose_group(requester("finalizer"), start)).outcome, Outcome::accepted);
  set("ownership.enabled", true);
  EXPECT_EQ(reason(), "outcome_unknown") << "the reconciler settles only the current crossing";
  EXPECT_EQ(frees(), "pawl resolve " + std::to_string(raw(task)) + " merge --happened (or --did-not)");
}

TEST_F(StuckTest, red_gate_of_a_stage_without_a_job) {
  give_every_step_a_command();
  stand_on("deploy");
  EXPECT_EQ(reason(), "next_pass");
  set("reconciler.enabled", false);
  EXPECT_EQ(reason(), "reconciler_off");
  EXPECT_EQ(look()->held_by, "reconciler.enabled");
  set("reconciler.enabled", true);
  world.gate_green[task] = false;
  go(AdvanceRequest::OnRed::report, "finalizer");
  EXPECT_EQ(reason(), "gate_red");
  EXPECT_EQ(look()->detail, "the gate of 'deploy' is red");
  world.gate_green[task] = std::nullopt;
  go(AdvanceRequest::OnRed::report, "finalizer");
  EXPECT_EQ(reason(), "gate_red");
  EXPECT_TRUE(look()->detail.starts_with("the gate of 'deploy' is in error")) << look()->detail;
  fb::GateEvaluatedT gate;
  gate.task = raw(task);
  gate.version = raw(version());
  gate.gate = "deploy";
  gate.passed = false;
  gate.reason = "the site is down";
  machine.propose(propose_group(requester("monitor"), gate));
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
  EXPECT_EQ(found()->detail, "its command needs the variable TOKEN: /srv/token: none");
  EXPECT_EQ(found()->frees,
            "make the file readable for pawld, or start pawld with the variable; the task then goes on by itself");
  missing.version = Version{raw(row()->version) - 1};
  EXPECT_FALSE(found() && found()->reason == "variable_missing") << "that was before the task moved on";
}

TEST_F(StuckTest, a_finalizer_names_the_lease_of_the_repository_that_it_waits_for) {
  exit_with(0);
  fb::LeaseAcquiredT event;
  event.key = repo_key("shop");
  event.owner = owner("worker");
  event.ttl = 600;
  ASSERT_EQ(machine.propose(propose_group(requester("worker"), event)).outcome, Outcome::accepted);
  EXPECT_EQ(reason(), "lease");
  EXPECT_NE(look()->detail.find("repo:shop"), std::string::npos);
  EXPECT_EQ(look()->until, plus_s(machine.now(), 600));
  observation = Liveness::invisible;
  EXPECT_EQ(reason(), "lease") << "under the daemon's own boot, it waits its turn";
  wait(300);
  EXPECT_EQ(reason(), "lease") << "also past the grace: the job's owner is not what it waits for";
}

TEST_F(StuckTest, what_the_daemon_itself_crosses_waits_its_turn_until_the_ceiling) {
  finish(fb::JobResult::done);
  ASSERT_EQ(acquire(task_key(task), "monitor").outcome, Outcome::accepted);
  EXPECT_EQ(look()->standing, Standing::waits);
  wait(5399);
  EXPECT_EQ(look()->standing, Standing::waits);
  wait(1);
  EXPECT_EQ(look()->standing, Standing::stands);
  EXPECT_EQ(reason(), "lease");
}

TEST_F(StuckTest, owner_that_cannot_be_seen_is_said_to_be_so) {
  finish(fb::JobResult::done);
  fb::BootStartedT worker;
  worker.name = "worker";
  worker.boot_id = "far";
  worker.pid = 7;
  worker.host = "elsewhere kernel pid:[1]";
  worker.version = "test";
  ASSERT_EQ(machine.propose(propose_group(requester("pawld"), worker)).outcome, Outcome::accepted);
  fb::LeaseAcquiredT event;
  event.key = task_key(task);
  event.owner = std::make_unique<fb::OwnerT>();
  event.owner->boot_id = "far";
  event.owner->pid = 7;
  event.owner->actor = "worker";
  ASSERT_EQ(machine.propose(propose_group(requester("worker"), event)).outcome, Outcome::accepted);
  observation = Liveness::alive;
  EXPECT_EQ(reason(), "lease");
  observation = Liveness::invisible;
  EXPECT_EQ(reason(), "owner_unseen");
  EXPECT_NE(look()->detail.find("worker, pid 7 on elsewhere, cannot be seen from here"), std::string::npos)
      << look()->detail;
  EXPECT_EQ(frees(), "pawl release --work-item '" + row()->work_item + "' --repo 'shop'");
  observation = Liveness::dead;
  EXPECT_EQ(reason(), "owner_dead");
  EXPECT_EQ(look()->held_by, "");
  set("lease.reclaim_enabled", false);
  EXPECT_EQ(look()->held_by, "lease.reclaim_enabled");
}

TEST_F(StuckTest, claim_that_ran_out) {
  finish(fb::JobResult::done);
  fb::TaskCreatedT created;
  created.work_item = "far";
  created.repo = "other";
  const Decision decision = machine.propose(propose_group(requester("operator"), created));
  task = TaskId{decision.effects.front().id};
  job = JobId{decision.effects.back().id};
  fb::JobClaimedT claim;
  claim.job = raw(job);
  claim.owner = owner("worker");
  claim.ttl = 60;
  ASSERT_EQ(machine.propose(propose_group(requester("worker"), claim)).outcome, Outcome::accepted);
  const TimeUs end = plus_s(machine.now(), 60);
  wait(59);
  EXPECT_EQ(reason(), "running");
  EXPECT_EQ(look()->until, end);
  wait(1);
  EXPECT_EQ(reason(), "claim_expired");
  EXPECT_EQ(look()->since, end);
  EXPECT_EQ(frees(), "pawl reap");
  EXPECT_EQ(look()->held_by, "");
  set("reaper.enabled", false);
  EXPECT_EQ(look()->held_by, "reaper.enabled");
}

TEST_F(StuckTest, pause_between_two_tries_says_until_when_and_why) {
  fb::JobFinishedT event;
  event.job = raw(job);
  event.attempt = 1;
  event.result = fb::JobResult::retry;
  ASSERT_EQ(machine.propose(propose_group(requester("monitor"), event)).outcome, Outcome::accepted);
  EXPECT_EQ(reason(), "retry_delay");
  EXPECT_EQ(look()->until, plus_s(machine.now(), 10));
  ASSERT_TRUE(look()->failed);
  EXPECT_EQ(look()->failed->job, job);
  EXPECT_EQ(look()->failed->attempt, 1U);
  wait(10);
  EXPECT_EQ(reason(), "unclaimed");
}

TEST_F(StuckTest, job_that_failed_is_named_for_its_last_words) {
  fb::JobFinishedT event;
  event.job = raw(job);
  event.attempt = 1;
  event.result = fb::JobResult::failed;
  ASSERT_EQ(machine.propose(propose_group(requester("monitor"), event)).outcome, Outcome::accepted);
  EXPECT_EQ(look()->detail, "job_failed");
  EXPECT_EQ(look()->failed->job, job);
  EXPECT_EQ(look()->since_record.record, StandsSince::Record::blocked);
  EXPECT_EQ(look()->since_record.job, job);
}

TEST_F(StuckTest, block_is_told_with_the_last_line_of_what_led_to_it) {
  Task blocked = *row();
  const auto detail = [&] { return why_stuck(machine.state(), blocked, machine.now(), {})->detail; };
  blocked.gate = GateRow{.version = blocked.version, .gate = "review", .passed = false, .reason = "3 findings"};
  blocked.blocked = "gate_red";
  EXPECT_EQ(detail(), "gate_red: the gate of review is red: 3 findings");
  blocked.blocked = "gate_red on the same commit as before: 3 findings";
  EXPECT_EQ(detail(), blocked.blocked) << "told once";
  // The task has been rolled back since.
  blocked.blocked = "max_rollbacks";
  EXPECT_EQ(detail(), "max_rollbacks");
  blocked.version = Version{raw(blocked.version) + 1};
  EXPECT_EQ(detail(), "max_rollbacks: the gate of review is red: 3 findings");
  StepRow step{.version = Version{raw(blocked.version) - 1}, .to = "done", .step = "merge"};
  step.state = StepState::failed;
  step.reason = "main has moved";
  blocked.steps = {step};
  EXPECT_EQ(detail(), "max_rollbacks: merge failed: main has moved");
}

TEST_F(StuckTest, rollback_after_a_second_no_is_told_with_the_steps_last_line) {
  Task blocked = *row();
  blocked.blocked = "max_rollbacks";
  const auto detail = [&] { return why_stuck(machine.state(), blocked, machine.now(), {})->detail; };
  StepRow step{.version = blocked.version, .to = "done", .step = "merge", .started = Seq{20}, .irreversible = true};
  step.state = StepState::did_not_happen;
  step.reason = "main has moved";
  blocked.version = Version{raw(blocked.version) + 1};
  blocked.steps = {step};
  EXPECT_EQ(detail(), "max_rollbacks: merge did not happen: main has moved");
  // A reversible step that could not act yet rolls nothing back.
  blocked.steps.front().irreversible = false;
  EXPECT_EQ(detail(), "max_rollbacks");
}

TEST_F(StuckTest, gate_that_turned_red_after_a_step_that_failed_is_what_led_to_the_block) {
  Task blocked = *row();
  blocked.blocked = "max_rollbacks";
  const auto detail = [&] { return why_stuck(machine.state(), blocked, machine.now(), {})->detail; };
  StepRow step{.version = blocked.version, .to = "done", .step = "merge", .started = Seq{20}, .irreversible = true};
  step.state = StepState::failed;
  blocked.gate = GateRow{.version = blocked.version, .gate = "review", .passed = false, .seq = Seq{30}};
  blocked.version = Version{raw(blocked.version) + 1};
  for (const StepState state : {StepState::failed, StepState::did_not_happen}) {
    step.state = state;
    blocked.steps = {step};
    EXPECT_EQ(detail(), "max_rollbacks: the gate of review is red");
  }
}

TEST_F(StuckTest, job_that_failed_at_its_gate_is_not_told_with_the_agents_words) {
  fb::GateEvaluatedT gate;
  gate.task = raw(task);
  gate.version = raw(row()->version);
  gate.gate = row()->stage;
  gate.passed = false;
  gate.reason = "2 of 5 tests failed";
  ASSERT_EQ(machine.propose(propose_group(requester("monitor"), gate)).outcome, Outcome::accepted);
  exit_with(0);
  Task blocked = *row();
  blocked.blocked = "job_failed";
  Job failed = *machine.state().jobs.find(job);
  EXPECT_EQ(words_behind_block(blocked, &failed), "the gate of " + blocked.stage + " is red: 2 of 5 tests failed");
  blocked.gate->passed = std::nullopt;
  blocked.gate->reason = "exceeded its time limit";
  EXPECT_EQ(words_behind_block(blocked, &failed),
            "the gate of " + blocked.stage + " is in error: exceeded its time limit");
  blocked.gate->passed = true;
  EXPECT_EQ(words_behind_block(blocked, &failed), "");
  failed.run->exit_code = 1;
  EXPECT_EQ(words_behind_block(blocked, &failed), "");
  EXPECT_EQ(words_behind_block(blocked, nullptr), "");
}

TEST_F(StuckTest, job_whose_agent_failed_is_told_with_its_exit_code) {
  exit_with(75);
  finish(fb::JobResult::failed);
  EXPECT_EQ(reason(), "blocked");
  EXPECT_EQ(look()->detail, "job_failed: the agent exited with 75");
}

TEST_F(StuckTest, red_gate_is_told_during_the_pause_and_once_where_it_blocks) {
  fb::GateEvaluatedT gate;
  gate.task = raw(task);
  gate.version = raw(version());
  gate.gate = "development";
  gate.passed = false;
  gate.reason = "two tests failed";
  ASSERT_EQ(machine.propose(propose_group(requester("monitor"), gate)).outcome, Outcome::accepted);
  finish(fb::JobResult::retry);
  EXPECT_TRUE(look()->detail.ends_with(": the last one failed; the gate is red: two tests failed")) << look()->detail;
  fb::TaskBlockedT blocked;
  blocked.task = raw(task);
  blocked.version = raw(version());
  blocked.reason = "gate_red on the same commit as before: two tests failed";
  ASSERT_EQ(machine.propose(propose_group(requester("monitor"), blocked)).outcome, Outcome::accepted);
  EXPECT_EQ(look()->detail, blocked.reason);
}

TEST_F(StuckTest, fetch_that_is_under_way) {
  give_every_step_a_command();
  stand_on("deploy");
  const TimeUs since = machine.now();
  const StuckSources sources{
      .fetching_since = [&](TaskId id) { return id == task ? std::optional(since) : std::nullopt; }};
  const auto found = [&] { return why_stuck(machine.state(), *row(), machine.now(), sources); };
  EXPECT_EQ(found()->reason, "fetching");
  EXPECT_EQ(found()->since, since);
  wait(9);
  EXPECT_EQ(found()->standing, Standing::waits);
  wait(1);
  EXPECT_EQ(found()->standing, Standing::stands);
}

TEST_F(StuckTest, cancel_that_nobody_carries_out) {
  request_cancel();
  EXPECT_EQ(reason(), "running");
  EXPECT_NE(look()->detail.find("is being ended"), std::string::npos) << look()->detail;
  set("stop.enabled", false);
  EXPECT_EQ(reason(), "stop_off");
  EXPECT_EQ(look()->held_by, "stop.enabled");
}

TEST_F(StuckTest, switches_that_are_off_are_named) {
  EXPECT_TRUE(switches_off(machine.state().settings()).empty());
  for (const std::string key :
       {"lease.reclaim_enabled", "ownership.enabled", "reaper.enabled", "reconciler.enabled", "stop.enabled"}) {
    set(key, false);
    const auto off = switches_off(machine.state().settings());
    ASSERT_EQ(off.size(), 1U) << key;
    EXPECT_EQ(off.front().key, key);
    set(key, true);
  }
}

}  // namespace
}  // namespace pawl
