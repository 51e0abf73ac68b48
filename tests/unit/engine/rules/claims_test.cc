// Claims that must be renewed, and claims whose answer was never delivered.
#include "tests/unit/engine/rules.h"

namespace pawl {
namespace {

fb::ClaimRenewedT claim_renewed(JobId job, std::uint64_t attempt) {
  fb::ClaimRenewedT event;
  event.job = raw(job);
  event.attempt = attempt;
  return event;
}

fb::ClaimReturnedT claim_returned(JobId job, std::uint64_t attempt) {
  fb::ClaimReturnedT event;
  event.job = raw(job);
  event.attempt = attempt;
  return event;
}

fb::JobReapedT reaped_for_its_ttl(JobId job, std::uint64_t attempt) {
  fb::JobReapedT event = job_reaped(job, attempt, fb::Tier::pid_dead, std::nullopt);
  event.reason = "ttl_expired";
  return event;
}

class Claims : public Rules {
 protected:
  JobId claim_for(TaskId id, std::int64_t ttl_s) {
    fb::JobClaimedT event = job_claimed(job_of(id), worker);
    event.ttl = ttl_s;
    must(event, worker);
    return JobId{event.job};
  }
};

using ClaimRenewed = Claims;
using ClaimReturned = Claims;

TEST_F(ClaimRenewed, unknown_job) {
  refuses(Outcome::unknown_job, claim_renewed(JobId{99}, 1), worker);
}

TEST_F(ClaimRenewed, not_running) {
  refuses(Outcome::not_running, claim_renewed(job_of(create()), 1), worker);
}

TEST_F(ClaimRenewed, stale_attempt) {
  refuses(Outcome::stale_attempt, claim_renewed(claim_for(create(), 30), 2), worker);
}

TEST_F(ClaimRenewed, not_owner) {
  const JobId running = claim_for(create(), 30);
  boot("worker-2", "another");
  refuses(Outcome::not_owner, claim_renewed(running, 1), {.boot = "worker-2", .actor = "worker"});
}

TEST_F(ClaimRenewed, already_exited) {
  const JobId running = claim_for(create(), 30);
  must(run_exited(running, 1, 0), worker);
  refuses(Outcome::already_exited, claim_renewed(running, 1), worker);
}

TEST_F(ClaimRenewed, accepted_counts_from_now) {
  const JobId running = claim_for(create(), 30);
  pass_s(20);
  must(claim_renewed(running, 1), worker);
  EXPECT_EQ(job(running).run->claim_end(), plus_s(now, 30));
}

TEST_F(ClaimRenewed, accepted_of_a_claim_without_a_time_changes_no_end) {
  const JobId running = claim(create());
  must(claim_renewed(running, 1), worker);
  EXPECT_EQ(job(running).run->claim_end(), std::nullopt);
}

TEST_F(ClaimRenewed, claim_that_was_renewed_is_not_reaped_for_its_time) {
  const JobId running = claim_for(create(), 30);
  pass_s(29);
  refuses(Outcome::claim_renewed, reaped_for_its_ttl(running, 1));
  must(claim_renewed(running, 1), worker);
  pass_s(29);
  refuses(Outcome::claim_renewed, reaped_for_its_ttl(running, 1));
  pass_s(1);
  must(reaped_for_its_ttl(running, 1));
  EXPECT_EQ(job(running).status, JobStatus::queued);
}

TEST_F(ClaimRenewed, time_binds_no_longer_than_until_an_exit_is_recorded) {
  const JobId running = claim_for(create(), 30);
  must(run_exited(running, 1, 0), worker);
  pass_s(600);
  refuses(Outcome::claim_renewed, reaped_for_its_ttl(running, 1));
}

TEST_F(ClaimReturned, unknown_job) {
  refuses(Outcome::unknown_job, claim_returned(JobId{99}, 1));
}

TEST_F(ClaimReturned, not_running) {
  refuses(Outcome::not_running, claim_returned(job_of(create()), 1));
}

TEST_F(ClaimReturned, stale_attempt) {
  refuses(Outcome::stale_attempt, claim_returned(claim(create()), 2));
}

TEST_F(ClaimReturned, not_owner) {
  const JobId running = claim(create());
  boot("worker-2", "another");
  refuses(Outcome::not_owner, claim_returned(running, 1), {.boot = "worker-2", .actor = "worker"});
}

TEST_F(ClaimReturned, already_started) {
  const JobId running = claim(create());
  must(run_started(running, 1, 4242), worker);
  refuses(Outcome::already_started, claim_returned(running, 1));
  const JobId exited = claim(create());
  must(run_exited(exited, 1, 0), worker);
  refuses(Outcome::already_started, claim_returned(exited, 1));
}

TEST_F(ClaimReturned, accepted_however_often_charges_no_budget) {
  set("job.retry_delay_s", std::int64_t{10});
  set("recovery.max_interruptions", std::int64_t{0});
  const TaskId id = create();
  const JobId queued = job_of(id);
  for (std::uint64_t attempt = 1; attempt <= 9; ++attempt) {
    ASSERT_EQ(claim(id), queued);
    EXPECT_TRUE(has_effect(must(claim_returned(queued, attempt)), EffectKind::job_queued));
    EXPECT_EQ(job(queued).status, JobStatus::queued);
    EXPECT_EQ(job(queued).attempts, attempt) << "the fence does not shrink";
    EXPECT_EQ(job(queued).not_before, std::nullopt);
  }
  EXPECT_EQ(job(queued).charged_tries(), 0u);
  EXPECT_EQ(job(queued).interruptions, 0u);
}

TEST_F(ClaimReturned, accepted_of_a_task_that_is_to_be_cancelled_ends_the_job) {
  const TaskId id = create();
  const JobId running = claim(id);
  request_cancel(id);
  must(claim_returned(running, 1));
  EXPECT_EQ(state.tasks.find(id), nullptr) << "it was cancelled, and is in the archive";
}

using FarOwners = Claims;

TEST_F(FarOwners, lease_on_a_repository_ends_some_time) {
  fb::BootStartedT far = boot_started("far-1", "far");
  far.host = "another host";
  must(far);
  lease("repo:shop", {.boot = "far-1", .actor = "worker"});
  EXPECT_EQ(state.lease("repo:shop")->ttl_s, 1800);
  lease("repo:other", worker);
  EXPECT_EQ(state.lease("repo:other")->ttl_s, std::nullopt) << "the owner's death can be seen";
  lease("any", {.boot = "far-1", .actor = "worker"});
  EXPECT_EQ(state.lease("any")->ttl_s, std::nullopt);
  lease("repo:third", {.boot = "far-1", .actor = "worker"}, 60);
  EXPECT_EQ(state.lease("repo:third")->ttl_s, 60);
}

TEST_F(FarOwners, lease_on_a_repository_has_no_end_under_the_first_rules) {
  rules_in_force = 1;
  fb::BootStartedT far = boot_started("far-1", "far");
  far.host = "another host";
  must(far);
  lease("repo:shop", {.boot = "far-1", .actor = "worker"});
  EXPECT_EQ(state.lease("repo:shop")->ttl_s, std::nullopt);
}

}  // namespace
}  // namespace pawl
