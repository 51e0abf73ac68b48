// Each invariant of SPEC §14, broken on purpose: violations that the other tests never produce must be found here.
#include "engine/forensics/invariants.h"

#include "tests/unit/engine/rules.h"

namespace pawl {
namespace {

/// One accepted record between a snapshot and a state, either of which may be tampered with.
class Invariants : public Rules {
 protected:
  template <class EventT>
  void record(const EventT& event) {
    before = snapshot_of(state);
    decided = &must(event);
  }

  Transition change(bool accepted = true, bool unchecked = false) const {
    return {.before = before,
            .after = state,
            .record = decided->records[0].record(),
            .accepted = accepted,
            .unchecked = unchecked};
  }

  template <class Check, class Subject>
  static std::string found(Check check, const Subject& subject) {
    Findings findings;
    check(subject, findings);
    std::string all;
    for (const Finding& finding : findings) {
      all += (finding.kind == Finding::Kind::unchecked ? "unchecked " : "") + std::to_string(finding.invariant) + ": " +
             finding.what + "\n";
    }
    return all;
  }

  void change_task(TaskId id, const std::function<void(Task&)>& change) {
    tamper([&](State& each) {
      Task task = *each.tasks.find(id);
      change(task);
      each.tasks.load(id, std::move(task));
    });
  }

  void change_job(JobId id, const std::function<void(Job&)>& change) {
    tamper([&](State& each) {
      Job job = *each.jobs.find(id);
      change(job);
      each.jobs.load(id, std::move(job));
    });
  }

