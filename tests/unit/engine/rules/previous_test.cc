// No attempt runs beside its predecessor: a process that a worker's attempt left on the daemon's host bars every claim
// of its task until it is gone.
#include "engine/policies/machine.h"
#include "engine/policies/stuck.h"
#include "tests/unit/engine/rules.h"

namespace pawl {
namespace {

class PreviousProcess : public Rules {
 protected:
  /// A worker's job whose agent is process 4242.
  JobId begin(TaskId id) {
    const JobId running = claim(id);
    must(run_started(running, job(running).attempts, 4242), worker);
    return running;
  }
  bool bars(JobId id) const { return job(id).previous.has_value(); }

  const Who other{.boot = "worker-2", .actor = "worker"};
};

TEST_F(PreviousProcess, bars_the_next_claim_when_its_worker_leaves_dies_or_meets_the_ceiling) {
  for (const fb::Tier tier : {fb::Tier::restart, fb::Tier::pid_dead, fb::Tier::ceiling}) {
    boot("worker-1" + std::to_string(static_cast<int>(tier)), "worker-" + std::to_string(static_cast<int>(tier)));
    const Who its{.boot = "worker-1" + std::to_string(static_cast<int>(tier)), .actor = "worker"};
    const JobId running = job_of(create());
    must(job_claimed(running, its));
    must(run_started(running, 1, 4242), its);
    if (tier == fb::Tier::restart) {
      must(boot_ended(its.boot));
    } else {
      must(job_reaped(running, 1, tier, std::nullopt));
    }
    ASSERT_EQ(job(running).status, JobStatus::queued);
    EXPECT_EQ(job(running).previous->attempt, 1u);
    EXPECT_EQ(job(running).previous->pid, 4242);
    EXPECT_EQ(job(running).previous->host, "host");
    refuses(Outcome::previous_alive, job_claimed(running, worker));
    EXPECT_TRUE(must(previous_gone(running, 4242)).applied[0].frees.any());
    must(job_claimed(running, worker));
  }
}

TEST_F(PreviousProcess, is_kept_with_the_process_of_the_worker_that_reported_it) {
  const Who its{.boot = "worker-3", .actor = "worker", .principal = "token:ci"};
  fb::BootStartedT registered = boot_started("worker-3", "worker-3");
  registered.pid = 777;
  registered.pid_start = 8;
  must(registered, {.boot = "daemon-1", .actor = "worker", .principal = "token:ci"});
  const JobId running = job_of(create());
  must(job_claimed(running, its), its);
  must(run_started(running, 1, 4242), its);
  must(boot_ended("worker-3"), its);
  EXPECT_EQ(job(running).previous->worker_pid, 777);
  EXPECT_EQ(job(running).previous->worker_pid_start, 8);

  const JobId of_before = begin(create());
  must(job_reaped(of_before, 1, fb::Tier::ceiling, std::nullopt));
  EXPECT_FALSE(job(of_before).previous->worker_pid) << "in a log of before principals, whose digests stand";
}

TEST_F(PreviousProcess, bars_over_a_restart_of_the_daemon) {
  const JobId running = begin(create());
  must(job_reaped(running, 1, fb::Tier::ceiling, std::nullopt));
  must(boot_started("daemon-2", "pawld"), {.boot = "daemon-2", .actor = "pawld"});
  refuses(Outcome::previous_alive, job_claimed(running, worker), worker);
  must(previous_gone(running, 4242), {.boot = "daemon-2", .actor = "executor"});
  must(job_claimed(running, worker), worker);
}

TEST_F(PreviousProcess, bars_the_whole_task_and_no_other) {
  const TaskId id = create("development");
  const JobId running = begin(id);
  move(id, "review");
  must(job_reaped(running, 1, fb::Tier::ceiling, std::nullopt));
  EXPECT_EQ(job(running).status, JobStatus::done) << "the task has moved on";
  refuses(Outcome::previous_alive, job_claimed(job_of(id), worker));
  must(job_claimed(job_of(create()), worker));
  must(previous_gone(running, 4242));
  must(job_claimed(job_of(id), worker));
}

TEST_F(PreviousProcess, bars_nothing_where_it_is_known_to_have_ended) {
  const JobId exited = begin(create());
  must(run_exited(exited, 1, 1), worker);
  must(job_reaped(exited, 1, fb::Tier::ceiling, std::nullopt));
  EXPECT_FALSE(bars(exited)) << "its exit is recorded";

  const JobId finished = begin(create());
  must(job_finished(finished, 1, fb::JobResult::retry), worker);
  EXPECT_FALSE(bars(finished)) << "its owner reported the end";

  const JobId seen_dead = begin(create());
  fb::JobReapedT reaped = job_reaped(seen_dead, 1, fb::Tier::pid_dead, std::nullopt);
  reaped.evidence->first_dead = now.us;
  must(reaped);
  EXPECT_FALSE(bars(seen_dead));

  const JobId unreported = claim(create());
  must(job_reaped(unreported, 1, fb::Tier::ceiling, std::nullopt));
  EXPECT_FALSE(bars(unreported)) << "no process was reported";
}

TEST_F(PreviousProcess, bars_nothing_where_the_daemon_cannot_see_it_by_its_nature_or_runs_it_itself) {
  fb::BootStartedT far = boot_started("far-1", "far");
  far.host = "elsewhere";
  must(far);
  const JobId elsewhere = job_of(create());
  must(job_claimed(elsewhere, {.boot = "far-1", .actor = "worker"}));
  must(run_started(elsewhere, 1, 4242), {.boot = "far-1", .actor = "worker"});
  must(boot_ended("far-1"));
  EXPECT_FALSE(bars(elsewhere));

  const JobId own = job_of(create());
  must(job_claimed(own, {.actor = "executor"}));
  must(run_started(own, 1, 4242), {.actor = "executor"});
  must(boot_started("daemon-2", "pawld"), {.boot = "daemon-2", .actor = "pawld"});
  EXPECT_FALSE(bars(own)) << "its lock and its keeper show whether it is gone";
}

TEST_F(PreviousProcess, bars_when_somebody_else_takes_the_attempt_back) {
  for (const fb::JobResult result : {fb::JobResult::retry, fb::JobResult::failed}) {
    const JobId running = begin(create());
    must(job_finished(running, 1, result), {.actor = "operator"});
    EXPECT_TRUE(bars(running));
  }
  const JobId running = begin(create());
  must(job_finished(running, 1, fb::JobResult::done), {.actor = "operator"});
  EXPECT_FALSE(bars(running)) << "its work is accepted as it is";
}

TEST_F(PreviousProcess, gone_is_said_by_the_daemon_alone_and_of_that_process_alone) {
  const JobId running = begin(create());
  refuses(Outcome::no_previous, previous_gone(running, 4242));
  must(job_reaped(running, 1, fb::Tier::ceiling, std::nullopt));
  refuses(Outcome::not_daemon, previous_gone(running, 4242), worker);
  refuses(Outcome::no_previous, previous_gone(running, 4243));
  refuses(Outcome::unknown_job, previous_gone(JobId{99}, 4242));
  must(previous_gone(running, 4242));
  refuses(Outcome::no_previous, previous_gone(running, 4242));
}

TEST_F(PreviousProcess, ends_by_the_word_of_an_operator_when_nothing_else_is_asked) {
  const TaskId id = create();
  const JobId running = begin(id);
  must(job_reaped(running, 1, fb::Tier::ceiling, std::nullopt));
  block(id);
  fb::TaskUnblockedT word;
  word.task = raw(id);
  must(word);
  refuses(Outcome::previous_alive, job_claimed(running, worker));
  EXPECT_TRUE(must(word).applied[0].frees.any());
  must(job_claimed(running, worker));
  refuses(Outcome::not_blocked, word);
}

TEST_F(PreviousProcess, barred_task_is_named_as_stuck_with_the_command_that_frees_it) {
  const TaskId id = create();
  const JobId running = begin(id);
  must(job_reaped(running, 1, fb::Tier::ceiling, std::nullopt));
  const auto stuck = why_stuck(state, task(id), now, {});
  ASSERT_TRUE(stuck);
  EXPECT_EQ(stuck->reason, "previous_alive");
  EXPECT_NE(stuck->frees.find("kill -KILL 4242"), std::string::npos) << stuck->frees;
  EXPECT_NE(stuck->frees.find("pawl unblock"), std::string::npos) << stuck->frees;
  EXPECT_TRUE(view_of(state, id)->is_barred);
}

TEST_F(PreviousProcess, number_of_whoever_reports_of_the_daemon_or_of_no_agent_is_bad_pid) {
  fb::BootStartedT boot = boot_started("two-1", "two");
  boot.pid = 200;
  must(boot);
  const Who two{.boot = "two-1", .actor = "worker"};
  const JobId running = job_of(create());
  fb::JobClaimedT claim = job_claimed(running, two);
  claim.owner->pid = 300;
  must(claim, two);
  for (const std::int64_t pid : {-1, 0, 1}) refuses(Outcome::bad_pid, run_started(running, 1, pid), two);
  refuses(Outcome::bad_pid, run_started(running, 1, 100), two);  // the daemon's
  refuses(Outcome::bad_pid, run_started(running, 1, 200), two);  // of the owner's boot
  refuses(Outcome::bad_pid, run_started(running, 1, 300), two);  // of the claim
  must(run_started(running, 1, 4242), two);
}

TEST_F(PreviousProcess, rules_1_know_none) {
  rules_in_force = 1;
  const JobId running = begin(create());
  must(job_reaped(running, 1, fb::Tier::ceiling, std::nullopt));
  EXPECT_FALSE(bars(running));
  must(job_claimed(running, worker));
  must(run_started(running, 2, 1), worker);
}

}  // namespace
}  // namespace pawl
