// Principals: a boot, and everything it holds, belongs to the principal that registered it, and only those who can know
// a fact may report it (SPEC §4, *Principals*).
#include "schema/limits.h"
#include "tests/unit/engine/rules.h"

namespace pawl {
namespace {

/// The worker `ci` with its own boot, beside an operator and another worker, `guest`.
class Principals : public Rules {
 protected:
  Principals() { must(boot_started("ci-1", "ci"), through("token:ci")); }

  /// A client without its own boot, which speaks through the daemon's.
  static Who through(const std::string& principal) {
    return {.boot = "daemon-1", .actor = "somebody", .principal = principal};
  }

  /// With its own run, as each has.
  template <class... What>
  fb::StepStartedT start_of(TaskId task, What&&... what) {
    fb::StepStartedT event = step_started(task, 1, std::forward<What>(what)...);
    event.run = "run-" + std::to_string(++runs_);
    return event;
  }

  /// A task whose merge `ci` has begun.
  Crossing begun_by_ci() {
    const TaskId id = create("deploy-staging");
    const Token token = lease(task_key(id), ci);
    const Token repo_token = lease("repo:shop", ci);
    return {.task = id,
            .token = token,
            .repo_token = repo_token,
            .started = Seq{seq_of(must(start_of(id, "deploy", "merge", token, repo_token), ci))}};
  }
  static std::uint64_t seq_of(const Decided& decided) { return decided.records.back().record().stamp()->seq(); }

  fb::StepFinishedT finished(const Crossing& it, fb::StepOutcome outcome) const {
    return step_finished(it.task, 1, "merge", it.started, outcome);
  }
  static fb::StepFinishedT with_token(fb::StepFinishedT event, Token token) {
    event.token = raw(token);
    return event;
  }
  static fb::StepFinishedT by(fb::StepFinishedT event, fb::StepBy by) {
    event.by = by;
    return event;
  }