  Snapshot before;
  const Decided* decided = nullptr;
};

TEST_F(Invariants, 1_versions_grow_by_one_with_each_transition_and_by_nothing_else) {
  const TaskId id = create();
  const TaskId other = create();
  record(transition(id, "development", 1));
  EXPECT_EQ(found(check_versions, change()), "");
  change_task(id, [](Task& task) { task.version = Version{3}; });
  EXPECT_EQ(found(check_versions, change()), "1: task 1: version 1 became 3\n");
  change_task(id, [](Task& task) { task.version = Version{1}; });
  EXPECT_EQ(found(check_versions, change()), "1: task 1: version 1 became 1\n");
  change_task(id, [](Task& task) { task.version = Version{2}; });
  change_task(other, [](Task& task) { task.stage = "review"; });
  EXPECT_EQ(found(check_versions, change()), "1: task 2: went from 'analysis' to 'review' without a transition\n");
  before.tasks.erase(id);
  before.tasks.erase(other);
  EXPECT_EQ(found(check_versions, change()), "1: task 1: starts with version 2\n");
}

TEST_F(Invariants, 2_terminal_is_terminal) {
  const TaskId id = create("deploy-staging");
  const JobId ended = claim(id);
  must(job_finished(ended, 1, fb::JobResult::done));
  record(task_note(id));
  before.tasks.at(id).stage = "done";
  EXPECT_EQ(found(check_terminal, change()), "2: task 1: left the terminal stage 'done'\n");
  change_task(id, [](Task& task) { task.stage = "done"; });
  EXPECT_EQ(found(check_terminal, change()), "");
  change_job(ended, [](Job& job) { job.status = JobStatus::queued; });
  EXPECT_EQ(found(check_terminal, change()), "2: job 1: revived, though task 1 is 'done'\n");
  before.jobs.at(ended).status = JobStatus::queued;
  EXPECT_EQ(found(check_terminal, change()), "") << "it was queued the whole time";
  before.jobs.erase(ended);
  EXPECT_EQ(found(check_terminal, change()), "2: job 1: revived, though task 1 is 'done'\n");
  tamper([&](State& each) {
    each.jobs.erase(ended);
    each.tasks.erase(id);
  });
  EXPECT_EQ(found(check_terminal, change()), "2: task 1: left the terminal stage 'done'\n")
      << "only archiving may remove it";
}

TEST_F(Invariants, 3_no_holder_is_stale) {
  lease("any", worker);
  claim(create());
  EXPECT_EQ(found(check_holders, state), "");
  tamper([](State& each) {
    Boot boot = *each.boots.find("worker-1");
    boot.stale = true;
    each.boots.load("worker-1", std::move(boot));
  });
  EXPECT_EQ(found(check_holders, state),
            "3: lease 'any': its holder's boot worker-1 is stale\n3: job 1: is running under a stale boot\n");
  tamper([](State& each) {
    each.leases.erase("any");
    each.boots.erase("worker-1");
  });
  EXPECT_EQ(found(check_holders, state), "3: job 1: is running under a stale boot\n")
      << "and it is not an unknown boot";
  change_job(JobId{1}, [](Job& job) { job.run.reset(); });
  EXPECT_EQ(found(check_holders, state), "3: job 1: is running under a stale boot\n");
}

TEST_F(Invariants, 3_no_token_is_given_twice) {
  const Token token = lease("any");
  lease("other");
  tamper([&](State& each) {
    Lease lease = *each.leases.find("other");
    lease.token = token;
    each.leases.load("other", std::move(lease));
  });
  EXPECT_EQ(found(check_holders, state),
            "3: lease 'other': its token " + std::to_string(raw(token)) + " is also another lease's\n");
}

TEST_F(Invariants, 4_guarded_edges_are_crossed_with_the_token_then_held) {
  const TaskId id = create("deploy");
  const Token token = lease(id);
  do_step(id, "deploy", token);
  record(transition(id, "done", 1, token));
  EXPECT_EQ(found(check_guarded_crossing, change()), "");
  EXPECT_EQ(found(check_guarded_crossing, change(true, true)),
            "unchecked 4: task 1: crossed the guarded edge to 'done' unchecked\n");
  before.leases.at(task_key(id)).token = next(token);
  EXPECT_EQ(found(check_guarded_crossing, change()),
            "4: task 1: crossed the guarded edge to 'done' without the current token\n");
  before.leases.clear();
  EXPECT_NE(found(check_guarded_crossing, change()), "");
  const TaskId other = create("deploy");
  do_step(other, "deploy", lease(other));
  set("ownership.enabled", SettingValue(false));
  record(transition(other, "done", 1));
  EXPECT_EQ(found(check_guarded_crossing, change()),
            "4: task 2: crossed the guarded edge to 'done' without the current token\n");
  EXPECT_EQ(found(check_guarded_crossing, change(false)), "");
}

TEST_F(Invariants, 5_jobs_leave_running_once_for_each_claim) {
  const TaskId id = create();
  const JobId its_job = job_of(id);
  record(job_claimed(its_job, worker));
  EXPECT_EQ(found(check_jobs, change()), "");
  change_job(its_job, [](Job& job) { job.attempts = 2; });
  EXPECT_EQ(found(check_jobs, change()), "5: job 1: attempts went from 0 to 2\n");
  change_job(its_job, [](Job& job) { job.attempts = 1; });
  before.jobs.erase(its_job);
  EXPECT_EQ(found(check_jobs, change()), "5: job 1: its first status is not `queued`\n");
  change_job(its_job, [](Job& job) { job.status = JobStatus::queued; });
  EXPECT_EQ(found(check_jobs, change()), "5: job 1: its first status is not `queued`\n") << "it has an attempt";
  change_job(its_job, [](Job& job) { job.status = JobStatus::running; });

  const JobId other = job_of(create());
  record(job_claimed(other, worker));
  EXPECT_EQ(found(check_jobs, change()), "") << "changes of one job do not count for the other";
  EXPECT_EQ(found(check_jobs, change(false)), "5: job 2: attempts went from 0 to 1\n5: job 2: from queued to running\n")
      << "after a refused claim";
  change_job(its_job, [](Job& job) { job.status = JobStatus::cancelled; });
  before.jobs.at(its_job).status = JobStatus::queued;
  EXPECT_EQ(found(check_jobs, change()), "") << "a queued job may be cancelled";
  change_job(its_job, [](Job& job) { job.status = JobStatus::running; });
  must(job_finished(other, 1, fb::JobResult::done), worker);

  record(task_note(id));
  change_job(its_job, [](Job& job) { job.status = JobStatus::done; });
  EXPECT_EQ(found(check_jobs, change()), "5: job 1: from running to done\n");
  before.jobs.at(its_job).status = JobStatus::done;
  change_job(its_job, [](Job& job) { job.status = JobStatus::queued; });
  EXPECT_EQ(found(check_jobs, change()), "5: job 1: from done to queued\n");
  before.jobs.at(its_job).status = JobStatus::queued;
  change_job(its_job, [](Job& job) { job.status = JobStatus::running; });
  EXPECT_EQ(found(check_jobs, change()), "5: job 1: from queued to running\n");
}

TEST_F(Invariants, 5_jobs_keep_to_their_budget) {
  const JobId its_job = claim(create());
  record(task_note(TaskId{1}));
  change_job(its_job, [](Job& job) { job.attempts = 4; });
  before.jobs.at(its_job).attempts = 4;
  EXPECT_EQ(found(check_jobs, change()), "5: job 1: 4 attempts and 0 uncounted, but max_attempts is 2\n");
  change_job(its_job, [](Job& job) { job.interruptions = 2; });
  EXPECT_EQ(found(check_jobs, change()), "");
  change_job(its_job, [](Job& job) { job.interruptions = 5; });
  EXPECT_NE(found(check_jobs, change()), "");
}

TEST_F(Invariants, 6_an_irreversible_step_that_is_done_stays_done) {
  const Crossing crossing = create_committed();
  finish_step(crossing.task, "merge", crossing.started);
  record(task_note(crossing.task));
  EXPECT_EQ(found(check_steps, change()), "");
  const std::vector<StepRow> steps = task(crossing.task).steps;
  for (const StepState state_now : {StepState::started, StepState::failed, StepState::did_not_happen}) {
    change_task(crossing.task, [&](Task& task) { task.steps[1].state = state_now; });
    EXPECT_EQ(found(check_steps, change()),
              "6: task 1: step 'merge' of the crossing to 'deploy' at version 1 was done, but no longer is\n");
  }
  change_task(crossing.task, [&](Task& task) {
    task.steps = steps;
    task.steps[1].started = next(task.steps[1].started);
  });
  EXPECT_NE(found(check_steps, change()), "");
}

TEST_F(Invariants, 6_at_most_one_step_is_open_and_each_stands_once) {
  const Crossing crossing = create_committed();
  record(task_note(crossing.task));
  change_task(crossing.task, [](Task& task) { task.steps[0].state = StepState::started; });
  EXPECT_EQ(found(check_steps, change()), "6: task 1: 2 steps are started and unsettled\n");
  change_task(crossing.task, [](Task& task) {
    task.steps[0].state = StepState::done;
    task.steps.push_back(task.steps[0]);
  });
  EXPECT_EQ(found(check_steps, change()),
            "6: task 1: step 'retest' of the crossing to 'deploy' at version 1 is in the journal twice\n");
}

TEST_F(Invariants, 7_work_items_and_open_jobs_are_unique) {
  const TaskId first = create();
  const TaskId second = create();
  const JobId its_job = job_of(second);
  EXPECT_EQ(found(check_uniqueness, state), "");
  change_task(second, [&](Task& each) { each.work_item = task(first).work_item; });
  EXPECT_EQ(found(check_uniqueness, state), "7: task 2: another live task has 'shop' and 'W-1'\n");
  change_task(second, [](Task& each) { each.work_item = "W-2"; });
  change_job(its_job, [&](Job& job) { job.task = first; });
  EXPECT_EQ(found(check_uniqueness, state), "7: job 2: another job of version 1 of task 1 is queued or running\n");
  change_job(its_job, [&](Job& job) { job.task = second; });
}

TEST_F(Invariants, 7_is_asked_of_what_is_new_alone) {
  const TaskId first = create();
  const TaskId second = create();
  record(task_note(first));
  EXPECT_EQ(found(check_jobs, change()), "") << "a queued job may stay queued";
  before.tasks.erase(first);
  before.tasks.erase(second);
  EXPECT_EQ(found(check_uniqueness_of_new, change()), "") << "both are new";
  record(task_note(first));
  change_task(second, [&](Task& each) { each.work_item = task(first).work_item; });
  EXPECT_EQ(found(check_uniqueness_of_new, change()), "7: task 2: another live task has 'shop' and 'W-1'\n");
  before.tasks.at(second).work_item = task(first).work_item;
  EXPECT_EQ(found(check_uniqueness_of_new, change()), "") << "nothing has changed";
  before.tasks.at(second).repo = "other";
  EXPECT_NE(found(check_uniqueness_of_new, change()), "");
  before.tasks.at(second).repo = "shop";
  before.tasks.at(second).stage = "done";
  EXPECT_NE(found(check_uniqueness_of_new, change()), "");
  before.tasks.erase(second);
  EXPECT_NE(found(check_uniqueness_of_new, change()), "");

  const JobId its_job = job_of(second);
  change_task(second, [](Task& each) { each.work_item = "W-2"; });
  change_job(its_job, [&](Job& job) { job.task = first; });
  const std::string twice = "7: job 2: another job of version 1 of task 1 is queued or running\n";
  EXPECT_EQ(found(check_uniqueness_of_new, change()), twice);
  before.jobs.at(its_job).task = first;
  EXPECT_EQ(found(check_uniqueness_of_new, change()), "");
  before.jobs.at(its_job).version = Version{2};
  EXPECT_EQ(found(check_uniqueness_of_new, change()), twice);
  before.jobs.at(its_job).version = Version{1};
  before.jobs.at(its_job).status = JobStatus::done;
  EXPECT_EQ(found(check_uniqueness_of_new, change()), twice);
}

TEST_F(Invariants, 8_a_refusal_changes_no_digest) {
  const TaskId id = create();
  record(task_note(id));
  EXPECT_EQ(found(check_refusal, change(false)), "");
  ++before.digest;
  EXPECT_EQ(found(check_refusal, change(false)), "8: a refused record changed the digest\n");
  EXPECT_EQ(found(check_refusal, change(true)), "");
}

TEST_F(Invariants, 9_a_committed_crossing_is_left_over_its_edge_alone) {
  const TaskId id = create("deploy-staging");
  record(transition(id, "development", 1));
  EXPECT_EQ(found(check_committed_crossing, change()), "");
  before.tasks.at(id).steps.push_back({.version = Version{1},
                                       .to = "deploy",
                                       .step = "merge",
                                       .started = Seq{1},
                                       .run = {},
                                       .irreversible = true,
                                       .state = StepState::done,
                                       .boot = "daemon-1"});
  EXPECT_EQ(found(check_committed_crossing, change()),
            "9: task 1: left 'deploy-staging' while its crossing to 'deploy' was committed\n");
  EXPECT_EQ(found(check_committed_crossing, change(true, true)),
            "unchecked 9: task 1: left 'deploy-staging' while its crossing to 'deploy' was committed\n");
  // Only the irreversible step of that version led to it.
  StepRow step = before.tasks.at(id).steps.back();
  step.irreversible = false;
  before.tasks.at(id).steps.push_back(step);
  step.irreversible = true;
  step.version = Version{7};
  before.tasks.at(id).steps.push_back(step);
  Findings findings;
  check_committed_crossing(change(), findings);
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].led_by.size(), 2u) << "the step, and the transition that led there";
  before.tasks.at(id).steps.resize(1);
  before.tasks.at(id).steps.back().to = "development";
  EXPECT_EQ(found(check_committed_crossing, change()), "");
}

