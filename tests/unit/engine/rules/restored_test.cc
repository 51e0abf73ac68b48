// SPEC §5: a log restored from a backup continues past the lost part, and nothing issued there opens anything.
#include <gtest/gtest.h>

#include "engine/policies/ahead.h"
#include "engine/policies/stuck.h"
#include "tests/unit/engine/rules.h"

namespace pawl {
namespace {

constexpr std::uint64_t leap = 1000;

class Restored : public Rules {
 protected:
  fb::LogRestoredT restored() const {
    fb::LogRestoredT event;
    event.from = raw(state.last_seq);
    event.next_seq = raw(state.last_seq) + leap;
    event.next_task = raw(state.ids.find(0)->next_task) + 10;
    event.next_job = raw(state.ids.find(0)->next_job) + 10;
    return event;
  }
  const Decided& restore() { return must(restored(), {.boot = "", .actor = "restore"}); }
  /// The records after every restore.
  void start() {
    boot("daemon-2", "pawld");
    must(boot_started("worker-2", "worker"), daemon);
  }
  void unblock(TaskId id) { must(task_unblocked(id), daemon); }

  /// Of the worker, who has the leases.
  Crossing begun_by_worker() {
    Crossing crossing{};
    crossing.task = create("deploy-staging");
    crossing.token = lease(crossing.task, worker);
    crossing.repo_token = lease(repo_key("shop"), worker);
    do_step(crossing.task, "retest", crossing.token);
    crossing.started = start_step(crossing.task, "merge", crossing.token, crossing.repo_token, worker);
    return crossing;
  }

