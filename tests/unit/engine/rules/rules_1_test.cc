// Version 1 of the rules, where a later one decides differently: its logs replay forever.
#include "engine/rules/claim.h"
#include "tests/unit/engine/rules.h"

namespace pawl {
namespace {

class RulesOne : public Rules {
 protected:
  RulesOne() { rules_in_force = 1; }
};

TEST_F(RulesOne, a_record_bears_the_version_that_decided_it) {
  EXPECT_EQ(must(task_created("W")).records.front().record().stamp()->rules(), 1u);
}

TEST_F(RulesOne, knows_no_setting_of_later) {
  refuses(Outcome::unknown_setting, setting_changed("job.retry_delay_s", std::int64_t{5}));
  refuses(Outcome::unknown_setting, setting_changed("queue.cancelled_dependency", std::string("hold")));
}

TEST_F(RulesOne, knows_no_number_as_high_as_later) {
  refuses(Outcome::bad_value, setting_changed("queue.max_concurrency", std::int64_t{1025}));
  set("queue.max_concurrency", std::int64_t{1024});
  rules_in_force = rules_version;
  set("queue.max_concurrency", std::int64_t{1'000'000});
  refuses(Outcome::bad_value, setting_changed("queue.max_concurrency", std::int64_t{1'000'001}));
}

TEST_F(RulesOne, anybody_reports_on_an_attempt_and_a_second_exit_changes_nothing) {
  boot("other-1", "other");
  const Who other{.boot = "other-1", .actor = "worker"};
  const JobId running = claim(create());
  must(run_exited(running, 1, 3), other);
  must(run_exited(running, 1, 0), other);
  EXPECT_EQ(job(running).run->exit_code, 3);
  EXPECT_FALSE(job(running).run->exit_seq);
  must(job_finished(running, 1, fb::JobResult::done), other);
}

TEST_F(RulesOne, a_try_is_followed_by_the_next_at_once) {
  rules_in_force = rules_version;
  set("job.retry_delay_s", std::int64_t{10});
  rules_in_force = 1;
  const JobId id = claim(create());
  must(job_finished(id, 1, fb::JobResult::retry));
  EXPECT_FALSE(job(id).not_before);
  must(job_claimed(id, worker));
}

TEST_F(RulesOne, a_boots_end_interrupts_what_has_exited_too) {
  const JobId running = claim(create());
  must(run_exited(running, 1, 0), worker);
  boot("worker-2", "worker");
  EXPECT_EQ(job(running).status, JobStatus::queued);
  EXPECT_EQ(job(running).interruptions, 1u);
}

TEST_F(RulesOne, a_dependent_is_held_back_at_its_claim_alone) {
  const TaskId first = create("review");
  fb::TaskCreatedT event = task_created("W-dependent", "review");
  event.depends_on = {raw(first)};
  const TaskId id{effects_of(must(event)).front().id};
  refuses(Outcome::dependency, job_claimed(job_of(id), worker));
  lease(id);
  must(transition(id, "testing", version(id), state.lease(task_key(id))->token));
  request_cancel(first);
  EXPECT_FALSE(task(id).lost_dependency);
}

TEST_F(RulesOne, tier_2_frees_the_reapers_own_lease_on_an_unguarded_edge) {
  const TaskId id = create("review");
  const JobId running = claim(id);
  const Token token = lease(id, {.actor = "reaper"});
  must(job_reaped(running, 1, fb::Tier::finalizer_dead, token, fb::JobResult::done), {.actor = "reaper"});
  EXPECT_EQ(state.lease(task_key(id)), nullptr);
}

/// An upgrade in the middle of everything: work that version 1 left under way continues under today's rules.
TEST_F(RulesOne, what_it_left_under_way_goes_on_under_the_next) {
  const JobId exited = claim(create());
  must(run_exited(exited, 1, 0), worker);
  const JobId runs = claim(create());
  const Crossing crossing = create_committed();
  const TaskId first = create("review");
  fb::TaskCreatedT event = task_created("W-dependent", "review");
  event.depends_on = {raw(first)};
  const TaskId dependent{effects_of(must(event)).front().id};
  const Token early = lease(dependent);

  rules_in_force = rules_version;
  boot("worker-2", "worker");
  EXPECT_EQ(job(exited).status, JobStatus::running) << "it is the finalizer's from now on";
  EXPECT_EQ(job(runs).status, JobStatus::queued);
  refuses(Outcome::dependency, transition(dependent, "testing", version(dependent), early));
  release(task_key(dependent), early);
  refuses(Outcome::dependency, lease_acquired(task_key(dependent)));
  finish_step(crossing.task, "merge", crossing.started);
  must(transition(crossing.task, "deploy", version(crossing.task), crossing.token));
}

}  // namespace
}  // namespace pawl