TEST_F(Invariants, 10_a_due_cancellation_is_carried_out) {
  const TaskId id = create();
  EXPECT_EQ(found(check_nothing_lost, state), "");
  change_task(id, [](Task& task) { task.cancel_requested = "asked"; });
  EXPECT_EQ(found(check_nothing_lost, state),
            "10: task 1: nothing prevents its cancellation, but it is not cancelled\n");
}

TEST_F(Invariants, 10_no_job_waits_for_a_task_that_has_ended) {
  const TaskId id = create();
  change_task(id, [](Task& task) { task.stage = "done"; });
  EXPECT_EQ(found(check_nothing_lost, state), "10: job 1: still queued, though task 1 is 'done'\n");
}

TEST_F(Invariants, 10_a_task_without_a_job_needs_a_reconciler) {
  const TaskId id = create("deploy");
  EXPECT_EQ(found(check_nothing_lost, state), "") << "its stage has no agent, and the reconciler drives it";
  tamper([](State& each) {
    each.settings_changed.load("reconciler.enabled", {.key = "reconciler.enabled", .value = SettingValue(false)});
  });
  EXPECT_EQ(found(check_nothing_lost, state),
            "10: task 1: has no queued or running job at its version, and the reconciler, which would drive it, is "
            "switched off\n");
  lease(id);
  EXPECT_EQ(found(check_nothing_lost, state), "") << "an owner is at work";
}

