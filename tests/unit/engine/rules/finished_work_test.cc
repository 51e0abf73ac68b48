// A job whose agent has exited is finished work: a boot's end does not redo it. Also, the pause between two tries.
#include "engine/rules/claim.h"
#include "tests/unit/engine/rules.h"

namespace pawl {
namespace {

using FinishedWork = Rules;

TEST_F(FinishedWork, a_workers_end_does_not_touch_it) {
  for (const std::int64_t code : {0, 1}) {
    const JobId running = claim(create());
    must(run_exited(running, 1, code), worker);
    EXPECT_EQ(job(running).status, JobStatus::running);
  }
  EXPECT_EQ(types_of(must(boot_ended("worker-1"))), std::vector<std::string>{"BootEnded"});
  for (const auto& [id, job] : state.jobs.rows()) EXPECT_EQ(job.status, JobStatus::running);
}

TEST_F(FinishedWork, its_worker_may_come_back_under_another_boot) {
  const JobId running = claim(create());
  must(run_exited(running, 1, 0), worker);
  boot("worker-2", "worker");
  EXPECT_EQ(job(running).status, JobStatus::running);
  EXPECT_EQ(job(running).interruptions, 0u);
}

TEST_F(FinishedWork, a_daemons_end_makes_a_zero_done) {
  const TaskId id = create();
  const JobId running = job_of(id);
  must(job_claimed(running, {.actor = "executor"}));
  must(run_exited(running, 1, 0));
  must(boot_started("daemon-2", "pawld"), {.boot = "daemon-2", .actor = "pawld"});
  EXPECT_EQ(job(running).status, JobStatus::done);
  EXPECT_EQ(job(running).interruptions, 0u);
  EXPECT_EQ(state.open_job(task(id)), nullptr) << "the reconciler asks the gate";
}

TEST_F(FinishedWork, a_daemons_end_makes_another_code_a_try_that_counts) {
  const TaskId id = create();
  const JobId running = job_of(id);
  must(job_claimed(running, {.actor = "executor"}));
  must(run_exited(running, 1, 7));
  must(boot_started("daemon-2", "pawld"), {.boot = "daemon-2", .actor = "pawld"});
  EXPECT_EQ(job(running).status, JobStatus::queued);
  EXPECT_EQ(job(running).attempts, 1u);
  EXPECT_EQ(job(running).interruptions, 0u);
}

TEST_F(FinishedWork, is_not_done_again_whatever_ends_its_job) {
  for (const fb::Tier tier : {fb::Tier::ceiling, fb::Tier::finalizer_dead, fb::Tier::pid_dead}) {
    const JobId running = claim(create());
    must(run_exited(running, 1, 0), worker);
    must(job_reaped(running, 1, tier, std::nullopt), {.actor = "reaper"});
    EXPECT_EQ(job(running).status, JobStatus::done);
  }
  const TaskId id = create();
  const JobId running = claim(id);
  must(run_exited(running, 1, 0), worker);
  block(id);
  must(job_finished(running, 1, fb::JobResult::retry));
  EXPECT_EQ(job(running).status, JobStatus::done) << "an unblock runs its gate, and starts no agent";
}

TEST_F(FinishedWork, is_done_again_once_a_gate_has_found_fault_with_it) {
  for (const std::optional<bool> passed : {std::optional(false), std::optional<bool>()}) {
    const TaskId id = create();
    const JobId running = claim(id);
    must(run_exited(running, 1, 0), worker);
    must(gate_evaluated(id, 1, passed));
    must(job_finished(running, 1, fb::JobResult::retry));
    EXPECT_EQ(job(running).status, JobStatus::queued);
  }
  const TaskId id = create();
  const JobId running = job_of(id);
  must(gate_evaluated(id, 1, false));
  must(job_claimed(running, worker));
  must(run_exited(running, 1, 0), worker);
  must(job_finished(running, 1, fb::JobResult::retry));
  EXPECT_EQ(job(running).status, JobStatus::done) << "that gate result is from before";
}

TEST_F(FinishedWork, is_done_again_once_a_step_has_failed) {
  const TaskId id = create("deploy-staging");
  const JobId running = claim(id);
  must(run_exited(running, 1, 0), worker);
  const Token token = lease(id);
  const Seq started = start_step(id, "retest", token);
  finish_step(id, "retest", started, fb::StepOutcome::failed);
  must(job_finished(running, 1, fb::JobResult::retry));
  EXPECT_EQ(job(running).status, JobStatus::queued);
}

TEST_F(FinishedWork, what_had_not_exited_is_interrupted) {
  const JobId running = claim(create());
  boot("worker-2", "worker");
  EXPECT_EQ(job(running).status, JobStatus::queued);
  EXPECT_EQ(job(running).interruptions, 1u);
}

class RetryDelay : public Rules {
 protected:
  RetryDelay() { set("job.retry_delay_s", std::int64_t{10}); }

  void fail(JobId id) {
    must(job_claimed(id, worker));
    must(job_finished(id, job(id).attempts, fb::JobResult::retry));
  }
};

TEST_F(RetryDelay, refuses_a_claim_until_it_is_over) {
  const JobId id = job_of(create());
  fail(id);
  refuses(Outcome::retry_delay, job_claimed(id, worker));
  EXPECT_EQ(next_pause_end(state, std::vector{job(id).agent}, now), plus_s(now, 10));
  pass_s(9);
  refuses(Outcome::retry_delay, job_claimed(id, worker));
  pass_s(1);
  EXPECT_FALSE(next_pause_end(state, std::vector{job(id).agent}, now));
  must(job_claimed(id, worker));
  EXPECT_FALSE(job(id).not_before);
}

TEST_F(RetryDelay, doubles_up_to_its_bound) {
  set("job.max_attempts", std::int64_t{10});
  set("job.retry_delay_max_s", std::int64_t{35});
  const JobId id = job_of(create());
  for (const std::int64_t wait : {10, 20, 35, 35}) {
    fail(id);
    EXPECT_EQ(job(id).not_before, plus_s(now, wait));
    pass_s(wait);
  }
}

TEST_F(RetryDelay, follows_no_interruption) {
  const JobId id = job_of(create());
  must(job_claimed(id, worker));
  boot("worker-2", "worker");
  EXPECT_FALSE(job(id).not_before);
  must(job_claimed(id, {.boot = "worker-2"}));
}

TEST_F(RetryDelay, follows_what_the_reaper_ends) {
  const JobId id = claim(create());
  must(job_reaped(id, 1, fb::Tier::pid_dead, std::nullopt), {.actor = "reaper"});
  EXPECT_EQ(job(id).not_before, plus_s(now, 10));
}

TEST_F(RetryDelay, is_none_if_that_is_wanted) {
  set("job.retry_delay_s", std::int64_t{0});
  const JobId id = job_of(create());
  fail(id);
  EXPECT_FALSE(job(id).not_before);
}

}  // namespace
}  // namespace pawl