  const Who nobody{.boot = "", .actor = "restore"};
  const Who daemon{.boot = "daemon-2", .actor = "operator"};
  const Who fresh_worker{.boot = "worker-2", .actor = "worker"};
};

TEST_F(Restored, goes_on_at_the_seq_that_it_names) {
  const std::uint64_t from = raw(state.last_seq);
  const Decided& decided = restore();
  EXPECT_EQ(decided.records.size(), 1u);
  EXPECT_EQ(decided.records[0].record().stamp()->seq(), from + leap);
  EXPECT_EQ(decided.records[0].record().stamp()->group(), from + leap);
  EXPECT_EQ(raw(state.last_seq), from + leap);
  start();
  EXPECT_EQ(raw(state.last_seq), from + leap + 2);
}

TEST_F(Restored, that_does_not_fit_the_log_is_refused_and_leaves_no_seq_out) {
  create();
  const auto is_refused = [&](auto change) {
    fb::LogRestoredT event = restored();
    change(event);
    const std::uint64_t last = raw(state.last_seq);
    refuses(Outcome::bad_restore, event, nobody);
    EXPECT_EQ(raw(state.last_seq), last + 1);
  };
  is_refused([](fb::LogRestoredT& event) { --event.from; });
  is_refused([](fb::LogRestoredT& event) { ++event.from; });
  is_refused([](fb::LogRestoredT& event) { event.next_seq = event.from; });
  is_refused([](fb::LogRestoredT& event) { event.next_seq = event.from - 1; });
  is_refused([](fb::LogRestoredT& event) { event.next_task = 1; });
  is_refused([](fb::LogRestoredT& event) { event.next_job = 1; });
  is_refused([](fb::LogRestoredT& event) { event.next_seq = std::uint64_t{1} << 53; });
  is_refused([](fb::LogRestoredT& event) { event.next_task = std::uint64_t{1} << 53; });
  is_refused([](fb::LogRestoredT& event) { event.next_job = std::uint64_t{1} << 53; });
  restore();
}

TEST_F(Restored, is_the_first_of_its_group) {
  Group group = propose_group(requester({}), task_note(create()));
  fb::LogRestoredT event = restored();
  event.next_seq = event.from + 2;
  group.push_back(propose(requester(nobody), event));
  EXPECT_EQ(ask(std::move(group)).outcome, Outcome::bad_restore);
}

TEST_F(Restored, leaves_nobody_in_force) {
  const TaskId id = create();
  const Token token = lease(id, worker);
  lease("deploy-window", worker);
  const JobId job = claim(id);
  restore();
  EXPECT_EQ(state.leases.size(), 0u);
  EXPECT_EQ(state.indexes.running.size(), 0u);
  for (const auto& [name, row] : state.boots.rows()) EXPECT_TRUE(row.stale) << name;
  start();
  refuses(Outcome::stale_boot, lease_released(task_key(id), token), worker);
  refuses(Outcome::not_held, lease_released(task_key(id), token), fresh_worker);
  refuses(Outcome::not_running, run_exited(job, 1), worker);
}

TEST_F(Restored, ids_that_were_left_out_were_never_given_out) {
  const TaskId id = create();
  const std::uint64_t next_task = raw(id) + 1;
  const std::uint64_t next_job = raw(job_of(id)) + 1;
  restore();
  start();
  for (std::uint64_t i = 0; i < 10; ++i) {
    refuses(Outcome::unknown_task, task_note(TaskId{next_task + i}), daemon);
    refuses(Outcome::unknown_job, run_exited(JobId{next_job + i}, 1), daemon);
    refuses(Outcome::unknown_task, lease_acquired(task_key(TaskId{next_task + i}), daemon), daemon);
  }
  const Decided& created = must(task_created("later"), daemon);
  EXPECT_EQ(effects_of(created).at(0).id, next_task + 10);
  must(task_note(id), daemon);
  must(task_note(TaskId{next_task + 10}), daemon);
  EXPECT_EQ(state.restores(), 1u);
}

TEST_F(Restored, every_live_task_waits_for_a_word) {
  const TaskId id = create();
  const TaskId was_blocked = create();
  block(was_blocked);
  const std::string why = task(was_blocked).blocked;
  restore();
  start();
  EXPECT_EQ(task(id).blocked, "restored");
  EXPECT_EQ(task(was_blocked).blocked, "restored (was: " + why + ")");
  refuses(Outcome::blocked, transition(id, "development", version(id)), daemon);
  refuses(Outcome::blocked, lease_acquired(task_key(id), daemon), daemon);
  refuses(Outcome::blocked, job_claimed(job_of(id), fresh_worker), fresh_worker);
  unblock(id);
  must(job_claimed(job_of(id), fresh_worker), fresh_worker);
  unblock(was_blocked);
  EXPECT_EQ(task(was_blocked).blocked, "");
}

TEST_F(Restored, what_is_finished_is_not_touched) {
  const TaskId done = create_done();
  const TaskId archived = create("deploy");
  const Token token = lease(archived);
  do_step(archived, "deploy", token);
  must(lease_released(task_key(archived), token));
  request_cancel(archived);  // committed: it stays
  const std::uint64_t before = version(done);
  const Decided& decided = restore();
  ASSERT_EQ(decided.archived.size(), 1u);  // its lease alone kept it in memory
  EXPECT_EQ(decided.archived[0].task.id, done);
  EXPECT_EQ(raw(decided.archived[0].task.version), before);
}

TEST_F(Restored, versions_go_on_beyond_what_is_lost) {
  const TaskId id = create();
  const std::uint64_t before = version(id);
  restore();
  start();
  unblock(id);
  // In the lost part, every record may have moved the task on.
  for (std::uint64_t lost = before; lost < before + leap; lost += 100) {
    refuses(Outcome::version_conflict, transition(id, "development", lost), daemon);
  }
  EXPECT_EQ(version(id), before + leap);
  must(transition(id, "development", version(id)), daemon);
}

TEST_F(Restored, attempts_begin_anew_under_an_id_that_is_fresh) {
  const TaskId queued = create();
  const TaskId running = create();
  const JobId old_queued = job_of(queued);
  const JobId old_running = claim(running);
  restore();
  start();
  EXPECT_EQ(job(old_queued).status, JobStatus::cancelled);
  EXPECT_EQ(job(old_running).status, JobStatus::cancelled);
  EXPECT_EQ(job(old_running).reason, "restored");
  for (const TaskId id : {queued, running}) {
    const Job& fresh = job(job_of(id));
    EXPECT_GT(raw(fresh.id), raw(old_running) + 9);
    EXPECT_EQ(fresh.attempts, 0u);
    EXPECT_EQ(raw(fresh.version), version(id));
    EXPECT_EQ(fresh.reason, "restored");
  }
}

TEST_F(Restored, finished_work_is_not_done_again) {
  const TaskId id = create();
  must(run_exited(claim(id), 1), worker);
  restore();
  EXPECT_EQ(state.open_job(task(id)), nullptr);
}

TEST_F(Restored, a_committed_crossing_stays_committed_and_open) {
  const Crossing crossing = create_committed();
  restore();
  start();
  EXPECT_TRUE(is_committed(task(crossing.task)));
  ASSERT_NE(open_step(task(crossing.task)), nullptr);
  EXPECT_EQ(open_step(task(crossing.task))->version, task(crossing.task).version);
  // A no of its starter says nothing of the lost part: the step may have been tried again there.
  for (const fb::StepOutcome no : {fb::StepOutcome::failed, fb::StepOutcome::did_not_happen}) {
    refuses(Outcome::not_started, step_finished(crossing.task, 1, "merge", crossing.started, no), {});
  }
  fb::StepFinishedT word = step_finished(crossing.task, version(crossing.task), "merge", crossing.started);
  word.by = fb::StepBy::operator_;
  Group group = propose_group(requester(daemon), word);
  group.push_back(propose(requester(daemon), task_unblocked(crossing.task)));
  EXPECT_EQ(ask(std::move(group)).outcome, Outcome::accepted);
  const Token token = lease(crossing.task, daemon);
  must(transition(crossing.task, "deploy", version(crossing.task), token), daemon);
}

TEST_F(Restored, done_of_a_start_that_the_log_has_is_taken_under_the_version_that_it_was_told) {
  const Crossing crossing = begun_by_worker();
  restore();
  start();
  refuses(Outcome::not_started, step_finished(crossing.task, 2, "merge", crossing.started), worker);
  must(step_finished(crossing.task, 1, "merge", crossing.started), worker);
  EXPECT_EQ(open_step(task(crossing.task)), nullptr);
  EXPECT_EQ(task(crossing.task).blocked, "restored") << "the word still has to follow";
  refuses(Outcome::already_done, step_finished(crossing.task, 1, "merge", crossing.started), worker);
  unblock(crossing.task);
  const Token token = lease(crossing.task, daemon);
  must(transition(crossing.task, "deploy", version(crossing.task), token), daemon);
}

TEST_F(Restored, done_of_a_start_that_followed_a_doubt_ends_the_doubt) {
  const Crossing crossing = begun_by_worker();
  fb::StepFinishedT no = step_finished(crossing.task, 1, "merge", crossing.started, fb::StepOutcome::did_not_happen);
  no.by = fb::StepBy::probe;
  no.conclusive = false;
  must(no);
  const Seq again = start_step(crossing.task, "merge", crossing.token, crossing.repo_token, worker);
  restore();
  start();
  must(step_finished(crossing.task, 1, "merge", again), worker);
  EXPECT_FALSE(task(crossing.task).steps.back().is_in_doubt());
}

TEST_F(Restored, done_of_what_was_settled_before_is_recorded_alerts_and_blocks_what_was_let_go_on) {
  const Crossing crossing = begun_by_worker();
  must(step_finished(crossing.task, 1, "merge", crossing.started, fb::StepOutcome::failed), worker);
  restore();
  restore();  // once more: it is moved on again
  start();
  unblock(crossing.task);
  const Decided& late = must(step_finished(crossing.task, 1, "merge", crossing.started), worker);
  EXPECT_TRUE(has_effect(late, EffectKind::alert));
  EXPECT_EQ(task(crossing.task).blocked, "outcome_unknown");
}

TEST_F(Restored, done_of_what_was_settled_before_leaves_the_block_of_the_restore) {
  const Crossing crossing = begun_by_worker();
  must(step_finished(crossing.task, 1, "merge", crossing.started, fb::StepOutcome::failed), worker);
  restore();
  start();
  const Decided& late = must(step_finished(crossing.task, 1, "merge", crossing.started), worker);
  EXPECT_TRUE(has_effect(late, EffectKind::alert));
  EXPECT_EQ(task(crossing.task).blocked, "restored");
}

/// Who made it this log does not know: anybody could say so. Its task waits for the word of who has looked.
TEST_F(Restored, done_of_a_start_that_only_what_is_lost_has_is_refused) {
  const Crossing crossing = begun_by_worker();
  must(step_finished(crossing.task, 1, "merge", crossing.started, fb::StepOutcome::failed), worker);
  const Seq lost = next(state.last_seq);
  restore();
  start();
  refuses(Outcome::not_started, step_finished(crossing.task, 1, "merge", lost), worker);
  refuses(Outcome::not_started, step_finished(crossing.task, version(crossing.task), "merge", lost), worker);
  EXPECT_EQ(task(crossing.task).blocked, "restored");
}

TEST_F(Restored, a_step_of_what_is_lost_can_be_said_to_have_happened) {
  const TaskId id = create("deploy");
  const auto word = [&](const std::string& step, fb::StepOutcome outcome = fb::StepOutcome::done) {
    fb::StepFinishedT event = step_finished(id, version(id), step, Seq{0}, outcome);
    event.by = fb::StepBy::operator_;
    return event;
  };
  refuses(Outcome::not_started, word("deploy"));  // without a restore there is nothing to decide
  restore();
  start();
  refuses(Outcome::no_such_step, word("merge"), daemon);
  refuses(Outcome::not_started, word("deploy", fb::StepOutcome::did_not_happen), daemon);
  fb::StepFinishedT by_command = word("deploy");
  by_command.by = fb::StepBy::command;
  refuses(Outcome::not_started, by_command, daemon);
  must(word("deploy"), daemon);
  EXPECT_TRUE(is_committed(task(id)));
  refuses(Outcome::already_done, word("deploy"), daemon);
  unblock(id);
  refuses(Outcome::not_started, word("deploy"), daemon);
  const Token token = lease(id, daemon);
  refuses(Outcome::already_done, step_started(id, version(id), "done", "deploy", token), daemon);
  must(transition(id, "done", version(id), token), daemon);
}

TEST_F(Restored, a_step_that_is_open_is_settled_before_another_is_said_to_have_happened) {
  const Crossing crossing = create_committed();
  restore();
  start();
  fb::StepFinishedT event = step_finished(crossing.task, version(crossing.task), "merge", Seq{0});
  event.by = fb::StepBy::operator_;
  refuses(Outcome::outcome_unknown, event, daemon);
}

TEST_F(Restored, a_cancel_waits_for_the_word) {
  const TaskId asked_before = create_committed().task;
  request_cancel(asked_before);
  const TaskId id = create();
  restore();
  start();
  must(cancel_requested(id), daemon);
  EXPECT_EQ(task(id).stage, "analysis");
  refuses(Outcome::blocked, task_cancelled(id), daemon);
  const Decided& freed = must(task_unblocked(id), daemon);
  EXPECT_EQ(types_of(freed), (std::vector<std::string>{"TaskUnblocked", "TaskCancelled"}));
}

TEST_F(Restored, what_is_said_to_have_happened_is_finished_before_a_cancel) {
  const TaskId id = create("deploy");
  restore();
  start();
  must(cancel_requested(id), daemon);
  fb::StepFinishedT event = step_finished(id, version(id), "deploy", Seq{0});
  event.by = fb::StepBy::operator_;
  must(event, daemon);
  unblock(id);
  EXPECT_EQ(task(id).stage, "deploy");
  const Token token = lease(id, daemon);
  must(transition(id, "done", version(id), token), daemon);
}

TEST_F(Restored, again_leaves_out_what_the_first_gave_out) {
  const TaskId id = create();
  restore();
  const std::uint64_t between = raw(state.last_seq);
  const std::uint64_t version_between = version(id);
  restore();
  start();
  EXPECT_EQ(task(id).blocked, "restored");
  EXPECT_EQ(version(id), version_between + leap);
  EXPECT_EQ(raw(state.last_seq), between + leap + 2);
  EXPECT_EQ(state.restores(), 2u);
  refuses(Outcome::unknown_task, task_note(TaskId{raw(id) + 1}), daemon);
  refuses(Outcome::unknown_task, task_note(TaskId{raw(id) + 15}), daemon);
}

TEST_F(Restored, says_what_lies_ahead) {
  const TaskId id = create("deploy-staging");
  const Crossing crossing = create_committed();
  restore();
  EXPECT_EQ(in_words(irreversible_ahead(state, task(id))), "merge on deploy-staging, deploy on deploy");
  EXPECT_EQ(in_words(irreversible_ahead(state, task(crossing.task))),
            "merge (begun) on deploy-staging, deploy on deploy");
  const auto stuck = why_stuck(state, task(id), now, {});
  ASSERT_TRUE(stuck.has_value());
  EXPECT_EQ(stuck->reason, "blocked");
  EXPECT_NE(stuck->detail.find("merge on deploy-staging, deploy on deploy"), std::string::npos) << stuck->detail;
  const auto open = why_stuck(state, task(crossing.task), now, {});
  EXPECT_EQ(open->reason, "outcome_unknown");
  const std::string number = std::to_string(raw(crossing.task));
  EXPECT_EQ(open->frees, "pawl resolve " + number + " merge --happened (or --did-not), then pawl unblock " + number)
      << "settling the step alone does not let the task go on";
}

}  // namespace
}  // namespace pawl
