// What a record ends, and how long that took.
#include "engine/rules/span.h"

#include "tests/unit/engine/rules.h"

namespace pawl {
namespace {

using Of = Span::Of;

class Spans : public Rules {
 protected:
  static const Span& span_of(const Decided& decided, std::size_t index) { return decided.applied[index].span; }
  static const Span& span_of(const Decided& decided) { return span_of(decided, decided.deciding); }
  static void expect_span(const Span& span, Of of, std::int64_t seconds, const std::string& name) {
    EXPECT_EQ(span.of, of);
    EXPECT_EQ(span.us, seconds * us_per_s);
    EXPECT_EQ(span.name ? *span.name : "", name);
  }
};

TEST_F(Spans, claim_ends_the_wait_in_the_queue) {
  const TaskId id = create();
  pass_s(7);
  expect_span(span_of(must(job_claimed(job_of(id), worker))), Of::queue_wait, 7, "analyst");
}

TEST_F(Spans, pause_between_two_attempts_is_no_wait) {
  set("job.retry_delay_s", std::int64_t{10});
  const TaskId id = create();
  const JobId job_id = claim(id);
  must(job_finished(job_id, 1, fb::JobResult::retry));
  ASSERT_TRUE(job(job_id).not_before);
  now = plus_s(*job(job_id).not_before, 3);
  expect_span(span_of(must(job_claimed(job_id, worker))), Of::queue_wait, 3, "analyst");
}

TEST_F(Spans, gap_of_time_is_no_wait) {
  const TaskId id = create("deploy-staging");
  pass_s(1);
  claim(id);
  pass_s(100);
  fb::TimeGapT gap;
  gap.us = 90 * us_per_s;
  must(gap, {.boot = "daemon-1", .actor = "sequencer"});
  expect_span(span_of(must(run_exited(job_of(id), 1), worker)), Of::run, 10, "deployer");
}

TEST_F(Spans, exit_ends_the_run_and_what_follows_does_not) {
  const JobId id = claim(create());
  pass_s(5);
  must(run_started(id, 1), worker);
  pass_s(55);
  expect_span(span_of(must(run_exited(id, 1), worker)), Of::run, 60, "analyst");
  pass_s(9);
  EXPECT_EQ(span_of(must(run_exited(id, 1), worker)).of, Of::nothing) << "the same exit, reported again";
  EXPECT_EQ(span_of(must(job_finished(id, 1, fb::JobResult::done))).of, Of::nothing);
}

TEST_F(Spans, end_of_an_attempt_without_an_exit_ends_the_run) {
  const JobId first = claim(create());
  const JobId second = claim(create());
  pass_s(4);
  expect_span(span_of(must(job_finished(first, 1, fb::JobResult::failed))), Of::run, 4, "analyst");
  pass_s(4);
  expect_span(span_of(must(job_reaped(second, 1, fb::Tier::ceiling, std::nullopt))), Of::run, 8, "analyst");
}

TEST_F(Spans, gate_is_measured_from_the_lease) {
  const TaskId id = create("review");
  EXPECT_EQ(span_of(must(gate_evaluated(id, 1, true))).of, Of::nothing) << "no lease is held";
  lease(id);
  pass_s(12);
  expect_span(span_of(must(gate_evaluated(id, 1, true))), Of::gate, 12, "review");
}

TEST_F(Spans, transition_over_a_guarded_edge_ends_its_crossing) {
  const Crossing crossing = create_committed();
  pass_s(30);
  finish_step(crossing.task, "merge", crossing.started);
  const Decided& moved = must(transition(crossing.task, "deploy", version(crossing.task), crossing.token));
  EXPECT_EQ(span_of(moved).of, Of::crossing);
  EXPECT_GE(span_of(moved).us, 30 * us_per_s);
  EXPECT_EQ(*span_of(moved).name, "deploy-staging");
}

TEST_F(Spans, transition_over_an_unguarded_edge_ends_nothing) {
  EXPECT_EQ(span_of(must(transition(create(), "development", 1))).of, Of::nothing);
}

TEST_F(Spans, transition_back_is_a_rollback) {
  expect_span(span_of(must(transition(create("review"), "development", 1))), Of::rollback, 0, "review");
}

TEST_F(Spans, refused_record_ends_nothing) {
  const TaskId id = create("review");
  pass_s(3);
  EXPECT_EQ(span_of(refuses(Outcome::version_conflict, transition(id, "development", 7))).of, Of::nothing);
  claim(id);
  EXPECT_EQ(span_of(refuses(Outcome::stale_attempt, run_exited(job_of(id), 2), worker)).of, Of::nothing);
}

TEST_F(Spans, name_outlives_the_definition_in_force) {
  const TaskId id = create();
  const Span span = span_of(must(job_claimed(job_of(id), worker)));
  tamper([](State& changed) { changed = State(); });
  EXPECT_EQ(*span.name, "analyst");
}

}  // namespace
}  // namespace pawl