  int runs_ = 0;
  const Who ci{.boot = "ci-1", .actor = "worker", .principal = "token:ci"};
  const Who guest = through("token:guest");
};

TEST_F(Principals, record_and_boot_and_task_bear_who_is_known_to_ask) {
  const Decided& decided = must(task_created("W-own"), through("token:release"));
  EXPECT_EQ(decided.records.back().record().principal()->str(), "token:release");
  const TaskId id{effects_of(decided).at(0).id};
  EXPECT_EQ(task(id).principal, "token:release");
  EXPECT_EQ(state.boots.find("ci-1")->principal, "token:ci");
  EXPECT_FALSE(state.boots.find("worker-1")->principal.has_value());
}

TEST_F(Principals, boot_acts_for_nobody_but_its_own) {
  const TaskId id = create();
  const Who thief{.boot = "ci-1", .actor = "worker", .principal = "token:guest"};
  refuses(Outcome::not_yours, task_note(id), thief);
  refuses(Outcome::not_yours, lease_acquired("deploy:shop", thief), thief);
  // Nor as an owner that another principal names.
  refuses(Outcome::not_yours, lease_acquired("deploy:shop", ci), guest);
  refuses(Outcome::not_yours, job_claimed(job_of(id), ci), guest);
  must(lease_acquired("deploy:shop", ci), ci);
}

TEST_F(Principals, daemons_boot_holds_and_runs_nothing_for_anybody) {
  const TaskId id = create();
  const Who& daemon = guest;  // its boot is the daemon's
  refuses(Outcome::not_yours, lease_acquired("deploy:shop", daemon), guest);
  refuses(Outcome::not_yours, job_claimed(job_of(id), daemon), guest);
  must(lease_acquired("deploy:shop"));
}

TEST_F(Principals, name_of_a_boot_in_force_is_taken_over_by_its_own_alone) {
  refuses(Outcome::not_yours, boot_started("ci-2", "ci"), guest);
  EXPECT_FALSE(state.boots.find("ci-1")->stale);
  must(boot_started("ci-3", "ci"), through("token:ci"));
  EXPECT_TRUE(state.boots.find("ci-1")->stale);
  // An ended boot's name is free again.
  must(boot_ended("ci-3"));
  must(boot_started("guest-1", "ci"), guest);
}

TEST_F(Principals, boot_of_a_log_of_before_is_everybodys) {
  const Who old{.boot = "worker-1", .actor = "worker", .principal = "token:ci"};
  must(lease_acquired("deploy:shop", old), old);
  const Who other{.boot = "worker-1", .actor = "worker", .principal = "uid:1000"};
  must(lease_released("deploy:shop", state.lease("deploy:shop")->token), other);
}

TEST_F(Principals, token_of_a_lease_is_worth_nothing_to_others) {
  const TaskId id = create("deploy-staging");
  const Token token = lease(task_key(id), ci);
  const Token repo_token = lease("repo:shop", ci);
  const Who other{.boot = "guest-1", .actor = "worker", .principal = "token:guest"};
  must(boot_started("guest-1", "guest"), guest);
  for (const Who& stranger : {guest, other}) {
    refuses(Outcome::not_yours, lease_released(task_key(id), token), stranger);
    refuses(Outcome::not_yours, task_blocked(id, 1, token), stranger);
    refuses(Outcome::not_yours, transition(id, "development", 1, token), stranger);
    refuses(Outcome::not_yours, start_of(id, "deploy", "merge", token, repo_token), stranger);
  }
  refuses(Outcome::not_yours, lease_acquired(task_key(id), other, token), other);
  must(lease_acquired(task_key(id), ci, token), ci);
  // The daemon itself reaps and reclaims as usual.
  must(lease_reclaimed(task_key(id), token));
}

TEST_F(Principals, lease_of_the_daemon_is_not_lent) {
  const TaskId id = create("deploy-staging");
  const Token token = lease(id);
  refuses(Outcome::not_yours, transition(id, "development", 1, token), guest);
  refuses(Outcome::not_yours, lease_released(task_key(id), token), guest);
}

TEST_F(Principals, start_of_a_step_needs_a_boot_of_its_own) {
  const TaskId id = create("deploy-staging");
  const Token token = lease(task_key(id), ci);
  refuses(Outcome::not_yours, start_of(id, "deploy", "retest", token),
          {.boot = "daemon-1", .actor = "worker", .principal = "token:ci"});
  must(start_of(id, "deploy", "retest", token), ci);
}

// Jobs.

TEST_F(Principals, exit_is_reported_by_who_runs_it) {
  const TaskId id = create();
  const JobId job = claim(id);
  const JobId own = job_of(create());
  must(job_claimed(own, ci), ci);
  // An operator, speaking through the daemon, cannot know it.
  refuses(Outcome::not_owner, run_exited(own, 1, 0), through("token:boss"));
  refuses(Outcome::not_owner, run_started(own, 1), through("token:boss"));
  must(run_exited(own, 1, 0), ci);
  // Nor can an operator know what the daemon itself runs.
  must(job_finished(job, 1, fb::JobResult::retry), worker);
  const JobId daemons = job_of(create());
  must(job_claimed(daemons, {}));
  refuses(Outcome::not_owner, run_exited(daemons, 1, 0), through("token:boss"));
  must(run_exited(daemons, 1, 0));
}

TEST_F(Principals, operator_takes_a_job_back_and_says_nothing_of_its_process) {
  const JobId job = job_of(create());
  must(job_claimed(job, ci), ci);
  must(run_started(job, 1, 4242), ci);
  must(job_finished(job, 1, fb::JobResult::retry), through("token:boss"));
  ASSERT_TRUE(this->job(job).previous.has_value());
  EXPECT_EQ(this->job(job).previous->pid, 4242);
}

// Steps: who may report the outcome.

TEST_F(Principals, stranger_says_nothing_of_a_step) {
  const Crossing it = begun_by_ci();
  const Who other{.boot = "guest-1", .actor = "worker", .principal = "token:guest"};
  must(boot_started("guest-1", "guest"), guest);
  for (const Who& stranger : {guest, other}) {
    for (const fb::StepOutcome outcome :
         {fb::StepOutcome::done, fb::StepOutcome::failed, fb::StepOutcome::did_not_happen}) {
      refuses(Outcome::not_owner, finished(it, outcome), stranger);
      // The lease's token is in the log for all to see.
      refuses(Outcome::not_owner, with_token(finished(it, outcome), it.token), stranger);
    }
  }
  must(finished(it, fb::StepOutcome::done), ci);
}

TEST_F(Principals, stranger_says_nothing_of_a_step_of_the_daemons) {
  const Crossing it = create_committed();
  for (const fb::StepBy word : {fb::StepBy::command, fb::StepBy::probe, fb::StepBy::rerun}) {
    const Decided& decided = ask(by(finished(it, fb::StepOutcome::did_not_happen), word), guest);
    EXPECT_NE(decided.outcome, Outcome::accepted);
    EXPECT_NE(ask(by(finished(it, fb::StepOutcome::did_not_happen), word), ci).outcome, Outcome::accepted);
  }
  EXPECT_TRUE(is_committed(task(it.task)));
}

TEST_F(Principals, probe_is_the_daemons) {
  const Crossing it = begun_by_ci();
  refuses(Outcome::not_daemon, by(finished(it, fb::StepOutcome::done), fb::StepBy::probe), ci);
  refuses(Outcome::not_daemon, by(finished(it, fb::StepOutcome::done), fb::StepBy::rerun), ci);
  must(by(finished(it, fb::StepOutcome::did_not_happen), fb::StepBy::probe));
}

TEST_F(Principals, next_boot_of_the_starter_says_it_with_the_token_of_the_lease) {
  const Crossing it = begun_by_ci();
  must(boot_started("ci-2", "ci"), through("token:ci"));  // this reclaims its leases
  const Who again{.boot = "ci-2", .actor = "worker", .principal = "token:ci"};
  refuses(Outcome::not_owner, finished(it, fb::StepOutcome::done), again);
  refuses(Outcome::not_owner, with_token(finished(it, fb::StepOutcome::done), it.repo_token), again);
  must(with_token(finished(it, fb::StepOutcome::done), it.token), again);
}

TEST_F(Principals, operator_resolves) {
  const Crossing it = begun_by_ci();
  must(by(finished(it, fb::StepOutcome::did_not_happen), fb::StepBy::operator_), through("token:boss"));
}

// A fact that arrives too late.

TEST_F(Principals, done_that_meets_a_no_is_recorded_and_blocks) {
  const Crossing it = begun_by_ci();
  must(finished(it, fb::StepOutcome::failed), ci);
  const Decided& late = must(finished(it, fb::StepOutcome::done), ci);
  EXPECT_EQ(task(it.task).blocked, "outcome_unknown");
  EXPECT_TRUE(has_effect(late, EffectKind::alert));
  EXPECT_EQ(task(it.task).steps.at(0).state, StepState::done);
  EXPECT_EQ(task(it.task).steps.at(0).late->seqs, std::vector<Seq>{it.started});
  refuses(Outcome::already_done, finished(it, fb::StepOutcome::done), ci);
}

TEST_F(Principals, done_of_a_start_before_the_latest_is_recorded_and_blocks) {
  const Crossing it = begun_by_ci();
  must(finished(it, fb::StepOutcome::failed), ci);
  const Seq second{seq_of(must(start_of(it.task, "deploy", "merge", it.token, it.repo_token), ci))};
  must(step_finished(it.task, 1, "merge", second), ci);
  EXPECT_TRUE(task(it.task).blocked.empty());

  refuses(Outcome::not_started, finished(it, fb::StepOutcome::failed), ci);
  refuses(Outcome::not_owner, finished(it, fb::StepOutcome::done), guest);
  must(finished(it, fb::StepOutcome::done), ci);  // it happened twice
  EXPECT_EQ(task(it.task).blocked, "outcome_unknown");
  refuses(Outcome::already_done, finished(it, fb::StepOutcome::done), ci);
}

TEST_F(Principals, done_after_the_task_went_back_is_recorded_and_blocks) {
  const Crossing it = begun_by_ci();
  must(finished(it, fb::StepOutcome::did_not_happen), ci);
  must(transition(it.task, "development", 1, it.token), ci);
  must(finished(it, fb::StepOutcome::done), ci);
  EXPECT_EQ(task(it.task).blocked, "outcome_unknown");
}

TEST_F(Principals, done_of_a_blocked_task_keeps_its_reason_and_alerts) {
  const Crossing it = begun_by_ci();
  must(finished(it, fb::StepOutcome::did_not_happen), ci);
  must(task_blocked(it.task, 1, it.token), ci);
  const std::string before = task(it.task).blocked;
  EXPECT_TRUE(has_effect(must(finished(it, fb::StepOutcome::done), ci), EffectKind::alert));
  EXPECT_EQ(task(it.task).blocked, before);
}

TEST_F(Principals, starts_that_are_remembered_are_bounded) {
  const Crossing it = begun_by_ci();
  must(finished(it, fb::StepOutcome::failed), ci);
  std::vector<Seq> starts;
  for (std::size_t i = 0; i < limits::earlier_starts_max + 2; ++i) {
    starts.push_back(Seq{seq_of(must(start_of(it.task, "deploy", "merge", it.token, it.repo_token), ci))});
    must(step_finished(it.task, 1, "merge", starts.back(), fb::StepOutcome::failed), ci);
  }
  EXPECT_EQ(task(it.task).steps.at(0).not_done->seqs.size(), limits::earlier_starts_max);
  refuses(Outcome::not_started, finished(it, fb::StepOutcome::done), ci);
  must(step_finished(it.task, 1, "merge", starts.at(1)), ci);
}

TEST_F(Principals, run_by_which_a_process_is_found_is_not_taken_twice) {
  const Crossing it = begun_by_ci();
  must(finished(it, fb::StepOutcome::failed), ci);
  fb::StepStartedT first = start_of(it.task, "deploy", "merge", it.token, it.repo_token);
  first.run = "this";
  must(first, ci);
  const TaskId other = create("deploy-staging", "other");
  fb::StepStartedT second = start_of(other, "deploy", "retest", lease(task_key(other), ci));
  second.run = "this";
  refuses(Outcome::run_in_use, second, ci);
  second.run = "that";
  must(second, ci);
}

TEST_F(Principals, gate_counts_of_who_has_the_task_in_hand) {
  const TaskId id = create("deploy-staging");
  must(gate_evaluated(id, 1, true));
  const Who other{.boot = "guest-1", .actor = "worker", .principal = "token:guest"};
  must(boot_started("guest-1", "guest"), guest);
  const Token token = lease(task_key(id), ci);
  fb::GateEvaluatedT red = gate_evaluated(id, 1, false);
  red.head = "0123abcd";
  for (const Who& stranger : {guest, other}) {
    must(red, stranger);
    EXPECT_EQ(task(id).gate->passed, true);
  }
  must(red, ci);
  EXPECT_EQ(task(id).gate->passed, false);
  EXPECT_FALSE(task(id).red.has_value()) << "only a red from the daemon's own gate stops it from being asked again";
  must(lease_released(task_key(id), token), ci);
  must(gate_evaluated(id, 1, true), ci);
  EXPECT_EQ(task(id).gate->passed, false);
  set("ownership.enabled", false);
  must(gate_evaluated(id, 1, true), ci);
  EXPECT_EQ(task(id).gate->passed, true);
}

TEST_F(Principals, work_that_a_stranger_calls_red_is_kept) {
  const JobId job = job_of(create());
  must(job_claimed(job, ci), ci);
  must(run_exited(job, 1, 0), ci);
  must(gate_evaluated(this->job(job).task, 1, false), guest);
  must(job_finished(job, 1, fb::JobResult::retry));
  EXPECT_EQ(this->job(job).status, JobStatus::done);
}

TEST_F(Principals, red_gate_that_somebody_reports_is_not_held_against_the_next_try) {
  const TaskId id = create();
  fb::GateEvaluatedT red = gate_evaluated(id, 1, false);
  red.head = "0123abcd";
  must(red, through("token:guest"));
  EXPECT_FALSE(task(id).red.has_value());
  must(red);
  EXPECT_TRUE(task(id).red.has_value());
}

// Quotas.

TEST_F(Principals, share_of_one_is_not_everything) {
  set("quota.boots", std::int64_t{6});  // the daemon, worker-1 and ci-1 exist already
  set("quota.share_percent", std::int64_t{34});
  must(boot_started("g-1", "g1"), guest);
  must(boot_started("g-2", "g2"), guest);
  refuses(Outcome::quota, boot_started("g-3", "g3"), guest);
  must(boot_started("g-4", "g2"), guest);  // replaces one
  must(boot_started("ci-2", "ci2"), through("token:ci"));
  refuses(Outcome::quota, boot_started("x-1", "x"), through("token:x"));  // the limit is reached
  must(boot_started("daemon-2", "pawld"), {.boot = "daemon-2"});
}

TEST_F(Principals, leases_are_bounded) {
  set("quota.leases", std::int64_t{4});
  const Token token = lease("a", ci);
  lease("b", ci);
  refuses(Outcome::quota, lease_acquired("c", ci), ci);
  must(lease_acquired("a", ci, token), ci);  // a renewal takes no extra room
  must(lease_released("a", token), ci);
  lease("c", ci);
  lease("own");  // the daemon's own count, but are not refused
  lease("own-2");
  lease("own-3");
}

TEST_F(Principals, tasks_under_way_are_bounded) {
  set("quota.tasks", std::int64_t{4});
  must(task_created("W-a"), through("webhook:github"));
  must(task_created("W-b"), through("webhook:github"));
  refuses(Outcome::quota, task_created("W-c"), through("webhook:github"));
  must(task_created("W-d"), through("token:boss"));
}

// Keys.

TEST_F(Principals, idempotency_key_is_its_senders) {
  KeyMemory memory;
  KeyRow row;
  row.key = "k";
  row.principal = "token:ci";
  memory.remember(row);
  EXPECT_NE(memory.find("token:ci", "k"), nullptr);
  EXPECT_EQ(memory.find("token:guest", "k"), nullptr);
  EXPECT_EQ(memory.find("", "k"), nullptr);
  // From an earlier log, which did not record its principal.
  row.key = "old";
  row.principal.clear();
  memory.remember(row);
  EXPECT_NE(memory.find("token:ci", "old"), nullptr);
}

}  // namespace
}  // namespace pawl