TEST_F(Invariants, are_all_asked_of_a_group_as_it_is_applied) {
  const TaskId id = create();
  State anew;
  Group group = propose_group(requester({}), boot_started("daemon-1", "pawld"));
  Decided first = decide(anew, std::move(group), now);
  State checked;
  const fb::Record* record = &first.records[0].record();
  EXPECT_TRUE(check_group(checked, {&record, 1}).findings.empty());
  EXPECT_EQ(checked.digest(), anew.digest());

  State doubted;
  first.records[0].stamp().mutate_digest(1);
  const Findings findings = check_group(doubted, {&record, 1}).findings;
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].invariant, 0);
  EXPECT_EQ(findings[0].seq, Seq{1});
  EXPECT_NE(state.tasks.find(id), nullptr);

  State marked;
  first.records[0].stamp().mutate_digest(anew.digest());
  first.records[0].stamp().mutate_unchecked(true);
  const Findings of_mark = check_group(marked, {&record, 1}).findings;
  ASSERT_EQ(of_mark.size(), 1u);
  EXPECT_EQ(of_mark[0].what, "the rules compute a different `unchecked` mark from the record's");
}

TEST(FindingKinds, have_names_of_their_own) {
  std::set<std::string_view> names;
  for (int kind = 0; kind <= static_cast<int>(Finding::Kind::overdue); ++kind) {
    EXPECT_TRUE(names.insert(name(static_cast<Finding::Kind>(kind))).second) << kind;
  }
}

}  // namespace
}  // namespace pawl
