// Jobs and their runs: every refusal in the order of SPEC §4, and the retry rule line by line.
#include "tests/unit/engine/rules.h"

namespace pawl {
namespace {

using JobQueued = Rules;

TEST_F(JobQueued, unknown_task) {
  refuses(Outcome::unknown_task, job_queued(TaskId{99}));
}

TEST_F(JobQueued, terminal) {
  refuses(Outcome::terminal, job_queued(create_done()));
}

TEST_F(JobQueued, blocked) {
  const TaskId id = create();
  block(id);
  refuses(Outcome::blocked, job_queued(id));
}

TEST_F(JobQueued, cancel_requested) {
  const TaskId id = create();
  lease(id);
  request_cancel(id);
  refuses(Outcome::cancel_requested, job_queued(id));
}

TEST_F(JobQueued, no_agent) {
  refuses(Outcome::no_agent, job_queued(create("deploy")));
}

TEST_F(JobQueued, already_queued) {
  const TaskId id = create();
  refuses(Outcome::already_queued, job_queued(id));
  claim(id);
  refuses(Outcome::already_queued, job_queued(id));
}

TEST_F(JobQueued, refusals_come_in_the_order_of_the_contract) {
  const TaskId id = create();
  claim(id);
  request_cancel(id);
  block(id);
  refuses(Outcome::blocked, job_queued(id));
  must(task_unblocked(id));
  refuses(Outcome::cancel_requested, job_queued(id));
}

TEST_F(JobQueued, accepted_once_the_job_of_the_version_has_ended) {
  const TaskId id = create();
  const JobId first = claim(id);
  must(job_finished(first, 1, fb::JobResult::done));
  const Decided& decided = must(job_queued(id));
  const JobId second = job_of(id);
  EXPECT_EQ(second, next(first));
  EXPECT_EQ(effects_of(decided), (Effects{{.kind = EffectKind::job_queued, .id = raw(second)}}));
  EXPECT_EQ(job(second).attempts, 0u);
  EXPECT_EQ(job(second).reason, "asked");
}

TEST_F(JobQueued, accepted_beside_a_running_job_of_an_earlier_version) {
  const TaskId id = create();
  claim(id);
  move(id, "development");
  const JobId second = claim(id);
  must(job_finished(second, 1, fb::JobResult::done));
  must(job_queued(id));
}

using JobClaimed = Rules;

TEST_F(JobClaimed, unknown_job) {
  refuses(Outcome::unknown_job, job_claimed(JobId{99}, worker));
}

TEST_F(JobClaimed, unknown_boot) {
  refuses(Outcome::unknown_boot, job_claimed(job_of(create()), {.boot = "nobody"}));
}

TEST_F(JobClaimed, stale_boot) {
  const TaskId id = create();
  boot("worker-2", "worker");
  refuses(Outcome::stale_boot, job_claimed(job_of(id), worker));
}

TEST_F(JobClaimed, not_queued) {
  const JobId running = claim(create());
  refuses(Outcome::not_queued, job_claimed(running, worker));
  must(job_finished(running, 1, fb::JobResult::done));
  refuses(Outcome::not_queued, job_claimed(running, worker));
}

TEST_F(JobClaimed, not_queued_once_its_task_is_archived) {
  const TaskId id = create();
  const JobId queued = job_of(id);
  request_cancel(id);
  refuses(Outcome::not_queued, job_claimed(queued, worker));
}

// Events cannot reach the next three: a record that moves, ends or cancels a task also cancels its queued jobs. They
// are a second line of defence, so the rows are set by hand.

TEST_F(JobClaimed, superseded) {
  const TaskId id = create();
  const JobId old = job_of(id);
  move(id, "development");
  tamper([&](State& each) {
    Job job = *each.jobs.find(old);
    job.status = JobStatus::queued;
    each.jobs.load(old, std::move(job));
  });
  refuses(Outcome::superseded, job_claimed(old, worker));
}

TEST_F(JobClaimed, terminal) {
  const TaskId id = create_done();
  const JobId queued{raw(job_of(create())) + 1};
  tamper([&](State& each) {
    Job job;
    job.id = queued;
    job.task = id;
    job.version = each.tasks.find(id)->version;
    job.max_attempts = 1;
    each.jobs.load(queued, std::move(job));
    Ids ids = *each.ids.find(0);
    ids.next_job = next(queued);
    each.ids.load(0, ids);
  });
  refuses(Outcome::terminal, job_claimed(queued, worker));
}

TEST_F(JobClaimed, blocked) {
  const TaskId id = create();
  block(id);
  refuses(Outcome::blocked, job_claimed(job_of(id), worker));
}

TEST_F(JobClaimed, cancel_requested) {
  const TaskId id = create();
  const JobId queued = job_of(id);
  lease(id);
  request_cancel(id);
  tamper([&](State& each) {
    Job job = *each.jobs.find(queued);
    job.status = JobStatus::queued;
    each.jobs.load(queued, std::move(job));
  });
  refuses(Outcome::cancel_requested, job_claimed(queued, worker));
}

TEST_F(JobClaimed, dependency) {
  const TaskId first = create();
  fb::TaskCreatedT event = task_created("W");
  event.depends_on = {raw(first)};
  const TaskId second{effects_of(must(event)).at(0).id};
  refuses(Outcome::dependency, job_claimed(job_of(second), worker));
  request_cancel(first);
  claim(second);
}

TEST_F(JobClaimed, serial_gate) {
  set("queue.serial_per_repo", true);
  const JobId running = claim(create("analysis", "shop"));
  const TaskId second = create("analysis", "shop");
  refuses(Outcome::serial_gate, job_claimed(job_of(second), worker));
  claim(create("analysis", "other"));
  must(job_finished(running, 1, fb::JobResult::done));
  claim(second);
}

TEST_F(JobClaimed, limit) {
  set("queue.max_concurrency", std::int64_t{1});
  const JobId running = claim(create("analysis", "shop"));
  const TaskId second = create("analysis", "other");
  refuses(Outcome::limit, job_claimed(job_of(second), worker));
  must(job_finished(running, 1, fb::JobResult::done));
  claim(second);
}

TEST_F(JobClaimed, refusals_come_in_the_order_of_the_contract) {
  set("queue.serial_per_repo", true);
  set("queue.max_concurrency", std::int64_t{1});
  const TaskId running = create("analysis", "shop");
  const JobId in_the_way = claim(running);
  fb::TaskCreatedT event = task_created("W");
  event.depends_on = {raw(running)};
  const TaskId id{effects_of(must(event)).at(0).id};
  block(id);
  refuses(Outcome::blocked, job_claimed(job_of(id), worker));
  must(task_unblocked(id));
  refuses(Outcome::dependency, job_claimed(job_of(id), worker));
  request_cancel(running);
  must(job_finished(in_the_way, 1, fb::JobResult::cancelled));
  set("job.retry_delay_s", std::int64_t{10});
  must(job_finished(claim(id), 1, fb::JobResult::retry));
  block(id);
  refuses(Outcome::blocked, job_claimed(job_of(id), worker));
  must(task_unblocked(id));
  const JobId other = claim(create("analysis", "shop"));
  refuses(Outcome::retry_delay, job_claimed(job_of(id), worker));
  pass_s(10);
  refuses(Outcome::serial_gate, job_claimed(job_of(id), worker));
  must(job_finished(other, 1, fb::JobResult::done));
  claim(create("analysis", "other"));
  refuses(Outcome::limit, job_claimed(job_of(id), worker));
}

TEST_F(JobClaimed, accepted_runs_with_one_attempt_more) {
  const TaskId id = create();
  const JobId claimed = job_of(id);
  pass_s(5);
  must(job_claimed(claimed, worker));
  EXPECT_EQ(job(claimed).status, JobStatus::running);
  EXPECT_EQ(job(claimed).attempts, 1u);
  ASSERT_TRUE(job(claimed).run.has_value());
  EXPECT_EQ(job(claimed).run->owner, (Owner{.boot_id = "worker-1", .pid = 100, .actor = "worker"}));
  EXPECT_EQ(job(claimed).run->claimed, now);
  EXPECT_EQ(job(claimed).run->id, RunId{1});
  EXPECT_FALSE(job(claimed).run->pid.has_value());
}

using RunStarted = Rules;

TEST_F(RunStarted, unknown_job) {
  refuses(Outcome::unknown_job, run_started(JobId{99}, 1));
}

TEST_F(RunStarted, not_running) {
  refuses(Outcome::not_running, run_started(job_of(create()), 0));
}

TEST_F(RunStarted, stale_attempt) {
  const JobId running = claim(create());
  refuses(Outcome::stale_attempt, run_started(running, 0));
  refuses(Outcome::stale_attempt, run_started(running, 2));
}

TEST_F(RunStarted, refusals_come_in_the_order_of_the_contract) {
  boot("other-1", "other");
  const Who other{.boot = "other-1", .actor = "worker"};
  const JobId running = job_of(create());
  refuses(Outcome::unknown_job, run_started(JobId{99}, 2), other);
  refuses(Outcome::not_running, run_started(running, 2), other);
  must(job_claimed(running, worker));
  refuses(Outcome::stale_attempt, run_started(running, 2), other);
  refuses(Outcome::not_owner, run_started(running, 1), other);
}

TEST_F(RunStarted, accepted_is_recorded) {
  const JobId running = claim(create());
  pass_s(1);
  must(run_started(running, 1, 4242), worker);
  EXPECT_EQ(job(running).run->pid, 4242);
  EXPECT_EQ(job(running).run->pid_start, 9);
  EXPECT_EQ(job(running).run->started, now);
}

using RunExited = Rules;

TEST_F(RunExited, unknown_job) {
  refuses(Outcome::unknown_job, run_exited(JobId{99}, 1));
}

TEST_F(RunExited, not_running) {
  const JobId running = claim(create());
  must(job_finished(running, 1, fb::JobResult::done));
  refuses(Outcome::not_running, run_exited(running, 1));
}

TEST_F(RunExited, stale_attempt) {
  const TaskId id = create();
  const JobId running = claim(id);
  must(job_finished(running, 1, fb::JobResult::retry));
  claim(id);
  refuses(Outcome::stale_attempt, run_exited(running, 1));
}

TEST_F(RunExited, accepted_is_recorded_once_and_leaves_the_job_running) {
  const JobId running = claim(create());
  must(run_exited(running, 1, 3), worker);
  EXPECT_EQ(job(running).run->exit_code, 3);
  EXPECT_EQ(job(running).status, JobStatus::running);
  const TimeUs exited = now;
  pass_s(10);
  must(run_exited(running, 1, 3), worker);
  EXPECT_EQ(job(running).run->exited, exited) << "the reaper counts the age from the first report";
}

TEST_F(RunExited, already_exited) {
  const JobId running = claim(create());
  const Seq first{must(run_exited(running, 1, 3), worker).records.front().record().stamp()->seq()};
  refuses(Outcome::already_exited, run_exited(running, 1, 0), worker);
  EXPECT_EQ(job(running).run->exit_code, 3);
  EXPECT_EQ(job(running).run->exit_seq, first);
}

TEST_F(RunExited, not_owner) {
  const JobId running = claim(create());
  boot("other-1", "other");
  refuses(Outcome::not_owner, run_exited(running, 1, 0), {.boot = "other-1", .actor = "worker"});
  must(run_exited(running, 1, 0), {.actor = "operator"});
}

TEST_F(RunExited, refusals_come_in_the_order_of_the_contract) {
  boot("other-1", "other");
  const Who other{.boot = "other-1", .actor = "worker"};
  const JobId running = job_of(create());
  refuses(Outcome::unknown_job, run_exited(JobId{99}, 2, 0), other);
  refuses(Outcome::not_running, run_exited(running, 2, 0), other);
  must(job_claimed(running, worker));
  must(run_exited(running, 1, 3), worker);
  refuses(Outcome::stale_attempt, run_exited(running, 2, 0), other);
  refuses(Outcome::not_owner, run_exited(running, 1, 0), other);
  refuses(Outcome::not_owner, run_exited(running, 1, 3), other);
  refuses(Outcome::already_exited, run_exited(running, 1, 0), worker);
}

using JobFinished = Rules;

TEST_F(JobFinished, unknown_job) {
  refuses(Outcome::unknown_job, job_finished(JobId{99}, 1, fb::JobResult::done));
}

TEST_F(JobFinished, not_running) {
  const JobId running = job_of(create());
  refuses(Outcome::not_running, job_finished(running, 0, fb::JobResult::done));
  must(job_claimed(running, worker));
  must(job_finished(running, 1, fb::JobResult::done));
  refuses(Outcome::not_running, job_finished(running, 1, fb::JobResult::failed));
}

TEST_F(JobFinished, stale_attempt) {
  const TaskId id = create();
  const JobId running = claim(id);
  must(job_finished(running, 1, fb::JobResult::retry));
  claim(id);
  refuses(Outcome::stale_attempt, job_finished(running, 1, fb::JobResult::done));
}

TEST_F(JobFinished, not_owner) {
  const JobId running = claim(create());
  boot("other-1", "other");
  const Who other{.boot = "other-1", .actor = "worker"};
  refuses(Outcome::not_owner, run_started(running, 1, 4242), other);
  refuses(Outcome::not_owner, job_finished(running, 1, fb::JobResult::failed), other);
  must(job_finished(running, 1, fb::JobResult::failed), {.actor = "operator"});
}

TEST_F(JobFinished, already_exited) {
  const TaskId id = create();
  const JobId running = claim(id);
  must(run_exited(running, 1, 0), worker);
  for (const fb::JobResult result : {fb::JobResult::retry, fb::JobResult::failed, fb::JobResult::cancelled}) {
    refuses(Outcome::already_exited, job_finished(running, 1, result), worker);
  }
  request_cancel(id);
  must(job_finished(running, 1, fb::JobResult::cancelled), worker);
  EXPECT_EQ(state.tasks.find(id), nullptr) << "nothing else kept the task from ending";
}

TEST_F(JobFinished, refusals_come_in_the_order_of_the_contract) {
  boot("other-1", "other");
  const Who other{.boot = "other-1", .actor = "worker"};
  const JobId running = job_of(create());
  refuses(Outcome::unknown_job, job_finished(JobId{99}, 2, fb::JobResult::done), other);
  refuses(Outcome::not_running, job_finished(running, 2, fb::JobResult::done), other);
  must(job_claimed(running, worker));
  must(run_exited(running, 1, 3), worker);
  refuses(Outcome::stale_attempt, job_finished(running, 2, fb::JobResult::done), other);
  refuses(Outcome::not_owner, job_finished(running, 1, fb::JobResult::done), other);
  refuses(Outcome::already_exited, job_finished(running, 1, fb::JobResult::done), worker);
}

TEST_F(JobFinished, accepted_against_the_exit_by_whoever_outside_finishes_the_task) {
  const TaskId id = create("deploy-staging");
  const JobId running = claim(id);
  must(run_exited(running, 1, 0), worker);
  refuses(Outcome::already_exited, job_finished(running, 1, fb::JobResult::retry), worker);
  lease(id, worker);
  must(job_finished(running, 1, fb::JobResult::retry), worker);
  EXPECT_EQ(job(running).status, JobStatus::done) << "no gate or step has found fault with its work";
}

TEST_F(JobFinished, accepted_against_the_exit_once_the_task_has_moved_on) {
  const TaskId id = create("testing");
  const JobId running = claim(id);
  must(run_exited(running, 1, 0), worker);
  move(id, "deploy-staging");
  must(job_finished(running, 1, fb::JobResult::retry), worker);
  EXPECT_EQ(job(running).status, JobStatus::done);
}

TEST_F(JobFinished, accepted_done_and_cancelled) {
  const JobId first = claim(create());
  must(job_finished(first, 1, fb::JobResult::done));
  EXPECT_EQ(job(first).status, JobStatus::done);
  const JobId second = claim(create());
  must(job_finished(second, 1, fb::JobResult::cancelled));
  EXPECT_EQ(job(second).status, JobStatus::cancelled);
}

TEST_F(JobFinished, accepted_failed_blocks_the_task) {
  const TaskId id = create();
  const Decided& decided = must(job_finished(claim(id), 1, fb::JobResult::failed));
  EXPECT_EQ(task(id).blocked, "job_failed");
  EXPECT_TRUE(has_effect(decided, EffectKind::blocked));
  EXPECT_TRUE(has_effect(decided, EffectKind::alert));
}

TEST_F(JobFinished, accepted_failed_does_not_block_a_task_that_has_moved_on) {
  const TaskId id = create();
  const JobId running = claim(id);
  move(id, "development");
  must(job_finished(running, 1, fb::JobResult::failed));
  EXPECT_TRUE(task(id).blocked.empty());
}

// The retry rule, in order; each situation also matches every line after its own.

TEST_F(JobFinished, accepted_retry_1_cancelled_when_the_task_is_terminal) {
  const TaskId id = create();
  const JobId running = claim(id);
  must(task_cancelled(id));
  EXPECT_NE(state.tasks.find(id), nullptr);  // Not archived while its job runs.
  const Decided& decided = must(job_finished(running, 1, fb::JobResult::retry));
  ASSERT_EQ(decided.archived.size(), 1u);
  EXPECT_EQ(decided.archived[0].jobs[0].status, JobStatus::cancelled);
}

TEST_F(JobFinished, accepted_retry_2_done_when_the_task_has_moved_on) {
  const TaskId id = create("testing");
  const JobId running = claim(id);
  move(id, "deploy-staging");  // The same agent: it is the version that counts.
  const Token token = lease(id);
  start_step(id, "merge", token, lease("repo:shop"));
  request_cancel(id);
  must(job_finished(running, 1, fb::JobResult::retry));
  EXPECT_EQ(job(running).status, JobStatus::done);
}

TEST_F(JobFinished, accepted_retry_3_done_when_its_crossing_is_committed) {
  const TaskId id = create("deploy-staging");
  const JobId running = claim(id);
  const Token token = lease(id);
  start_step(id, "merge", token, lease("repo:shop"));
  request_cancel(id);
  must(job_finished(running, 1, fb::JobResult::retry));
  EXPECT_EQ(job(running).status, JobStatus::done);
}

TEST_F(JobFinished, accepted_retry_4_cancelled_when_a_cancel_request_stands) {
  const TaskId id = create();
  const JobId running = claim(id);
  lease(id);
  request_cancel(id);
  must(job_finished(running, 1, fb::JobResult::retry));
  EXPECT_EQ(job(running).status, JobStatus::cancelled);
}

TEST_F(JobFinished, accepted_retry_5_queued_while_attempts_are_left) {
  const TaskId id = create();
  const JobId running = claim(id);
  must(run_exited(running, 1, 1));
  const Decided& decided = must(job_finished(running, 1, fb::JobResult::retry));
  EXPECT_EQ(job(running).status, JobStatus::queued);
  EXPECT_EQ(job(running).attempts, 1u);
  EXPECT_FALSE(job(running).run.has_value());
  EXPECT_TRUE(has_effect(decided, EffectKind::job_queued));
}

TEST_F(JobFinished, accepted_retry_6_failed_when_they_are_spent) {
  const TaskId id = create();
  const JobId running = claim(id);
  must(job_finished(running, 1, fb::JobResult::retry));
  claim(id);
  const Decided& decided = must(job_finished(running, 2, fb::JobResult::retry));
  EXPECT_EQ(job(running).status, JobStatus::failed);
  EXPECT_EQ(task(id).blocked, "job_failed");
  EXPECT_TRUE(has_effect(decided, EffectKind::alert));
}

TEST_F(JobFinished, accepted_retry_counts_attempts_less_interruptions) {
  const TaskId id = create();
  const JobId running = claim(id);
  boot("worker-2", "worker");
  must(job_claimed(running, {.boot = "worker-2"}));
  must(job_finished(running, 2, fb::JobResult::retry));
  EXPECT_EQ(job(running).status,
            JobStatus::queued);  // The first attempt was interrupted, so this is the second of two.
  must(job_claimed(running, {.boot = "worker-2"}));
  must(job_finished(running, 3, fb::JobResult::retry));
  EXPECT_EQ(job(running).status, JobStatus::failed);
}

using FinalizerMarked = Rules;

TEST_F(FinalizerMarked, unknown_job) {
  refuses(Outcome::unknown_job, finalizer_marked(JobId{99}));
}

TEST_F(FinalizerMarked, not_running) {
  refuses(Outcome::not_running, finalizer_marked(job_of(create())));
}

TEST_F(FinalizerMarked, accepted_marks_the_attempt_alone) {
  const TaskId id = create();
  const JobId running = claim(id);
  must(finalizer_marked(running));
  EXPECT_TRUE(job(running).run->marked);
  must(job_finished(running, 1, fb::JobResult::retry));
  claim(id);
  EXPECT_FALSE(job(running).run->marked);
}

using FinalizerCleared = Rules;

TEST_F(FinalizerCleared, unknown_job) {
  refuses(Outcome::unknown_job, finalizer_cleared(JobId{99}));
}

TEST_F(FinalizerCleared, accepted_in_every_way_out) {
  const JobId running = claim(create());
  must(finalizer_marked(running));
  must(finalizer_cleared(running));
  EXPECT_FALSE(job(running).run->marked);
  must(job_finished(running, 1, fb::JobResult::done));
  must(finalizer_cleared(running));
}

}  // namespace
}  // namespace pawl
