// Boots, and the checks on every proposer: every refusal in the order of SPEC §4, and the recovery that follows when
// a boot becomes stale (SPEC §5).
#include <algorithm>

#include "tests/unit/engine/rules.h"

namespace pawl {
namespace {

using AnyEvent = Rules;

TEST_F(AnyEvent, unknown_boot_of_the_proposer) {
  const TaskId id = create();
  refuses(Outcome::unknown_boot, task_note(id), {.boot = "nobody"});
  refuses(Outcome::unknown_boot, boot_started("worker-2", "worker"), {.boot = "worker-2"});
  refuses(Outcome::unknown_boot, run_exited(job_of(id), 1), {.boot = "nobody"});
}

TEST_F(AnyEvent, stale_boot) {
  const TaskId id = create();
  const JobId first = claim(id);
  boot("worker-2", "worker");
  const Token token = lease("any");
  const auto refused = [&](const auto& event) { refuses(Outcome::stale_boot, event, worker); };
  refused(boot_started("worker-3", "other"));
  refused(boot_ended("daemon-1"));
  refused(pipeline_event(default_pipeline()));
  refused(setting_changed("job.max_attempts", std::int64_t{3}));
  refused(task_created("W"));
  refused(transition(id, "development", 1));
  refused(lease_acquired("other"));
  refused(lease_released("any", token));
  refused(lease_reclaimed("any", token, fb::ReclaimReason::stale_boot));
  refused(job_queued(id));
  refused(job_claimed(first, {}));
  refused(run_started(first, 1));
  refused(job_finished(first, 1, fb::JobResult::done));
  refused(job_reaped(first, 1, fb::Tier::restart, std::nullopt));
  refused(finalizer_marked(first));
  refused(finalizer_cleared(first));
  refused(gate_evaluated(id, 1, true));
  refused(step_started(id, 1, "deploy", "retest", std::nullopt));
  refused(task_blocked(id, 1));
  refused(task_unblocked(id));
  refused(cancel_requested(id));
  refused(task_cancelled(id));
  refused(task_note(id));
}

TEST_F(AnyEvent, stale_boot_may_say_only_what_the_state_says_by_itself) {
  const TaskId id = create("deploy-staging");
  const JobId its_job = claim(id);
  lease("any", worker);
  const TaskId waits = create();
  boot("daemon-2", "pawld");
  const Who stale{.boot = "daemon-1", .actor = "recovery"};
  refuses(Outcome::stale_boot, lease_reclaimed("any", std::nullopt, fb::ReclaimReason::stale_boot), stale);
  refuses(Outcome::stale_boot, lease_reclaimed("none", std::nullopt, fb::ReclaimReason::stale_boot), stale);
  refuses(Outcome::stale_boot, job_reaped(its_job, 1, fb::Tier::restart, std::nullopt), stale);
  refuses(Outcome::stale_boot, job_reaped(its_job, 1, fb::Tier::ceiling, std::nullopt), stale);
  refuses(Outcome::stale_boot, job_reaped(job_of(waits), 1, fb::Tier::restart, std::nullopt), stale);
  refuses(Outcome::stale_boot, task_cancelled(id), stale);
  must(cancel_requested(id), worker);
  refuses(Outcome::stale_boot, task_cancelled(id), stale);  // its job runs
  must(job_finished(its_job, 1, fb::JobResult::done), worker);
}

TEST_F(AnyEvent, stale_boot_may_not_cancel_a_committed_crossing) {
  const Crossing crossing = create_committed();
  request_cancel(crossing.task);
  release(task_key(crossing.task), crossing.token);
  boot("daemon-2", "pawld");
  refuses(Outcome::stale_boot, task_cancelled(crossing.task), {.boot = "daemon-1", .actor = "recovery"});
}

TEST_F(AnyEvent, facts_are_taken_from_a_stale_boot) {
  const TaskId id = create("deploy-staging");
  const Seq started = start_step(id, "retest", lease(id), std::nullopt, worker);
  const JobId running = claim(create());
  must(run_exited(running, 1, 0), worker);
  boot("worker-2", "worker");
  must(step_finished(id, 1, "retest", started), worker);
  must(run_exited(running, 1, 0), worker);
}

TEST_F(AnyEvent, unknown_ids_come_before_a_stale_boot) {
  boot("worker-2", "worker");
  refuses(Outcome::unknown_task, task_note(TaskId{99}), worker);
  refuses(Outcome::unknown_job, job_finished(JobId{99}, 1, fb::JobResult::done), worker);
  refuses(Outcome::unknown_boot, boot_ended("nobody"), worker);
}

using BootStarted = Rules;

TEST_F(BootStarted, reserved_name) {
  refuses(Outcome::reserved_name, boot_started("daemon-2", "pawld"), worker);
}

TEST_F(BootStarted, duplicate_boot_id) {
  refuses(Outcome::duplicate_boot_id, boot_started("worker-1", "other"));
  refuses(Outcome::duplicate_boot_id, boot_started("daemon-1", "pawld"));
}

TEST_F(BootStarted, duplicate_boot_id_of_a_boot_that_is_stale) {
  must(boot_ended("worker-1"));
  refuses(Outcome::duplicate_boot_id, boot_started("worker-1", "worker"));
}

TEST_F(BootStarted, refusals_come_in_the_order_of_the_contract) {
  refuses(Outcome::reserved_name, boot_started("worker-1", "pawld"));
}

TEST_F(BootStarted, accepted_makes_earlier_boots_of_the_name_stale) {
  boot("worker-2", "worker");
  EXPECT_TRUE(state.boots.find("worker-1")->stale);
  EXPECT_FALSE(state.boots.find("worker-2")->stale);
  EXPECT_FALSE(state.boots.find("daemon-1")->stale);
  EXPECT_EQ(state.boot_named("worker")->boot_id, "worker-2");
}

TEST_F(BootStarted, accepted_recovers_what_the_stale_boot_held_in_the_same_group) {
  const JobId first = claim(create());
  const JobId second = claim(create());
  lease("any", worker);
  const Token kept = lease("mine");
  must(run_started(first, 1, 4242), worker);
  pass_s(30);

  const Decided& decided = must(boot_started("worker-2", "worker"));
  EXPECT_EQ(types_of(decided), (std::vector<std::string>{"BootStarted", "LeaseReclaimed", "JobReaped", "JobReaped"}));
  EXPECT_EQ(decided.deciding, 0u);
  EXPECT_EQ(decided.records[1].record().event_as_LeaseReclaimed()->reason(), fb::ReclaimReason::stale_boot);
  const fb::JobReaped& reaped = *decided.records[2].record().event_as_JobReaped();
  EXPECT_EQ(reaped.tier(), fb::Tier::restart);
  EXPECT_EQ(reaped.evidence()->age_s(), 30);
  for (const Proposal& record : decided.records) {
    EXPECT_EQ(record.record().stamp()->group(), decided.records[0].record().stamp()->seq());
    EXPECT_EQ(record.record().boot()->str(), "daemon-1");
  }
  for (const JobId id : {first, second}) {
    EXPECT_EQ(job(id).status, JobStatus::queued);
    EXPECT_EQ(job(id).attempts, 1u);
    EXPECT_EQ(job(id).interruptions, 1u);
    EXPECT_FALSE(job(id).run.has_value());
  }
  EXPECT_EQ(state.lease("any"), nullptr);
  EXPECT_EQ(state.lease("mine")->token, kept);
  EXPECT_EQ(effects_of(decided).at(2),
            (Effect{.kind = EffectKind::end_group, .id = raw(first), .pid = 4242, .task = raw(job(first).task)}));
}

TEST_F(BootStarted, accepted_recovers_in_the_order_of_keys_and_ids) {
  const std::vector<std::string> taken = {"n", "z", "a", "task-like", "m", "b", "y", "k"};
  for (const std::string& key : taken) lease(key, worker);
  const Decided& decided = must(boot_started("worker-2", "worker"));
  std::vector<std::string> freed;
  for (std::size_t i = 1; i < decided.records.size(); ++i) {
    freed.push_back(decided.records[i].record().event_as_LeaseReclaimed()->key()->str());
  }
  std::vector<std::string> sorted = taken;
  std::sort(sorted.begin(), sorted.end());
  EXPECT_EQ(freed, sorted);
}

TEST_F(BootStarted, accepted_leaves_other_live_boots_alone) {
  const JobId running = claim(create());
  const Token token = lease("any", worker);
  must(boot_started("daemon-2", "pawld"), {.boot = "daemon-2"});
  EXPECT_EQ(job(running).status, JobStatus::running);
  EXPECT_EQ(state.lease("any")->token, token);
}

TEST_F(BootStarted, accepted_restarts_do_not_spend_the_budget_of_attempts) {
  const TaskId id = create();
  const JobId running = job_of(id);
  std::string boot_id = "worker-1";
  for (int i = 2; i <= 6; ++i) {
    must(job_claimed(running, {.boot = boot_id}));
    boot_id = "worker-" + std::to_string(i);
    boot(boot_id, "worker");
    EXPECT_EQ(job(running).status, JobStatus::queued) << i;
  }
  EXPECT_EQ(job(running).attempts, 5u);
  EXPECT_EQ(job(running).interruptions, 5u);

  // The sixth is one more than recovery.max_interruptions.
  must(job_claimed(running, {.boot = boot_id}));
  const Decided& decided = must(boot_started("worker-7", "worker"));
  EXPECT_EQ(job(running).status, JobStatus::failed);
  EXPECT_EQ(task(id).blocked, "job_failed");
  EXPECT_TRUE(has_effect(decided, EffectKind::alert));
}

TEST_F(BootStarted, accepted_ends_the_job_of_a_committed_crossing_and_queues_nothing) {
  const TaskId id = create("deploy-staging");
  const JobId running = claim(id);
  const Token token = lease(id);
  start_step(id, "merge", token, lease("repo:shop"));
  boot("worker-2", "worker");
  EXPECT_EQ(job(running).status, JobStatus::done);
  EXPECT_EQ(state.open_job(task(id)), nullptr);
  EXPECT_TRUE(is_committed(task(id)));
}

TEST_F(BootStarted, accepted_of_the_daemon_forgets_the_finalizer_marks) {
  const JobId running = claim(create());
  must(finalizer_marked(running));
  boot("worker-2", "other");
  EXPECT_TRUE(job(running).run->marked);
  boot("daemon-2", "pawld");
  EXPECT_FALSE(job(running).run->marked);
}

using BootEnded = Rules;

TEST_F(BootEnded, unknown_boot) {
  refuses(Outcome::unknown_boot, boot_ended("nobody"));
}

TEST_F(BootEnded, accepted_recovers_what_it_held_in_the_same_group) {
  const JobId running = claim(create());
  lease("any", worker);
  const Decided& decided = must(boot_ended("worker-1"), worker);
  EXPECT_EQ(types_of(decided), (std::vector<std::string>{"BootEnded", "LeaseReclaimed", "JobReaped"}));
  EXPECT_TRUE(state.boots.find("worker-1")->stale);
  EXPECT_EQ(job(running).status, JobStatus::queued);
  EXPECT_EQ(state.lease("any"), nullptr);
}

TEST_F(BootEnded, accepted_of_the_last_boot_recovers_and_cancels_all_the_same) {
  must(boot_ended("worker-1"));
  const TaskId id = create();
  const TaskId cancelled = create();
  must(job_claimed(job_of(id), {}));
  lease(cancelled);
  request_cancel(cancelled);
  const Decided& decided = must(boot_ended("daemon-1"));
  EXPECT_EQ(types_of(decided), (std::vector<std::string>{"BootEnded", "LeaseReclaimed", "JobReaped", "TaskCancelled"}));
  EXPECT_EQ(job(job_of(id)).status, JobStatus::queued);
  refuses(Outcome::stale_boot, task_note(id));
  must(boot_started("daemon-2", "pawld"), {.boot = "daemon-2"});
}

TEST_F(BootEnded, accepted_twice_changes_nothing_more) {
  must(boot_ended("worker-1"));
  const std::uint64_t digest = state.digest();
  EXPECT_EQ(must(boot_ended("worker-1")).records.size(), 1u);
  EXPECT_EQ(state.digest(), digest);
}

}  // namespace
}  // namespace pawl
