// JobReaped: every refusal in the order of SPEC §4, and whose lease each tier frees.
#include "tests/unit/engine/rules.h"

namespace pawl {
namespace {

using JobReaped = Rules;

TEST_F(JobReaped, unknown_job) {
  refuses(Outcome::unknown_job, job_reaped(JobId{99}, 1, fb::Tier::ceiling, std::nullopt));
}

TEST_F(JobReaped, not_running) {
  refuses(Outcome::not_running, job_reaped(job_of(create()), 0, fb::Tier::ceiling, std::nullopt));
}

TEST_F(JobReaped, stale_attempt) {
  refuses(Outcome::stale_attempt, job_reaped(claim(create()), 2, fb::Tier::ceiling, std::nullopt));
}

TEST_F(JobReaped, lease_held) {
  const TaskId id = create("deploy-staging");
  const JobId running = claim(id);
  const Token seen = lease(id, worker);
  release(task_key(id), seen);
  lease(id);
  for (const fb::Tier tier : {fb::Tier::pid_dead, fb::Tier::finalizer_dead}) {
    refuses(Outcome::lease_held, job_reaped(running, 1, tier, seen));
    refuses(Outcome::lease_held, job_reaped(running, 1, tier, std::nullopt));
  }
}

TEST_F(JobReaped, lease_held_is_not_asked_of_the_ceiling) {
  const TaskId id = create("deploy-staging");
  const JobId running = claim(id);
  lease(id);
  must(job_reaped(running, 1, fb::Tier::ceiling, std::nullopt));
  EXPECT_EQ(state.lease(task_key(id)), nullptr);
}

TEST_F(JobReaped, refusals_come_in_the_order_of_the_contract) {
  const TaskId id = create();
  const JobId running = claim(id);
  lease(id);
  refuses(Outcome::stale_attempt, job_reaped(running, 2, fb::Tier::pid_dead, std::nullopt));
  refuses(Outcome::lease_held, job_reaped(running, 1, fb::Tier::pid_dead, std::nullopt));
}

TEST_F(JobReaped, accepted_unchecked_with_ownership_off_whatever_lease_is_held) {
  const TaskId id = create();
  const JobId running = claim(id);
  lease(id);
  set("ownership.enabled", false);
  EXPECT_TRUE(must(job_reaped(running, 1, fb::Tier::pid_dead, std::nullopt)).applied[0].unchecked);
}

TEST_F(JobReaped, accepted_ends_the_process_group_and_goes_by_the_retry_rule) {
  const TaskId id = create();
  const JobId running = claim(id);
  must(run_started(running, 1, 4242));
  const Decided& decided = must(job_reaped(running, 1, fb::Tier::pid_dead, std::nullopt));
  EXPECT_EQ(effects_of(decided).at(0),
            (Effect{.kind = EffectKind::end_group, .id = raw(running), .pid = 4242, .task = raw(id)}));
  EXPECT_EQ(job(running).status, JobStatus::queued);
  EXPECT_EQ(job(running).interruptions, 0u);
  must(previous_gone(running, 4242));
  must(job_claimed(running, worker));
  must(job_reaped(running, 2, fb::Tier::pid_dead, std::nullopt));
  EXPECT_EQ(job(running).status, JobStatus::failed);
}

fb::JobReapedT with_dead_owner(fb::JobReapedT event) {
  event.evidence->lease_owner_alive = false;
  return event;
}

TEST_F(JobReaped, accepted_by_tiers_1_and_2_frees_the_lease_seen_with_a_dead_owner) {
  for (const fb::Tier tier : {fb::Tier::pid_dead, fb::Tier::finalizer_dead}) {
    const TaskId id = create();
    const JobId running = claim(id);
    const Token token = lease(id, worker);
    const Decided& decided = must(with_dead_owner(job_reaped(running, 1, tier, token)), {.actor = "reaper"});
    EXPECT_EQ(state.lease(task_key(id)), nullptr);
    EXPECT_TRUE(has_effect(decided, EffectKind::lease_freed));
    EXPECT_EQ(decided.records.size(), 1u);
  }
}

TEST_F(JobReaped, accepted_by_tiers_1_and_2_leaves_the_lease_of_a_live_owner) {
  for (const fb::Tier tier : {fb::Tier::pid_dead, fb::Tier::finalizer_dead}) {
    const TaskId id = create();
    const JobId running = claim(id);
    const Token token = lease(id, worker);
    must(job_reaped(running, 1, tier, token), {.actor = "reaper"});
    EXPECT_EQ(state.lease(task_key(id))->token, token);
  }
}

TEST_F(JobReaped, accepted_without_evidence_leaves_the_lease_of_whom_nobody_says_to_be_dead) {
  const TaskId id = create();
  const JobId running = claim(id);
  const Token token = lease(id, worker);
  fb::JobReapedT event = job_reaped(running, 1, fb::Tier::pid_dead, token);
  event.evidence.reset();
  must(event, {.actor = "reaper"});
  EXPECT_EQ(state.lease(task_key(id))->token, token);
}

TEST_F(JobReaped, accepted_by_tier_2_frees_the_proposers_own_lease_when_it_requeues) {
  const TaskId id = create("deploy-staging");
  const JobId running = claim(id);
  const Token token = lease(id, {.actor = "reaper"});
  must(job_reaped(running, 1, fb::Tier::finalizer_dead, token), {.actor = "reaper"});
  EXPECT_EQ(state.lease(task_key(id)), nullptr);
  EXPECT_EQ(job(running).status, JobStatus::queued);
}

TEST_F(JobReaped, accepted_by_tier_2_as_done_keeps_the_proposers_own_lease_for_the_guarded_advance) {
  const TaskId id = create("deploy-staging");
  const JobId running = claim(id);
  const Token token = lease(id, {.actor = "reaper"});
  must(job_reaped(running, 1, fb::Tier::finalizer_dead, token, fb::JobResult::done), {.actor = "reaper"});
  EXPECT_EQ(job(running).status, JobStatus::done);
  EXPECT_EQ(state.lease(task_key(id))->token, token);
}

TEST_F(JobReaped, accepted_by_tier_2_as_done_keeps_it_on_an_unguarded_edge_for_the_rest_of_the_group) {
  const TaskId id = create("review");
  const JobId running = claim(id);
  const Token token = lease(id, {.actor = "reaper"});
  must(job_reaped(running, 1, fb::Tier::finalizer_dead, token, fb::JobResult::done), {.actor = "reaper"});
  EXPECT_EQ(state.lease(task_key(id))->token, token);
}

TEST_F(JobReaped, accepted_by_tier_3_frees_whoever_holds_it_but_not_once_the_task_has_moved_on) {
  const TaskId id = create("testing");
  const JobId old = claim(id);
  move(id, "deploy-staging");
  const JobId running = claim(id);
  const Token token = lease(id, worker);
  must(job_reaped(old, 1, fb::Tier::ceiling, token));
  EXPECT_EQ(job(old).status, JobStatus::done);
  ASSERT_NE(state.lease(task_key(id)), nullptr);
  EXPECT_EQ(state.lease(task_key(id))->token, token);
  must(job_reaped(running, 1, fb::Tier::ceiling, std::nullopt));
  EXPECT_EQ(state.lease(task_key(id)), nullptr);
}

TEST_F(JobReaped, accepted_by_restart_leaves_the_lease_of_a_live_boot) {
  const TaskId id = create("deploy-staging");
  claim(id);
  const Token token = lease(id);
  boot("worker-2", "worker");
  EXPECT_EQ(state.lease(task_key(id))->token, token);
}

TEST_F(JobReaped, accepted_by_restart_of_an_older_version_leaves_what_the_task_has_now) {
  const TaskId id = create("testing");
  const JobId old = claim(id);
  move(id, "deploy-staging");
  lease(id, worker);
  const Decided& decided = must(boot_started("worker-2", "worker"));
  EXPECT_EQ(job(old).status, JobStatus::done);
  EXPECT_EQ(state.lease(task_key(id)), nullptr) << "reclaimed by its own record: its boot is stale too";
  EXPECT_EQ(types_of(decided).size(), 3u);
}

TEST_F(JobReaped, accepted_lets_a_late_finalizer_lose) {
  const TaskId id = create("deploy-staging");
  const JobId running = claim(id);
  const Token token = lease(id, worker);
  do_step(id, "retest", token);
  must(job_reaped(running, 1, fb::Tier::ceiling, token), {.actor = "reaper"});
  refuses(Outcome::stale_token, step_started(id, 1, "deploy", "merge", token, lease("repo:shop")), worker);
  refuses(Outcome::not_running, job_finished(running, 1, fb::JobResult::done), worker);
}

}  // namespace
}  // namespace pawl
