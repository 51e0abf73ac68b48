// Leaving needs a second no: a crossing whose irreversible step has not happened but may still happen (SPEC §8).
#include <gtest/gtest.h>

#include "tests/unit/engine/rules.h"

namespace pawl {
namespace {

class Doubt : public Rules {
 protected:
  static constexpr std::int64_t settle_s = 30;

  /// The merge was started, its end was lost, and the probe says no.
  Crossing doubtful() {
    Pipeline pipeline = default_pipeline();
    PipelineStep& merge = pipeline.stages[4].steps[1];
    merge.probe = {"probe"};
    merge.settle_s = settle_s;
    must(pipeline_event(pipeline));
    const Crossing crossing = create_committed();
    must(said_no(crossing, crossing.started, false));
    return crossing;
  }

  fb::StepFinishedT said_no(const Crossing& crossing, Seq started, std::optional<bool> conclusive,
                            fb::StepBy by = fb::StepBy::probe) const {
    fb::StepFinishedT event =
        step_finished(crossing.task, version(crossing.task), "merge", started, fb::StepOutcome::did_not_happen);
    event.by = by;
    if (conclusive) event.conclusive = *conclusive;
    return event;
  }

  const StepRow& merge_of(const Crossing& crossing) const { return task(crossing.task).steps.back(); }
};

TEST_F(Doubt, first_no_keeps_the_crossing_committed) {
  const Crossing crossing = doubtful();
  const TaskId id = crossing.task;
  EXPECT_EQ(merge_of(crossing).state, StepState::did_not_happen);
  EXPECT_TRUE(merge_of(crossing).is_in_doubt());
  EXPECT_EQ(open_step(task(id)), nullptr);
  EXPECT_TRUE(is_committed(task(id)));
  EXPECT_FALSE(is_committed_beyond_doubt(task(id)));
  refuses(Outcome::committed, transition(id, "development", 1, crossing.token));
  refuses(Outcome::steps_unfinished, transition(id, "deploy", 1, crossing.token));
}

TEST_F(Doubt, only_that_step_starts_again_and_another_one_does_not) {
  // Its owner did not wait for the retest: the order of steps is not judged when one starts.
  Crossing crossing{.task = create("deploy-staging"), .token = {}, .repo_token = {}, .started = {}};
  crossing.token = lease(crossing.task);
  crossing.repo_token = lease("repo:shop");
  crossing.started = start_step(crossing.task, "merge", crossing.token, crossing.repo_token);
  must(said_no(crossing, crossing.started, false));
  refuses(Outcome::outcome_unknown, step_started(crossing.task, 1, "deploy", "retest", crossing.token));
  start_step(crossing.task, "merge", crossing.token, crossing.repo_token);
}

TEST_F(Doubt, try_that_is_done_ends_it) {
  const Crossing crossing = doubtful();
  do_step(crossing.task, "merge", crossing.token, crossing.repo_token);
  EXPECT_FALSE(merge_of(crossing).is_in_doubt());
  move(crossing.task, "deploy", crossing.token);
}

TEST_F(Doubt, word_of_the_second_try_is_none_for_the_first) {
  const Crossing crossing = doubtful();
  const Seq again = start_step(crossing.task, "merge", crossing.token, crossing.repo_token);
  finish_step(crossing.task, "merge", again, fb::StepOutcome::failed);
  EXPECT_EQ(merge_of(crossing).state, StepState::failed);
  EXPECT_TRUE(is_committed(task(crossing.task))) << "the first try may still take effect";
  refuses(Outcome::committed, transition(crossing.task, "development", 1, crossing.token));
}

TEST_F(Doubt, word_for_its_own_start_lets_go_at_once) {
  const Crossing crossing = create_committed();
  finish_step(crossing.task, "merge", crossing.started, fb::StepOutcome::failed);
  EXPECT_FALSE(is_committed(task(crossing.task)));
  move(crossing.task, "development", crossing.token);
}

TEST_F(Doubt, second_no_ends_it_once_the_settle_time_is_over) {
  const Crossing crossing = doubtful();
  pass_s(settle_s - 1);
  refuses(Outcome::too_early, said_no(crossing, crossing.started, true));
  pass_s(1);
  refuses(Outcome::not_started, said_no(crossing, crossing.started, false));
  refuses(Outcome::not_started, said_no(crossing, crossing.started, std::nullopt));
  refuses(Outcome::not_daemon, said_no(crossing, crossing.started, true), worker);
  must(said_no(crossing, crossing.started, true));
  EXPECT_FALSE(is_committed(task(crossing.task)));
  refuses(Outcome::not_started, said_no(crossing, crossing.started, true));
  move(crossing.task, "development", crossing.token);
}

TEST_F(Doubt, no_that_is_conclusive_at_once_is_taken_from_nobody) {
  const Crossing crossing = create_committed();
  refuses(Outcome::too_early, said_no(crossing, crossing.started, true));
  pass_s(3600);
  refuses(Outcome::too_early, said_no(crossing, crossing.started, true));
}

TEST_F(Doubt, settle_time_counts_from_the_last_try) {
  const Crossing crossing = doubtful();
  pass_s(settle_s);
  const Seq again = start_step(crossing.task, "merge", crossing.token, crossing.repo_token);
  refuses(Outcome::not_started, said_no(crossing, crossing.started, true));
  refuses(Outcome::too_early, said_no(crossing, again, true));
  must(said_no(crossing, again, false));
  refuses(Outcome::too_early, said_no(crossing, again, true));
  pass_s(settle_s);
  must(said_no(crossing, again, true));
}

TEST_F(Doubt, late_effect_is_taken_for_done) {
  const Crossing crossing = doubtful();
  fb::StepFinishedT late = step_finished(crossing.task, 1, "merge", crossing.started);
  late.by = fb::StepBy::probe;
  must(late);
  EXPECT_EQ(merge_of(crossing).state, StepState::done);
  move(crossing.task, "deploy", crossing.token);
}

TEST_F(Doubt, operator_ends_it_at_once) {
  const Crossing crossing = doubtful();
  must(said_no(crossing, crossing.started, std::nullopt, fb::StepBy::operator_), {.actor = "operator"});
  EXPECT_FALSE(is_committed(task(crossing.task)));
}

TEST_F(Doubt, cancel_waits_for_the_second_no_and_starts_nothing_again) {
  const Crossing crossing = doubtful();
  const TaskId id = crossing.task;
  request_cancel(id);
  refuses(Outcome::cancel_requested, step_started(id, 1, "deploy", "merge", crossing.token, crossing.repo_token));
  release(task_key(id), crossing.token);
  EXPECT_EQ(task(id).stage, "deploy-staging") << "it is not cancelled while its merge may still happen";
  pass_s(settle_s);
  const Decided& decided = must(said_no(crossing, crossing.started, true));
  EXPECT_EQ(types_of(decided), (std::vector<std::string>{"StepFinished", "TaskCancelled"}));
}

TEST_F(Doubt, block_does_not_end_it) {
  const Crossing crossing = doubtful();
  must(task_blocked(crossing.task, 1, crossing.token));
  must(task_unblocked(crossing.task));
  EXPECT_TRUE(is_committed(task(crossing.task)));
}

TEST_F(Doubt, job_that_ends_in_it_is_done_and_the_reconciler_goes_on) {
  Crossing crossing = doubtful();
  const JobId id = claim(crossing.task);
  must(job_finished(id, 1, fb::JobResult::retry), worker);
  EXPECT_EQ(job(id).status, JobStatus::done);
}

TEST_F(Doubt, reversible_step_is_never_in_it) {
  const TaskId id = create("deploy-staging");
  const Seq started = start_step(id, "retest", lease(id));
  fb::StepFinishedT event = step_finished(id, 1, "retest", started, fb::StepOutcome::did_not_happen);
  event.conclusive = false;
  must(event);
  EXPECT_FALSE(is_committed(task(id)));
}

TEST_F(Doubt, reason_of_a_step_that_failed_is_kept) {
  const Crossing crossing = create_committed();
  fb::StepFinishedT event = step_finished(crossing.task, 1, "merge", crossing.started, fb::StepOutcome::failed);
  event.reason = "main has moved";
  must(event);
  EXPECT_EQ(merge_of(crossing).reason, "main has moved");
}

}  // namespace
}  // namespace pawl
