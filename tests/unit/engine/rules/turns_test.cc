// Whose turn it is: priorities, the times before which tasks do not start, and what these may not do.
#include "engine/rules/claim.h"
#include "engine/state/holds.h"
#include "schema/limits.h"
#include "tests/unit/engine/rules.h"

namespace pawl {
namespace {

fb::TaskPrioritizedT prioritized(TaskId task, std::optional<std::int64_t> priority,
                                 std::optional<TimeUs> not_before = std::nullopt) {
  fb::TaskPrioritizedT event;
  event.task = raw(task);
  if (priority) event.priority = *priority;
  if (not_before) event.not_before = not_before->us;
  event.reason = "it mends the outage";
  return event;
}

fb::TaskPrioritizedT cleared(TaskId task) {
  fb::TaskPrioritizedT event = prioritized(task, std::nullopt);
  event.clear_not_before = true;
  return event;
}

class TurnRules : public Rules {
 protected:
  TaskId create_with(std::int64_t priority, std::optional<TimeUs> not_before = std::nullopt,
                     const std::string& repo = "shop") {
    fb::TaskCreatedT event = task_created("W-" + std::to_string(raw(state.last_seq)) + "-of-its-own");
    event.repo = repo;
    event.priority = priority;
    if (not_before) event.not_before = not_before->us;
    return TaskId{effects_of(must(event)).at(0).id};
  }
  /// The tasks whose jobs are claimed next, in order, if all are.
  std::vector<TaskId> order() const {
    std::vector<TaskId> tasks;
    const std::vector<std::string> agents{"analyst"};
    const JobId taken = first_claimable(state, agents, {}, now, [&](JobId id) {
      tasks.push_back(job(id).task);
      return ClaimableJobs::Look::pass_over;
    });
    EXPECT_EQ(taken, JobId{0});
    return tasks;
  }
  const std::string& detail_of(const Decided& decided) { return decided.applied[decided.deciding].detail; }
};
using Tasks = std::vector<TaskId>;

using TaskPrioritized = TurnRules;

TEST_F(TaskPrioritized, unknown_task) {
  refuses(Outcome::unknown_task, prioritized(TaskId{99}, 5));
}

TEST_F(TaskPrioritized, terminal) {
  refuses(Outcome::terminal, prioritized(create_done(), 5));
}

TEST_F(TaskPrioritized, bad_priority) {
  const TaskId id = create();
  EXPECT_EQ(detail_of(refuses(Outcome::bad_priority, prioritized(id, limits::priority_max + 1))),
            "101 is not a priority: those are from -100 to 100");
  refuses(Outcome::bad_priority, prioritized(id, -limits::priority_max - 1));
  must(prioritized(id, limits::priority_max));
  must(prioritized(id, -limits::priority_max));
}

TEST_F(TaskPrioritized, bad_time) {
  fb::TaskPrioritizedT both = prioritized(create(), std::nullopt, plus_s(now, 60));
  both.clear_not_before = true;
  EXPECT_EQ(detail_of(refuses(Outcome::bad_time, both)), "a time was given, and that there is none");
}

TEST_F(TaskPrioritized, changes_what_it_names_and_nothing_else) {
  const TaskId id = create_with(5, plus_s(now, 60));
  must(prioritized(id, 7));
  EXPECT_EQ(task(id).priority, 7);
  EXPECT_EQ(task(id).not_before, plus_s(now, 60));
  must(prioritized(id, std::nullopt, plus_s(now, 90)));
  EXPECT_EQ(task(id).priority, 7);
  EXPECT_EQ(task(id).not_before, plus_s(now, 90));
  must(cleared(id));
  EXPECT_EQ(task(id).priority, 7);
  EXPECT_FALSE(task(id).not_before);
}

TEST_F(TaskPrioritized, priority_0_and_a_time_that_is_over_leave_no_trace) {
  const TaskId id = create();
  const std::uint64_t digest = state.digest();
  must(prioritized(id, 5, plus_s(now, 60)));
  EXPECT_NE(state.digest(), digest);
  must(prioritized(id, 0, now));
  EXPECT_EQ(state.digest(), digest);
  const TaskId other = create_with(0, now);
  EXPECT_FALSE(task(other).priority);
  EXPECT_FALSE(task(other).not_before);
}

TEST_F(TaskPrioritized, reorders_what_is_queued_at_once) {
  const TaskId first = create();
  const TaskId second = create();
  const TaskId third = create();
  EXPECT_EQ(order(), (Tasks{first, second, third}));
  must(prioritized(third, 1));
  EXPECT_EQ(order(), (Tasks{third, first, second}));
  must(prioritized(first, -1));
  EXPECT_EQ(order(), (Tasks{third, second, first}));
  must(prioritized(third, 0));
  must(prioritized(first, 0));
  EXPECT_EQ(order(), (Tasks{first, second, third}));
}

TEST_F(TaskPrioritized, a_group_that_is_refused_leaves_the_order) {
  const TaskId first = create();
  const TaskId second = create();
  Group group = propose_group(requester({}), prioritized(second, 50));
  group.push_back(std::move(propose_group(requester({}), prioritized(TaskId{99}, 1)).front()));
  EXPECT_EQ(ask(std::move(group)).outcome, Outcome::unknown_task);
  EXPECT_EQ(order(), (Tasks{first, second}));
}

using Turns = TurnRules;

TEST_F(Turns, submission_with_a_bad_priority_is_refused) {
  fb::TaskCreatedT event = task_created("W");
  event.priority = 101;
  EXPECT_EQ(detail_of(refuses(Outcome::bad_priority, event)), "101 is not a priority: those are from -100 to 100");
}

TEST_F(Turns, the_higher_priority_is_served_first_and_equals_in_the_order_of_their_jobs) {
  const TaskId low = create_with(-3);
  const TaskId plain = create();
  const TaskId high = create_with(3);
  const TaskId also_high = create_with(3);
  EXPECT_EQ(order(), (Tasks{high, also_high, plain, low}));
}

TEST_F(Turns, an_aged_task_overtakes) {
  set("queue.priority_s", std::int64_t{60});
  const TaskId aged = create();
  pass_s(299);
  const TaskId in_time = create_with(5);
  pass_s(2);
  const TaskId late = create_with(5);
  EXPECT_EQ(order(), (Tasks{in_time, aged, late}));
}

TEST_F(Turns, the_wait_behind_higher_priorities_is_bounded) {
  set("queue.priority_s", std::int64_t{1});
  const TaskId lowest = create_with(-limits::priority_max);
  pass_s(2 * limits::priority_max);
  create_with(limits::priority_max);  // at the bound, the older job goes first
  EXPECT_EQ(order().front(), lowest);
}

TEST_F(Turns, priorities_are_ignored_while_a_level_is_worth_nothing) {
  const TaskId first = create();
  const TaskId high = create_with(9);
  EXPECT_EQ(order(), (Tasks{high, first}));
  set("queue.priority_s", std::int64_t{0});
  EXPECT_EQ(order(), (Tasks{first, high}));
  set("queue.priority_s", std::int64_t{600});
  EXPECT_EQ(order(), (Tasks{high, first}));
}

TEST_F(Turns, a_job_that_is_tried_again_keeps_its_place) {
  const TaskId first = create();
  pass_s(10);
  const TaskId second = create();
  const JobId tried = claim(first);
  pass_s(10);
  must(job_finished(tried, 1, fb::JobResult::retry));
  EXPECT_GT(job(tried).queued, job(job_of(second)).queued);
  EXPECT_EQ(order(), (Tasks{first, second}));
}

TEST_F(Turns, the_serial_gate_opens_for_the_highest_priority_that_waits) {
  set("queue.serial_per_repo", true);
  const JobId running = claim(create());
  const TaskId plain = create();
  const TaskId high = create_with(2);
  EXPECT_EQ(order(), Tasks{});
  refuses(Outcome::serial_gate, job_claimed(job_of(high), worker), worker);
  must(job_finished(running, 1, fb::JobResult::failed));
  EXPECT_EQ(order(), (Tasks{high, plain}));
}

TEST_F(Turns, a_task_keeps_its_priority_on_every_stage) {
  const TaskId id = create_with(4);
  move(id, "development");
  EXPECT_EQ(task(id).priority, 4);
}

TEST_F(Turns, nothing_begins_before_the_time_of_a_task) {
  const TaskId id = create_with(0, plus_s(now, 60));
  const Decided& refused = refuses(Outcome::not_yet, job_claimed(job_of(id), worker), worker);
  EXPECT_EQ(detail_of(refused), "its time has not come: not before 2026-01-01T00:01:00.000000Z");
  refuses(Outcome::not_yet, lease_acquired(task_key(id)));
  refuses(Outcome::not_yet, transition(id, "development", version(id)));
  EXPECT_EQ(order(), Tasks{});
  EXPECT_EQ(next_pause_end(state, std::vector<std::string>{"analyst"}, now), plus_s(now, 60));
  pass_s(60);
  EXPECT_EQ(order(), Tasks{id}) << "no record has said that its time has come";
  EXPECT_FALSE(next_pause_end(state, std::vector<std::string>{"analyst"}, now));
  claim(id);
}

TEST_F(Turns, no_step_begins_before_the_time_of_a_task) {
  const TaskId id = create("deploy-staging");
  const Token token = lease(id);
  must(prioritized(id, std::nullopt, plus_s(now, 60)));
  refuses(Outcome::not_yet, step_started(id, version(id), "deploy", "retest", token));
  must(cleared(id));
  start_step(id, "retest", token);
}

TEST_F(Turns, what_has_begun_goes_on) {
  const TaskId working = create();
  const JobId running = claim(working);
  const Crossing crossing = create_committed();
  for (const TaskId id : {working, crossing.task}) must(prioritized(id, std::nullopt, plus_s(now, 60)));
  must(run_exited(running, 1, 0), worker);
  must(job_finished(running, 1, fb::JobResult::done));
  finish_step(crossing.task, "merge", crossing.started);
  move(crossing.task, "deploy", crossing.token);
  EXPECT_EQ(task(crossing.task).not_before, plus_s(now, 60)) << "its next stage waits";
}

TEST_F(Turns, a_rollback_and_a_cancel_do_not_wait) {
  const TaskId id = create("review");
  must(prioritized(id, std::nullopt, plus_s(now, 60)));
  move(id, "development");
  request_cancel(id);
  EXPECT_FALSE(state.tasks.find(id) && !is_terminal(task(id).stage));
}

TEST_F(Turns, an_override_of_holds_is_not_one_of_the_time) {
  const TaskId id = create_with(0, plus_s(now, 60));
  fb::HoldPlacedT hold;
  hold.place = "repo:shop";
  must(hold);
  fb::HoldOverriddenT past;
  past.task = raw(id);
  must(past);
  refuses(Outcome::not_yet, job_claimed(job_of(id), worker), worker);
}

}  // namespace
}  // namespace pawl
