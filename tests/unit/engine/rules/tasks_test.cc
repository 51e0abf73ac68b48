// How tasks begin, are blocked and stopped: every refusal in the order of SPEC §4, and what follows from each.
#include "tests/unit/engine/rules.h"

namespace pawl {
namespace {

using TaskCreated = Rules;

TEST_F(TaskCreated, unknown_task) {
  fb::TaskCreatedT event = task_created("W");
  event.depends_on = {99};
  refuses(Outcome::unknown_task, event);
}

TEST_F(TaskCreated, unknown_repo) {
  fb::RepoDeclaredT declared;
  declared.repo = "depot";
  must(declared);
  fb::TaskCreatedT event = task_created("W");
  event.repo = "depto";
  refuses(Outcome::unknown_repo, event);
  event.repo = "depot";
  must(event);
}

TEST_F(TaskCreated, duplicate_work_item) {
  must(task_created("W"));
  refuses(Outcome::duplicate_work_item, task_created("W"));
}

TEST_F(TaskCreated, duplicate_work_item_is_of_one_repository) {
  must(task_created("W"));
  fb::TaskCreatedT event = task_created("W");
  event.repo = "other";
  must(event);
}

TEST_F(TaskCreated, relaunch) {
  const TaskId id{effects_of(must(task_created("W"))).at(0).id};
  move(id, "development");
  refuses(Outcome::relaunch, task_created("W"));
}

TEST_F(TaskCreated, unknown_pipeline) {
  fb::TaskCreatedT event = task_created("W");
  event.pipeline = "express";
  refuses(Outcome::unknown_pipeline, event);
}

TEST_F(TaskCreated, unknown_stage) {
  refuses(Outcome::unknown_stage, task_created("W", "qa"));
  refuses(Outcome::unknown_stage, task_created("W", "done"));
  refuses(Outcome::unknown_stage, task_created("W", "cancelled"));
}

TEST_F(TaskCreated, refusals_come_in_the_order_of_the_contract) {
  const TaskId id{effects_of(must(task_created("W"))).at(0).id};
  fb::TaskCreatedT event = task_created("W", "qa");
  event.pipeline = "express";
  event.depends_on = {99};
  refuses(Outcome::unknown_task, event);
  event.depends_on = {raw(id)};
  refuses(Outcome::duplicate_work_item, event);
  move(id, "development");
  refuses(Outcome::relaunch, event);
  event.work_item = "W-other";
  refuses(Outcome::unknown_pipeline, event);
  event.pipeline = "";
  refuses(Outcome::unknown_stage, event);
  event.stage = "";
  must(event);
}

TEST_F(TaskCreated, accepted_on_the_first_stage_with_its_job) {
  const Decided& decided = must(task_created("W"));
  const Effects effects = effects_of(decided);
  ASSERT_EQ(effects.size(), 2u);
  EXPECT_EQ(effects[0].kind, EffectKind::task);
  EXPECT_EQ(effects[1].kind, EffectKind::job_queued);
  const Task& created = task(TaskId{effects[0].id});
  EXPECT_EQ(created.version, Version{1});
  EXPECT_EQ(created.stage, "analysis");
  EXPECT_EQ(created.branch, "feature");
  EXPECT_EQ(created.last.seq, state.last_seq);
  const Job& queued = job(JobId{effects[1].id});
  EXPECT_EQ(queued.agent, "analyst");
  EXPECT_EQ(queued.status, JobStatus::queued);
  EXPECT_EQ(queued.max_attempts, 2u);
  EXPECT_EQ(queued.version, Version{1});
}

TEST_F(TaskCreated, accepted_without_a_job_where_the_stage_has_no_agent) {
  const TaskId id = create("deploy");
  EXPECT_EQ(state.open_job(task(id)), nullptr);
}

TEST_F(TaskCreated, accepted_ids_count_up_and_are_not_used_again) {
  const TaskId first = create();
  EXPECT_EQ(first, TaskId{1});
  request_cancel(first);
  EXPECT_EQ(state.tasks.find(first), nullptr);
  EXPECT_EQ(create(), TaskId{2});
}

TEST_F(TaskCreated, accepted_afresh_once_the_work_item_is_terminal) {
  const TaskId id{effects_of(must(task_created("W"))).at(0).id};
  request_cancel(id);
  EXPECT_EQ(TaskId{effects_of(must(task_created("W"))).at(0).id}, TaskId{2});
}

TEST_F(TaskCreated, accepted_keeps_the_pipeline_that_it_began_with) {
  const TaskId id = create();
  Pipeline shorter = default_pipeline();
  shorter.stages[0].to = "review";
  shorter.stages.erase(shorter.stages.begin() + 1);
  for (Stage& stage : shorter.stages) {
    if (!stage.rollback.empty()) stage.rollback = "analysis";
  }
  must(pipeline_event(shorter));
  move(id, "development");
  const TaskId later = create();
  move(later, "review");
}

using GateEvaluated = Rules;

TEST_F(GateEvaluated, unknown_task) {
  refuses(Outcome::unknown_task, gate_evaluated(TaskId{99}, 1, true));
}

TEST_F(GateEvaluated, version_conflict) {
  const TaskId id = create();
  refuses(Outcome::version_conflict, gate_evaluated(id, 2, true));
}

TEST_F(GateEvaluated, accepted_is_recorded_and_decides_nothing) {
  const TaskId id = create();
  must(gate_evaluated(id, 1, std::nullopt));
  ASSERT_TRUE(task(id).gate.has_value());
  EXPECT_FALSE(task(id).gate->passed.has_value());
  EXPECT_EQ(task(id).gate->reason, "exit 1");
  EXPECT_EQ(task(id).gate->seq, state.last_seq);
  must(gate_evaluated(id, 1, false));
  EXPECT_EQ(task(id).gate->passed, false);
  move(id, "development");
}

using TaskBlocked = Rules;

TEST_F(TaskBlocked, unknown_task) {
  refuses(Outcome::unknown_task, task_blocked(TaskId{99}, 1));
}

TEST_F(TaskBlocked, terminal) {
  const TaskId id = create_done();
  refuses(Outcome::terminal, task_blocked(id, version(id)));
}

TEST_F(TaskBlocked, version_conflict) {
  const TaskId id = create();
  lease(id);
  refuses(Outcome::version_conflict, task_blocked(id, 2));
}

TEST_F(TaskBlocked, lease_held) {
  const TaskId id = create();
  lease(id);
  refuses(Outcome::lease_held, task_blocked(id, 1));
}

TEST_F(TaskBlocked, stale_token) {
  const TaskId id = create();
  const Token old = lease(id);
  release(task_key(id), old);
  refuses(Outcome::stale_token, task_blocked(id, 1, old));
  lease(id);
  refuses(Outcome::stale_token, task_blocked(id, 1, old));
}

TEST_F(TaskBlocked, accepted_stops_claims_leases_and_crossings) {
  const TaskId id = create();
  const Decided& decided = must(task_blocked(id, 1));
  EXPECT_EQ(task(id).blocked, "asked");
  EXPECT_EQ(version(id), 1u);
  EXPECT_TRUE(has_effect(decided, EffectKind::blocked));
  EXPECT_TRUE(has_effect(decided, EffectKind::alert));
  refuses(Outcome::blocked, transition(id, "development", 1));
  refuses(Outcome::blocked, lease_acquired(task_key(id)));
  refuses(Outcome::blocked, job_claimed(job_of(id), worker), worker);
}

TEST_F(TaskBlocked, accepted_with_the_token_held_keeps_the_lease) {
  const TaskId id = create();
  const Token token = lease(id);
  must(task_blocked(id, 1, token));
  EXPECT_NE(state.lease(task_key(id)), nullptr);
}

TEST_F(TaskBlocked, accepted_unchecked_with_ownership_off) {
  const TaskId id = create();
  lease(id);
  set("ownership.enabled", false);
  EXPECT_TRUE(must(task_blocked(id, 1)).applied[0].unchecked);
}

using TaskUnblocked = Rules;

TEST_F(TaskUnblocked, unknown_task) {
  refuses(Outcome::unknown_task, task_unblocked(TaskId{99}));
}

TEST_F(TaskUnblocked, terminal) {
  refuses(Outcome::terminal, task_unblocked(create_done()));
}

TEST_F(TaskUnblocked, not_blocked) {
  refuses(Outcome::not_blocked, task_unblocked(create()));
}

TEST_F(TaskUnblocked, accepted_lets_it_go_on) {
  const TaskId id = create();
  block(id);
  must(task_unblocked(id));
  EXPECT_TRUE(task(id).blocked.empty());
  claim(id);
}

using CancelRequested = Rules;

TEST_F(CancelRequested, unknown_task) {
  refuses(Outcome::unknown_task, cancel_requested(TaskId{99}));
}

TEST_F(CancelRequested, terminal) {
  refuses(Outcome::terminal, cancel_requested(create_done()));
  const TaskId id = create();
  request_cancel(id);
  refuses(Outcome::terminal, cancel_requested(id));
}

TEST_F(CancelRequested, accepted_with_nothing_in_the_way_cancels_in_the_same_group) {
  const TaskId id = create();
  const JobId queued = job_of(id);
  const Decided& decided = must(cancel_requested(id));
  EXPECT_EQ(types_of(decided), (std::vector<std::string>{"CancelRequested", "TaskCancelled"}));
  EXPECT_EQ(decided.deciding, 0u);
  ASSERT_EQ(decided.archived.size(), 1u);
  EXPECT_EQ(decided.archived[0].task.id, id);
  EXPECT_EQ(decided.archived[0].task.stage, "cancelled");
  EXPECT_EQ(decided.archived[0].task.version, Version{2});
  ASSERT_EQ(decided.archived[0].jobs.size(), 1u);
  EXPECT_EQ(decided.archived[0].jobs[0].id, queued);
  EXPECT_EQ(decided.archived[0].jobs[0].status, JobStatus::cancelled);
  EXPECT_EQ(decided.applied[0].effects.at(0).kind, EffectKind::job_cancelled);  // In the request's own record.
}

TEST_F(CancelRequested, accepted_also_cancels_a_blocked_task) {
  const TaskId id = create();
  block(id);
  EXPECT_EQ(must(cancel_requested(id)).archived.size(), 1u);
}

TEST_F(CancelRequested, accepted_waits_for_a_running_job_to_be_ended) {
  const TaskId id = create();
  const JobId running = claim(id);
  must(run_started(running, 1, 4242), worker);
  const Decided& decided = must(cancel_requested(id));
  EXPECT_EQ(effects_of(decided),
            (Effects{{.kind = EffectKind::end_group, .id = raw(running), .pid = 4242, .task = raw(id)}}));
  EXPECT_EQ(task(id).stage, "analysis");
  EXPECT_EQ(job(running).status, JobStatus::running);  // Its slot is not free until its processes are gone.
  const Decided& finished = must(job_finished(running, 1, fb::JobResult::cancelled));
  EXPECT_EQ(types_of(finished), (std::vector<std::string>{"JobFinished", "TaskCancelled"}));
  ASSERT_EQ(finished.archived.size(), 1u);
  EXPECT_EQ(finished.archived[0].jobs[0].status, JobStatus::cancelled);
}

TEST_F(CancelRequested, accepted_waits_for_a_lease_and_refuses_what_is_new) {
  const TaskId id = create("deploy-staging");
  const Token token = lease(id);
  request_cancel(id);
  EXPECT_EQ(task(id).cancel_requested, "asked");
  EXPECT_EQ(state.open_job(task(id)), nullptr);
  refuses(Outcome::cancel_requested, step_started(id, 1, "deploy", "retest", token));
  refuses(Outcome::cancel_requested, job_queued(id));
  const Decided& decided = must(lease_released(task_key(id), token));
  EXPECT_EQ(types_of(decided), (std::vector<std::string>{"LeaseReleased", "TaskCancelled"}));
  EXPECT_EQ(decided.archived.size(), 1u);
}

TEST_F(CancelRequested, accepted_is_carried_out_by_a_reclaim) {
  const TaskId id = create("deploy-staging");
  const Token token = lease(id);
  request_cancel(id);
  EXPECT_EQ(types_of(must(lease_reclaimed(task_key(id), token))),
            (std::vector<std::string>{"LeaseReclaimed", "TaskCancelled"}));
}

TEST_F(CancelRequested, accepted_is_carried_out_by_a_reap) {
  const TaskId id = create();
  const JobId running = claim(id);
  request_cancel(id);
  const Decided& decided = must(job_reaped(running, 1, fb::Tier::pid_dead, std::nullopt));
  EXPECT_EQ(types_of(decided), (std::vector<std::string>{"JobReaped", "TaskCancelled"}));
}

TEST_F(CancelRequested, accepted_is_carried_out_at_a_restart) {
  const TaskId id = create("deploy-staging");
  lease(id);
  request_cancel(id);
  EXPECT_EQ(types_of(must(boot_started("daemon-2", "pawld"), {.boot = "daemon-2"})),
            (std::vector<std::string>{"BootStarted", "LeaseReclaimed", "TaskCancelled"}));
  EXPECT_EQ(state.tasks.find(id), nullptr);
}

TEST_F(CancelRequested, accepted_waits_for_a_committed_crossing) {
  const Crossing crossing = create_committed();
  request_cancel(crossing.task);
  release(task_key(crossing.task), crossing.token);
  finish_step(crossing.task, "merge", crossing.started);
  EXPECT_EQ(task(crossing.task).stage, "deploy-staging");
  // A path may re-enter it, and the request is carried out when the crossing has ended.
  const Token token = lease(crossing.task);
  move(crossing.task, "deploy", token);
  EXPECT_EQ(types_of(must(lease_released(task_key(crossing.task), token))),
            (std::vector<std::string>{"LeaseReleased", "TaskCancelled"}));
}

TEST_F(CancelRequested, accepted_twice_keeps_the_first_reason) {
  const TaskId id = create();
  lease(id);
  request_cancel(id);
  fb::CancelRequestedT again = cancel_requested(id);
  again.reason = "again";
  must(again);
  EXPECT_EQ(task(id).cancel_requested, "asked");
}

using TaskCancelled = Rules;

TEST_F(TaskCancelled, unknown_task) {
  refuses(Outcome::unknown_task, task_cancelled(TaskId{99}));
}

TEST_F(TaskCancelled, terminal) {
  refuses(Outcome::terminal, task_cancelled(create_done()));
}

TEST_F(TaskCancelled, lease_held) {
  const TaskId id = create();
  lease(id);
  refuses(Outcome::lease_held, task_cancelled(id));
}

TEST_F(TaskCancelled, committed) {
  const Crossing crossing = create_committed();
  refuses(Outcome::lease_held, task_cancelled(crossing.task));
  release(task_key(crossing.task), crossing.token);
  refuses(Outcome::committed, task_cancelled(crossing.task));
  finish_step(crossing.task, "merge", crossing.started);
  refuses(Outcome::committed, task_cancelled(crossing.task));
}

TEST_F(TaskCancelled, committed_with_ownership_off) {
  const Crossing crossing = create_committed();
  set("ownership.enabled", false);
  refuses(Outcome::committed, task_cancelled(crossing.task));
}

TEST_F(TaskCancelled, accepted_ends_the_task_and_frees_its_work_item) {
  const TaskId id{effects_of(must(task_created("W"))).at(0).id};
  const Decided& decided = must(task_cancelled(id));
  EXPECT_TRUE(has_effect(decided, EffectKind::job_cancelled));
  ASSERT_EQ(decided.archived.size(), 1u);
  EXPECT_EQ(decided.archived[0].task.stage, "cancelled");
  EXPECT_EQ(decided.archived[0].task.version, Version{2});
  must(task_created("W"));
}

using TaskNote = Rules;

TEST_F(TaskNote, unknown_task) {
  refuses(Outcome::unknown_task, task_note(TaskId{99}));
}

TEST_F(TaskNote, accepted_also_of_a_task_that_is_archived_and_changes_nothing) {
  const TaskId id = create();
  request_cancel(id);
  const std::uint64_t digest = state.digest();
  must(task_note(id));
  EXPECT_EQ(state.digest(), digest);
}

using RefusalsFolded = Rules;

TEST_F(RefusalsFolded, accepted_changes_nothing) {
  const std::uint64_t digest = state.digest();
  fb::RefusalsFoldedT event;
  event.seq = 1;
  event.count = 7;
  must(event);
  EXPECT_EQ(state.digest(), digest);
}

using BranchSeen = Rules;

fb::BranchSeenT branch_seen(TaskId task, const std::string& head, bool begun = false) {
  fb::BranchSeenT event;
  event.task = raw(task);
  event.head = head;
  event.begun = begun;
  return event;
}

TEST_F(BranchSeen, unknown_task) {
  refuses(Outcome::unknown_task, branch_seen(TaskId{99}, "c0ffee"));
}

TEST_F(BranchSeen, not_daemon) {
  refuses(Outcome::not_daemon, branch_seen(create(), "c0ffee"), worker);
}

TEST_F(BranchSeen, terminal) {
  refuses(Outcome::terminal, branch_seen(create_done(), "c0ffee"));
}

TEST_F(BranchSeen, accepted_keeps_the_last_head_and_that_the_task_began_it) {
  const TaskId id = create();
  must(branch_seen(id, "c0ffee", true));
  must(branch_seen(id, "decade"));
  EXPECT_EQ(task(id).branch_head, "decade");
  EXPECT_EQ(task(id).branch_begun, true);
}

TEST_F(GateEvaluated, accepted_remembers_what_it_was_red_for_and_no_more) {
  const TaskId id = create();
  fb::GateEvaluatedT event = gate_evaluated(id, 1, false);
  must(event);
  EXPECT_FALSE(task(id).red) << "the commit is not given";
  event.head = "c0ffee";
  must(event);
  ASSERT_TRUE(task(id).red);
  EXPECT_EQ(task(id).red->head, "c0ffee");
  event.passed = true;
  event.head = "decade";
  event.later = true;
  must(event);
  EXPECT_EQ(task(id).red->head, "c0ffee");
  EXPECT_EQ(task(id).gate->head, "decade");
  EXPECT_FALSE(task(id).gate->later) << "an answered gate is not to be asked later";
}

TEST_F(CancelRequested, accepted_keeps_the_branch_whenever_that_is_said) {
  const TaskId id = create("deploy-staging");
  lease(id);
  request_cancel(id);
  EXPECT_FALSE(task(id).keep_branch);
  fb::CancelRequestedT event = cancel_requested(id);
  event.keep_branch = true;
  must(event);
  request_cancel(id);
  EXPECT_EQ(task(id).keep_branch, true);
}

TEST_F(TaskCreated, accepted_without_a_pipeline_takes_the_default_one) {
  Pipeline other = default_pipeline();
  other.name = "other";
  must(pipeline_event(other));
  refuses(Outcome::bad_value, setting_changed("pipeline.default", std::string("nothing")));
  set("pipeline.default", std::string("other"));
  const TaskId id = create();
  EXPECT_EQ(state.pipeline_of(task(id)).name, "other");
  rules_in_force = 1;  // It knew only `delivery`.
  EXPECT_EQ(state.pipeline_of(task(create())).name, "delivery");
}

}  // namespace
}  // namespace pawl
