// StepStarted and StepFinished: every refusal in the order of SPEC §4, and what the journal remembers.
#include "tests/unit/engine/rules.h"

namespace pawl {
namespace {

using StepStarted = Rules;

TEST_F(StepStarted, unknown_task) {
  refuses(Outcome::unknown_task, step_started(TaskId{99}, 1, "deploy", "merge", std::nullopt));
}

TEST_F(StepStarted, terminal) {
  const TaskId id = create_done();
  refuses(Outcome::terminal, step_started(id, version(id), "done", "deploy", state.lease(task_key(id))->token));
}

TEST_F(StepStarted, version_conflict) {
  const TaskId id = create("deploy-staging");
  const Token token = lease(id);
  refuses(Outcome::version_conflict, step_started(id, 2, "deploy", "retest", token));
}

TEST_F(StepStarted, no_such_step) {
  const TaskId id = create("deploy-staging");
  const Token token = lease(id);
  refuses(Outcome::no_such_step, step_started(id, 1, "deploy", "launch", token));
  refuses(Outcome::no_such_step, step_started(id, 1, "done", "merge", token));
  refuses(Outcome::no_such_step, step_started(id, 1, "review", "merge", token));
}

TEST_F(StepStarted, blocked) {
  const TaskId id = create("deploy-staging");
  const Token token = lease(id);
  must(task_blocked(id, 1, token));
  refuses(Outcome::blocked, step_started(id, 1, "deploy", "retest", token));
}

TEST_F(StepStarted, cancel_requested) {
  const TaskId id = create("deploy-staging");
  const Token token = lease(id);
  request_cancel(id);
  refuses(Outcome::cancel_requested, step_started(id, 1, "deploy", "retest", token));
}

TEST_F(StepStarted, accepted_though_cancel_is_requested_once_the_crossing_is_committed) {
  const TaskId id = create("deploy-staging");
  const Token token = lease(id);
  do_step(id, "merge", token, lease("repo:shop"));
  request_cancel(id);
  EXPECT_TRUE(is_committed(task(id)));
  start_step(id, "retest", token);
}

TEST_F(StepStarted, lease_required) {
  const TaskId id = create("deploy-staging");
  refuses(Outcome::lease_required, step_started(id, 1, "deploy", "retest", std::nullopt));
  const Token token = lease(id);
  refuses(Outcome::lease_required, step_started(id, 1, "deploy", "retest", std::nullopt));
  // An exclusive step needs the repository's lease as well.
  refuses(Outcome::lease_required, step_started(id, 1, "deploy", "merge", token));
}

TEST_F(StepStarted, stale_token) {
  const TaskId id = create("deploy-staging");
  const Token old = lease(id);
  release(task_key(id), old);
  refuses(Outcome::stale_token, step_started(id, 1, "deploy", "retest", old));
  const Token token = lease(id);
  refuses(Outcome::stale_token, step_started(id, 1, "deploy", "retest", old));
  // Of the repository's lease, too.
  refuses(Outcome::stale_token, step_started(id, 1, "deploy", "merge", token, token));
  const Token repo_token = lease("repo:shop");
  refuses(Outcome::stale_token, step_started(id, 1, "deploy", "merge", repo_token, repo_token));
  must(step_started(id, 1, "deploy", "merge", token, repo_token));
}

TEST_F(StepStarted, already_done) {
  const TaskId id = create("deploy-staging");
  const Token token = lease(id);
  do_step(id, "retest", token);
  refuses(Outcome::already_done, step_started(id, 1, "deploy", "retest", token));
}

TEST_F(StepStarted, already_done_with_ownership_off) {
  const TaskId id = create("deploy-staging");
  const Token token = lease(id);
  const Token repo_token = lease("repo:shop");
  do_step(id, "merge", token, repo_token);
  set("ownership.enabled", false);
  EXPECT_TRUE(
      refuses(Outcome::already_done, step_started(id, 1, "deploy", "merge", std::nullopt)).applied[0].unchecked);
}

TEST_F(StepStarted, outcome_unknown) {
  const TaskId id = create("deploy-staging");
  const Token token = lease(id);
  start_step(id, "retest", token);
  const Token repo_token = lease("repo:shop");
  refuses(Outcome::outcome_unknown, step_started(id, 1, "deploy", "retest", token));
  refuses(Outcome::outcome_unknown, step_started(id, 1, "deploy", "merge", token, repo_token));
}

TEST_F(StepStarted, outcome_unknown_with_ownership_off) {
  const TaskId id = create("deploy-staging");
  start_step(id, "retest", lease(id));
  set("ownership.enabled", false);
  refuses(Outcome::outcome_unknown, step_started(id, 1, "deploy", "merge", std::nullopt));
}

TEST_F(StepStarted, refusals_come_in_the_order_of_the_contract) {
  const Crossing crossing = create_committed();
  const TaskId id = crossing.task;
  finish_step(id, "merge", crossing.started);
  // Everything except the task is wrong at once; one thing after another is fixed.
  release(task_key(id), crossing.token);
  block(id);
  refuses(Outcome::version_conflict, step_started(id, 9, "deploy", "launch", std::nullopt));
  refuses(Outcome::no_such_step, step_started(id, 1, "deploy", "launch", std::nullopt));
  refuses(Outcome::blocked, step_started(id, 1, "deploy", "merge", std::nullopt));
  must(task_unblocked(id));
  refuses(Outcome::lease_required, step_started(id, 1, "deploy", "merge", std::nullopt));
  refuses(Outcome::stale_token, step_started(id, 1, "deploy", "merge", crossing.token, crossing.repo_token));
  const Token token = lease(id);
  refuses(Outcome::already_done, step_started(id, 1, "deploy", "merge", token, crossing.repo_token));
}

TEST_F(StepStarted, refusals_of_a_dependent_come_in_the_order_of_the_contract) {
  const TaskId first = create();
  const auto dependent = [&](const std::string& work_item) {
    fb::TaskCreatedT event = task_created(work_item, "deploy-staging");
    event.depends_on = {raw(first)};
    return TaskId{effects_of(must(event)).front().id};
  };
  const TaskId id = dependent("W-id");
  const TaskId cancelled = dependent("W-cancelled");
  rules_in_force = 1;  // Earlier rules did not refuse the lease.
  lease(cancelled);
  rules_in_force = rules_version;
  request_cancel(cancelled);
  refuses(Outcome::cancel_requested, step_started(cancelled, 1, "deploy", "retest", std::nullopt));
  block(id);
  refuses(Outcome::blocked, step_started(id, 1, "deploy", "retest", std::nullopt));
  must(task_unblocked(id));
  refuses(Outcome::dependency, step_started(id, 1, "deploy", "retest", std::nullopt));
  refuses(Outcome::dependency, step_started(id, 1, "deploy", "retest", Token{1}));
  request_cancel(first);
  refuses(Outcome::lease_required, step_started(id, 1, "deploy", "retest", std::nullopt));
  refuses(Outcome::stale_token, step_started(id, 1, "deploy", "retest", Token{1}));
}

TEST_F(StepStarted, accepted_is_journalled_and_commits_if_irreversible) {
  const TaskId id = create("deploy-staging");
  const Token token = lease(id);
  const Seq retest = start_step(id, "retest", token);
  ASSERT_NE(open_step(task(id)), nullptr);
  EXPECT_EQ(open_step(task(id))->started, retest);
  EXPECT_FALSE(is_committed(task(id)));
  finish_step(id, "retest", retest);
  start_step(id, "merge", token, lease("repo:shop"));
  EXPECT_EQ(committed_to(task(id)), "deploy");
  EXPECT_EQ(version(id), 1u);
}

TEST_F(StepStarted, accepted_again_after_it_failed_or_did_not_happen) {
  const Crossing crossing = create_committed();
  finish_step(crossing.task, "merge", crossing.started, fb::StepOutcome::failed);
  EXPECT_FALSE(is_committed(task(crossing.task)));
  const Seq again = start_step(crossing.task, "merge", crossing.token, crossing.repo_token);
  finish_step(crossing.task, "merge", again, fb::StepOutcome::did_not_happen);
  EXPECT_FALSE(is_committed(task(crossing.task)));
  start_step(crossing.task, "merge", crossing.token, crossing.repo_token);
  EXPECT_TRUE(is_committed(task(crossing.task)));
  EXPECT_EQ(task(crossing.task).steps.size(), 2u);  // retest and merge: the latest start of each
}

TEST_F(StepStarted, accepted_anew_in_a_later_crossing) {
  const TaskId id = create("deploy-staging");
  const Token token = lease(id);
  do_step(id, "retest", token);
  move(id, "development", token);
  release(task_key(id), token);
  for (const char* stage : {"review", "testing", "deploy-staging"}) move(id, stage);
  do_step(id, "retest", lease(id));
  EXPECT_EQ(task(id).steps.size(), 2u);
}

TEST_F(StepStarted, accepted_unchecked_with_ownership_off) {
  const TaskId id = create("deploy-staging");
  set("ownership.enabled", false);
  const Decided& decided = must(step_started(id, 7, "deploy", "merge", std::nullopt));
  EXPECT_TRUE(decided.applied[0].unchecked);
  EXPECT_TRUE(decided.records[0].record().stamp()->unchecked());
  EXPECT_EQ(open_step(task(id))->version, Version{7});
}

using StepFinished = Rules;

TEST_F(StepFinished, unknown_task) {
  refuses(Outcome::unknown_task, step_finished(TaskId{99}, 1, "merge", Seq{1}));
}

TEST_F(StepFinished, not_started) {
  const TaskId id = create("deploy-staging");
  refuses(Outcome::not_started, step_finished(id, 1, "retest", state.last_seq));
  const Seq started = start_step(id, "retest", lease(id));
  refuses(Outcome::not_started, step_finished(id, 1, "retest", next(started)));
  refuses(Outcome::not_started, step_finished(id, 1, "merge", started));
  refuses(Outcome::not_started, step_finished(id, 2, "retest", started));
}

TEST_F(StepFinished, not_started_by_that_start_once_it_was_settled_and_started_anew) {
  const TaskId id = create("deploy-staging");
  const Token token = lease(id);
  const Seq first = start_step(id, "retest", token);
  finish_step(id, "retest", first, fb::StepOutcome::did_not_happen);
  refuses(Outcome::not_started, step_finished(id, 1, "retest", first));
  const Seq second = start_step(id, "retest", token);
  refuses(Outcome::not_started, step_finished(id, 1, "retest", first));
  finish_step(id, "retest", second);
}

TEST_F(StepFinished, not_started_with_ownership_off) {
  const TaskId id = create("deploy-staging");
  set("ownership.enabled", false);
  refuses(Outcome::not_started, step_finished(id, 1, "retest", state.last_seq));
}

TEST_F(StepFinished, not_started_once_the_task_is_terminal) {
  const TaskId id = create("deploy-staging");
  const Token token = lease(id);
  const Seq started = start_step(id, "retest", token);
  request_cancel(id);
  release(task_key(id), token);
  EXPECT_EQ(state.tasks.find(id), nullptr);
  refuses(Outcome::not_started, step_finished(id, 1, "retest", started));
}

TEST_F(StepFinished, already_done) {
  const TaskId id = create("deploy-staging");
  const Seq started = start_step(id, "retest", lease(id));
  finish_step(id, "retest", started);
  refuses(Outcome::already_done, step_finished(id, 1, "retest", started));
  refuses(Outcome::already_done, step_finished(id, 1, "retest", started, fb::StepOutcome::failed));
}

TEST_F(StepFinished, accepted_from_an_owner_whose_lease_and_boot_are_gone) {
  const TaskId id = create("deploy-staging");
  const Token token = lease(id, worker);
  const Token repo_token = lease("repo:shop", worker);
  const Seq started = start_step(id, "merge", token, repo_token, worker);
  boot("worker-2", "worker");
  EXPECT_EQ(state.lease(task_key(id)), nullptr);
  must(step_finished(id, 1, "merge", started), worker);
  EXPECT_TRUE(is_committed(task(id)));
  EXPECT_EQ(open_step(task(id)), nullptr);
}

TEST_F(StepFinished, accepted_carries_out_a_standing_cancel_request) {
  const Crossing crossing = create_committed();
  request_cancel(crossing.task);
  release(task_key(crossing.task), crossing.token);
  EXPECT_EQ(task(crossing.task).stage, "deploy-staging");
  const Decided& decided =
      must(step_finished(crossing.task, 1, "merge", crossing.started, fb::StepOutcome::did_not_happen));
  EXPECT_EQ(types_of(decided), (std::vector<std::string>{"StepFinished", "TaskCancelled"}));
  EXPECT_EQ(state.tasks.find(crossing.task), nullptr);
}

}  // namespace
}  // namespace pawl
