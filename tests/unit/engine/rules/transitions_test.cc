// StageTransition: every refusal in the order of SPEC §4, and the consequences of a move.
#include "tests/unit/engine/rules.h"

namespace pawl {
namespace {

using StageTransition = Rules;

TEST_F(StageTransition, unknown_task) {
  refuses(Outcome::unknown_task, transition(TaskId{99}, "development", 1));
}

TEST_F(StageTransition, terminal) {
  const TaskId id = create_done();
  refuses(Outcome::terminal, transition(id, "development", version(id), state.lease(task_key(id))->token));
}

TEST_F(StageTransition, terminal_once_archived) {
  const TaskId id = create();
  request_cancel(id);
  EXPECT_EQ(state.tasks.find(id), nullptr);
  refuses(Outcome::terminal, transition(id, "development", 1));
}

TEST_F(StageTransition, version_conflict) {
  const TaskId id = create();
  refuses(Outcome::version_conflict, transition(id, "development", 2));
  refuses(Outcome::version_conflict, transition(id, "development", std::nullopt));
  must(transition(id, "development", 1));
  refuses(Outcome::version_conflict, transition(id, "development", 1));
}

TEST_F(StageTransition, version_conflict_tells_a_version_that_has_passed_from_one_to_come) {
  const TaskId id = create();
  must(transition(id, "development", 1));
  const auto detail = [&](std::optional<std::uint64_t> expected) {
    return refuses(Outcome::version_conflict, transition(id, "review", expected)).applied[0].detail;
  };
  EXPECT_EQ(detail(1), "version 1 was expected, and the task has moved on since");
  EXPECT_EQ(detail(3), "version 3 was expected, which the task has not reached");
  EXPECT_EQ(detail(std::nullopt), "no expected version was given");
}

TEST_F(StageTransition, no_such_edge) {
  const TaskId id = create();
  for (const char* to : {"review", "analysis", "done", "cancelled", "qa", ""}) {
    refuses(Outcome::no_such_edge, transition(id, to, 1));
  }
}

TEST_F(StageTransition, no_such_edge_names_the_edges_that_there_are) {
  const TaskId id = create();
  EXPECT_EQ(refuses(Outcome::no_such_edge, transition(id, "done", 1)).applied[0].detail,
            "no edge from 'analysis' to 'done'; this stage leads to 'development'");
  move(id, "development");
  move(id, "review");
  EXPECT_EQ(refuses(Outcome::no_such_edge, transition(id, "done", version(id))).applied[0].detail,
            "no edge from 'review' to 'done'; this stage leads to 'testing' and rolls back to 'development'");
}

TEST_F(StageTransition, committed) {
  const Crossing crossing = create_committed();
  refuses(Outcome::committed, transition(crossing.task, "development", 1, crossing.token));
  finish_step(crossing.task, "merge", crossing.started);
  refuses(Outcome::committed, transition(crossing.task, "development", 1, crossing.token));
}

TEST_F(StageTransition, committed_with_ownership_off_and_without_a_lease) {
  const Crossing crossing = create_committed();
  finish_step(crossing.task, "merge", crossing.started);
  release(task_key(crossing.task), crossing.token);
  refuses(Outcome::committed, transition(crossing.task, "development", 1));
  set("ownership.enabled", false);
  refuses(Outcome::committed, transition(crossing.task, "development", std::nullopt));
}

TEST_F(StageTransition, outcome_unknown) {
  const TaskId id = create("deploy-staging");
  const Token token = lease(id);
  start_step(id, "retest", token);
  refuses(Outcome::outcome_unknown, transition(id, "development", 1, token));
  refuses(Outcome::outcome_unknown, transition(id, "deploy", 1, token));
}

TEST_F(StageTransition, outcome_unknown_with_ownership_off) {
  const Crossing crossing = create_committed();
  set("ownership.enabled", false);
  refuses(Outcome::outcome_unknown, transition(crossing.task, "deploy", std::nullopt));
}

TEST_F(StageTransition, steps_unfinished) {
  const TaskId id = create("deploy-staging");
  const Token token = lease(id);
  refuses(Outcome::steps_unfinished, transition(id, "deploy", 1, token));
  do_step(id, "retest", token);
  refuses(Outcome::steps_unfinished, transition(id, "deploy", 1, token));
  const Token repo_token = lease("repo:shop");
  finish_step(id, "merge", start_step(id, "merge", token, repo_token), fb::StepOutcome::failed);
  refuses(Outcome::steps_unfinished, transition(id, "deploy", 1, token));
  do_step(id, "merge", token, repo_token);
  move(id, "deploy", token);
}

TEST_F(StageTransition, steps_unfinished_with_ownership_off) {
  const TaskId id = create("deploy-staging");
  set("ownership.enabled", false);
  refuses(Outcome::steps_unfinished, transition(id, "deploy", std::nullopt));
}

TEST_F(StageTransition, blocked) {
  const TaskId id = create("review");
  block(id);
  refuses(Outcome::blocked, transition(id, "testing", 1));
  refuses(Outcome::blocked, transition(id, "development", 1));
}

TEST_F(StageTransition, lease_required) {
  const TaskId id = create("deploy");
  const Token token = lease(id);
  do_step(id, "deploy", token);
  release(task_key(id), token);
  refuses(Outcome::lease_required, transition(id, "done", 1));
}

TEST_F(StageTransition, lease_held) {
  const TaskId id = create("deploy");
  const Token token = lease(id);
  do_step(id, "deploy", token);
  refuses(Outcome::lease_held, transition(id, "done", 1));
}

TEST_F(StageTransition, lease_held_on_any_edge) {
  const TaskId id = create("review");
  lease(id);
  refuses(Outcome::lease_held, transition(id, "testing", 1));
  refuses(Outcome::lease_held, transition(id, "development", 1));
}

TEST_F(StageTransition, stale_token) {
  const TaskId id = create("review");
  const Token old = lease(id);
  release(task_key(id), old);
  refuses(Outcome::stale_token, transition(id, "testing", 1, old));
  lease(id);
  refuses(Outcome::stale_token, transition(id, "testing", 1, old));
  refuses(Outcome::stale_token, transition(id, "development", 1, old));
}

TEST_F(StageTransition, refusals_come_in_the_order_of_the_contract) {
  const TaskId id = create("deploy-staging");
  const Token token = lease(id);
  const Token repo_token = lease("repo:shop");
  const Seq merge = start_step(id, "merge", token, repo_token);
  must(task_blocked(id, 1, token));
  release(task_key(id), token);
  refuses(Outcome::version_conflict, transition(id, "qa", 2, token));
  refuses(Outcome::no_such_edge, transition(id, "qa", 1, token));
  refuses(Outcome::committed, transition(id, "development", 1, token));
  refuses(Outcome::outcome_unknown, transition(id, "deploy", 1, token));
  finish_step(id, "merge", merge);
  refuses(Outcome::steps_unfinished, transition(id, "deploy", 1, token));
  must(task_unblocked(id));
  const Token second = lease(id);
  do_step(id, "retest", second);
  must(task_blocked(id, 1, second));
  release(task_key(id), second);
  refuses(Outcome::blocked, transition(id, "deploy", 1, token));
  must(task_unblocked(id));
  refuses(Outcome::lease_required, transition(id, "deploy", 1));
  refuses(Outcome::stale_token, transition(id, "deploy", 1, token));
  const Token third = lease(id);
  refuses(Outcome::lease_held, transition(id, "deploy", 1));
  refuses(Outcome::stale_token, transition(id, "deploy", 1, token));
  must(transition(id, "deploy", 1, third));
}

TEST_F(StageTransition, refusals_of_a_dependent_come_in_the_order_of_the_contract) {
  const TaskId first = create();
  fb::TaskCreatedT event = task_created("W", "review");
  event.depends_on = {raw(first)};
  const TaskId id{effects_of(must(event)).front().id};
  rules_in_force = 1;  // Earlier rules did not refuse the lease.
  const Token token = lease(id);
  rules_in_force = rules_version;
  must(task_blocked(id, 1, token));
  refuses(Outcome::version_conflict, transition(id, "testing", 2));
  refuses(Outcome::no_such_edge, transition(id, "qa", 1));
  refuses(Outcome::blocked, transition(id, "testing", 1));
  must(task_unblocked(id));
  refuses(Outcome::dependency, transition(id, "testing", 1));
  refuses(Outcome::dependency, transition(id, "testing", 1, next(token)));
  refuses(Outcome::lease_held, transition(id, "development", 1));
  request_cancel(first);
  refuses(Outcome::lease_held, transition(id, "testing", 1));
  refuses(Outcome::stale_token, transition(id, "testing", 1, next(token)));
  must(transition(id, "testing", 1, token));
}

TEST_F(StageTransition, accepted_moves_and_exchanges_the_job) {
  const TaskId id = create();
  const JobId before = job_of(id);
  const Decided& decided = must(transition(id, "development", 1), {.actor = "webhook"});
  EXPECT_EQ(task(id).stage, "development");
  EXPECT_EQ(version(id), 2u);
  EXPECT_EQ(task(id).last.seq, state.last_seq);
  EXPECT_EQ(task(id).last.boot, "daemon-1");
  EXPECT_EQ(task(id).last.actor, "webhook");
  EXPECT_EQ(job(before).status, JobStatus::cancelled);
  EXPECT_EQ(job(job_of(id)).agent, "developer");
  EXPECT_EQ(job(job_of(id)).version, Version{2});
  EXPECT_EQ(decided.records.size(), 1u);
  EXPECT_TRUE(has_effect(decided, EffectKind::job_cancelled));
  EXPECT_TRUE(has_effect(decided, EffectKind::job_queued));
}

TEST_F(StageTransition, accepted_leaves_a_running_job_running) {
  const TaskId id = create();
  const JobId running = claim(id);
  move(id, "development");
  EXPECT_EQ(job(running).status, JobStatus::running);
  EXPECT_EQ(job(job_of(id)).status, JobStatus::queued);
  must(job_finished(running, 1, fb::JobResult::retry));
  EXPECT_EQ(job(running).status, JobStatus::done);  // It belongs to a past version.
}

TEST_F(StageTransition, accepted_over_a_guarded_edge_with_the_token_held) {
  const TaskId id = create("deploy");
  const Token token = lease(id);
  do_step(id, "deploy", token);
  const Decided& decided = must(transition(id, "done", 1, token));
  EXPECT_FALSE(decided.applied[0].unchecked);
  EXPECT_EQ(task(id).stage, "done");
  EXPECT_EQ(version(id), 2u);
  EXPECT_TRUE(decided.archived.empty());  // Its lease is still held.
}

TEST_F(StageTransition, accepted_with_the_token_of_a_lease_on_an_unguarded_edge) {
  const TaskId id = create("review");
  move(id, "testing", lease(id));
}

TEST_F(StageTransition, accepted_for_a_rollback_without_a_token) {
  const TaskId id = create("deploy-staging");
  move(id, "development");
  EXPECT_EQ(task(id).rollbacks, 1u);
}

TEST_F(StageTransition, accepted_when_a_holder_without_a_live_lease_is_in_the_way_of_none) {
  const TaskId id = create("review");
  lease(task_key(id), worker, 10);
  refuses(Outcome::lease_held, transition(id, "testing", 1));
  pass_s(10);
  move(id, "testing");
}

TEST_F(StageTransition, accepted_rollback_beyond_the_most_blocks_and_queues_nothing) {
  set("pipeline.max_rollbacks", std::int64_t{1});
  const TaskId id = create("review");
  move(id, "development");
  EXPECT_TRUE(task(id).blocked.empty());
  move(id, "review");
  const Decided& decided = must(transition(id, "development", version(id)));
  EXPECT_EQ(task(id).stage, "development");
  EXPECT_EQ(task(id).blocked, "max_rollbacks");
  EXPECT_EQ(state.open_job(task(id)), nullptr);
  EXPECT_EQ(decided.records.size(), 1u);
  EXPECT_TRUE(has_effect(decided, EffectKind::blocked));
  EXPECT_TRUE(has_effect(decided, EffectKind::alert));
  EXPECT_FALSE(has_effect(decided, EffectKind::job_queued));
}

TEST_F(StageTransition, accepted_unchecked_with_ownership_off) {
  const TaskId id = create("deploy-staging");
  const Token token = lease(id);
  do_step(id, "retest", token);
  do_step(id, "merge", token, lease("repo:shop"));
  set("ownership.enabled", false);
  const Decided& decided = must(transition(id, "deploy", 77));
  EXPECT_TRUE(decided.applied[0].unchecked);
  EXPECT_TRUE(decided.records[0].record().stamp()->unchecked());
}

TEST_F(StageTransition, accepted_unchecked_only_within_the_scope_of_the_switch) {
  set("ownership.repos", std::vector<std::string>{"shop"});
  const TaskId inside = create("review", "shop");
  refuses(Outcome::version_conflict, transition(inside, "testing", 9));
  const TaskId outside = create("review", "other");
  EXPECT_TRUE(must(transition(outside, "testing", 9)).applied[0].unchecked);
  set("ownership.repos", std::vector<std::string>{});
  refuses(Outcome::version_conflict, transition(outside, "deploy-staging", 9));
}

TEST_F(StageTransition, accepted_over_a_committed_edge_under_a_cancel_request_stays_done) {
  const TaskId id = create("deploy");
  const Token token = lease(id);
  do_step(id, "deploy", token);
  request_cancel(id);
  move(id, "done", token);
  const Decided& decided = must(lease_released(task_key(id), token));
  ASSERT_EQ(decided.archived.size(), 1u);
  EXPECT_EQ(decided.archived[0].task.stage, "done");
  EXPECT_EQ(types_of(decided), std::vector<std::string>{"LeaseReleased"});
}

}  // namespace
}  // namespace pawl
