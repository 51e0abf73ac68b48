// Holds and freezes: what they stop, what they do not, and when they are over.
#include "engine/state/holds.h"

#include "engine/rules/claim.h"
#include "schema/limits.h"
#include "tests/unit/engine/rules.h"

namespace pawl {
namespace {

fb::HoldPlacedT hold_placed(const std::string& place, std::optional<TimeUs> until = std::nullopt,
                            const std::string& reason = "holidays") {
  fb::HoldPlacedT event;
  event.place = place;
  if (until) event.until = until->us;
  event.reason = reason;
  return event;
}

fb::HoldLiftedT hold_lifted(const std::string& place) {
  fb::HoldLiftedT event;
  event.place = place;
  return event;
}

fb::HoldOverriddenT hold_overridden(TaskId task, std::optional<std::uint64_t> version = std::nullopt) {
  fb::HoldOverriddenT event;
  event.task = raw(task);
  if (version) event.version = *version;
  event.reason = "it mends the outage";
  return event;
}

struct Window {
  TimeUs from;
  TimeUs until;
  std::vector<std::string> stages = {};
};

fb::FreezePlannedT freeze_planned(const std::vector<Window>& windows, const std::string& pipeline = "delivery") {
  fb::FreezePlannedT event;
  event.pipeline = pipeline;
  for (const Window& window : windows) {
    auto planned = std::make_unique<fb::FreezeWindowT>();
    planned->from = window.from.us;
    planned->until = window.until.us;
    planned->reason = "weekend";
    planned->stages = window.stages;
    event.windows.push_back(std::move(planned));
  }
  event.planned_until = plus_s(windows.empty() ? TimeUs{1} : windows.back().until, 3600).us;
  return event;
}

using HoldPlaced = Rules;

TEST_F(HoldPlaced, unknown_task) {
  for (const char* place : {"task:99", "task:", "task:x"}) refuses(Outcome::unknown_task, hold_placed(place));
}

TEST_F(HoldPlaced, unknown_place) {
  create();
  for (const char* place : {"pipeline:dlivery", "stage:nope", "agent:nope", "shop", "pipeline:", ":", "repo:"}) {
    refuses(Outcome::unknown_place, hold_placed(place));
  }
  const Decided& decided = ask(hold_placed("pipeline:dlivery"));
  EXPECT_EQ(decided.applied[decided.deciding].detail, "'dlivery' is not a pipeline; did you mean 'delivery'?");
  fb::RepoDeclaredT declared;
  declared.repo = "tool";
  must(declared);
  refuses(Outcome::unknown_place, hold_placed("repo:shp"));
  must(hold_placed("repo:tool"));
  must(hold_placed("repo:shop"));  // not declared, but a task is on it
}

TEST_F(HoldPlaced, terminal) {
  refuses(Outcome::terminal, hold_placed(task_key(create_done())));
}

TEST_F(HoldPlaced, bad_time) {
  refuses(Outcome::bad_time, hold_placed("pipeline:delivery", now));
  must(hold_placed("pipeline:delivery", TimeUs{now.us + 1}));
}

TEST_F(HoldPlaced, limit) {
  for (std::size_t i = 0; i < limits::holds_max; ++i) must(hold_placed("repo:r" + std::to_string(i)));
  refuses(Outcome::limit, hold_placed("repo:one-more"));
  must(hold_placed("repo:r0", {}, "again"));
  EXPECT_EQ(state.holds.find("repo:r0")->reason, "again");
}

TEST_F(HoldPlaced, every_place_of_a_task_keeps_its_job_from_being_claimed) {
  const TaskId id = create();
  const JobId queued = job_of(id);
  for (const std::string& place : {std::string("pipeline:delivery"), std::string("repo:shop"),
                                   std::string("stage:analysis"), std::string("agent:analyst"), task_key(id)}) {
    must(hold_placed(place));
    const Decided& refused = refuses(Outcome::held, job_claimed(queued, worker), worker);
    EXPECT_EQ(refused.applied[refused.deciding].detail, place + " is held by monitor: holidays");
    const std::vector<std::string> agents{"analyst"};
    EXPECT_EQ(raw(first_claimable(state, agents, {}, now, [](JobId) { return ClaimableJobs::Look::take; })), 0U);
    must(hold_lifted(place));
  }
  claim(id);
}

TEST_F(HoldPlaced, place_of_another_task_stops_nothing) {
  const TaskId id = create();
  const TaskId other = create("development", "tool");
  for (const std::string& place :
       {std::string("repo:tool"), std::string("stage:development"), std::string("agent:developer"), task_key(other)}) {
    must(hold_placed(place));
  }
  claim(id);
}

TEST_F(HoldPlaced, no_lease_step_or_move_forward_begins) {
  const TaskId id = create("deploy-staging");
  const Token token = lease(id);
  must(hold_placed("repo:shop"));
  refuses(Outcome::held, step_started(id, version(id), "deploy", "retest", token));
  release(task_key(id), token);
  refuses(Outcome::held, lease_acquired(task_key(id)));
  const TaskId open = create("analysis");
  refuses(Outcome::held, transition(open, "development", version(open)));
  must(lease_acquired("repo:shop"));  // a crossing that is committed needs it, and others may not be tasks
}

TEST_F(HoldPlaced, lease_that_is_held_is_renewed) {
  const TaskId id = create("deploy-staging");
  const Token token = lease(id);
  must(hold_placed(task_key(id)));
  must(lease_acquired(task_key(id), {}, token));
}

TEST_F(HoldPlaced, crossing_that_is_committed_is_finished) {
  const Crossing crossing = create_committed();
  must(hold_placed("pipeline:delivery"));
  finish_step(crossing.task, "merge", crossing.started);
  release(task_key(crossing.task), crossing.token);
  const Token again = lease(crossing.task);
  move(crossing.task, "deploy", again);
  refuses(Outcome::held, step_started(crossing.task, version(crossing.task), "done", "deploy", again));
}

TEST_F(HoldPlaced, rollbacks_and_cancels_go_on) {
  const TaskId id = create("review");
  must(hold_placed("stage:review"));
  move(id, "development");
  must(hold_placed("pipeline:delivery"));
  request_cancel(id);
  EXPECT_FALSE(state.tasks.find(id) && !is_terminal(task(id).stage));
}

TEST_F(HoldPlaced, agent_that_runs_goes_on_and_is_heard) {
  const TaskId id = create();
  const JobId running = claim(id);
  must(hold_placed("pipeline:delivery"));
  must(run_exited(running, 1), worker);
  must(job_finished(running, 1, fb::JobResult::done), worker);
  refuses(Outcome::held, transition(id, "development", version(id)));
  must(hold_lifted("pipeline:delivery"));
  move(id, "development");
}

TEST_F(HoldPlaced, is_over_at_its_time_without_a_record) {
  const TaskId id = create();
  must(hold_placed("pipeline:delivery", plus_s(now, 60)));
  EXPECT_EQ(next_pause_end(state, std::vector<std::string>{"analyst"}, now), plus_s(now, 60));
  pass_s(59);
  refuses(Outcome::held, job_claimed(job_of(id), worker), worker);
  pass_s(1);
  EXPECT_FALSE(held_by(state, task(id), now));
  claim(id);
}

TEST_F(HoldPlaced, of_a_task_ends_with_it) {
  const TaskId id = create();
  fb::HoldPlacedT hold;
  hold.place = task_key(id);
  must(hold);
  fb::TaskCancelledT cancelled;
  cancelled.task = raw(id);
  must(cancelled);
  EXPECT_FALSE(state.holds.find(task_key(id)));
}

TEST_F(HoldPlaced, longest_of_several_is_told) {
  const TaskId id = create();
  must(hold_placed("repo:shop", plus_s(now, 60)));
  must(hold_placed("stage:analysis", plus_s(now, 90)));
  EXPECT_EQ(held_by(state, task(id), now)->place, "stage:analysis");
  must(hold_placed("pipeline:delivery"));
  EXPECT_EQ(held_by(state, task(id), now)->place, "pipeline:delivery");
}

TEST_F(HoldPlaced, who_placed_it_is_on_record) {
  must(hold_placed("pipeline:delivery"), {.boot = "daemon-1", .actor = "operator", .principal = "token:anna"});
  const HoldRow& row = *state.holds.find("pipeline:delivery");
  EXPECT_EQ(row.principal, "token:anna");
  EXPECT_EQ(row.actor, "operator");
  EXPECT_EQ(row.since, now);
}

using HoldLifted = Rules;

TEST_F(HoldLifted, unknown_task) {
  refuses(Outcome::unknown_task, hold_lifted("task:99"));
}

TEST_F(HoldLifted, no_hold) {
  refuses(Outcome::no_hold, hold_lifted("pipeline:delivery"));
  must(hold_placed("pipeline:delivery"));
  must(hold_lifted("pipeline:delivery"));
  refuses(Outcome::no_hold, hold_lifted("pipeline:delivery"));
}

TEST_F(HoldLifted, wakes_those_who_wait_for_a_job) {
  create();
  must(hold_placed("pipeline:delivery"));
  EXPECT_TRUE(must(hold_lifted("pipeline:delivery")).applied[0].frees.all);
}

using HoldOverridden = Rules;

TEST_F(HoldOverridden, unknown_task) {
  refuses(Outcome::unknown_task, hold_overridden(TaskId{99}));
}

TEST_F(HoldOverridden, terminal) {
  refuses(Outcome::terminal, hold_overridden(create_done()));
}

TEST_F(HoldOverridden, version_conflict) {
  const TaskId id = create();
  must(hold_placed("pipeline:delivery"));
  refuses(Outcome::version_conflict, hold_overridden(id, 2));
}

TEST_F(HoldOverridden, no_hold) {
  const TaskId id = create();
  refuses(Outcome::no_hold, hold_overridden(id));
  must(hold_placed("agent:analyst"));
  must(hold_overridden(id));
}

TEST_F(HoldOverridden, lets_one_task_past_for_one_version) {
  const TaskId id = create();
  const TaskId other = create();
  must(hold_placed("pipeline:delivery"));
  EXPECT_TRUE(must(hold_overridden(id)).applied[0].frees.all);
  refuses(Outcome::held, job_claimed(job_of(other), worker), worker);
  const JobId running = claim(id);
  must(job_finished(running, 1, fb::JobResult::done), worker);
  move(id, "development");
  refuses(Outcome::held, job_claimed(job_of(id), worker), worker);
}

using FreezePlanned = Rules;

TEST_F(FreezePlanned, not_daemon) {
  refuses(Outcome::not_daemon, freeze_planned({}), worker);
  refuses(Outcome::not_daemon, freeze_planned({}),
          {.boot = "daemon-1", .actor = "operator", .principal = "token:anna"});
}

TEST_F(FreezePlanned, unknown_pipeline) {
  refuses(Outcome::unknown_pipeline, freeze_planned({}, "nope"));
}

TEST_F(FreezePlanned, bad_time) {
  refuses(Outcome::bad_time, freeze_planned({{now, now}}));
  refuses(Outcome::bad_time, freeze_planned({{plus_s(now, 9), plus_s(now, 10)}, {plus_s(now, 1), plus_s(now, 2)}}));
}

TEST_F(FreezePlanned, limit) {
  std::vector<Window> many;
  for (std::size_t i = 0; i <= limits::freeze_windows_max; ++i) many.push_back({now, plus_s(now, 1)});
  refuses(Outcome::limit, freeze_planned(many));
}

TEST_F(FreezePlanned, holds_its_pipeline_from_its_first_instant_to_its_last) {
  const TaskId id = create();
  must(freeze_planned({{plus_s(now, 10), plus_s(now, 20)}, {plus_s(now, 40), plus_s(now, 50)}}));
  const auto is_held = [&] { return held_by(state, task(id), now).has_value(); };
  EXPECT_FALSE(is_held());
  pass_s(10);
  EXPECT_TRUE(is_held());
  refuses(Outcome::held, job_claimed(job_of(id), worker), worker);
  EXPECT_EQ(in_words(*held_by(state, task(id), now)),
            "pipeline:delivery is frozen until 2026-01-01T00:00:20.000000Z: weekend");
  pass_s(10);
  EXPECT_FALSE(is_held());
  pass_s(20);
  EXPECT_TRUE(is_held());
  must(hold_overridden(id));
  claim(id);
}

TEST_F(FreezePlanned, begins_for_a_look_at_the_queue_when_it_begins_for_its_record) {
  create();
  must(freeze_planned({{plus_s(now, 10), plus_s(now, 20)}}));
  pass_s(15);
  must(freeze_planned({{plus_s(now, -5), plus_s(now, 5)}}));
  const std::vector<std::string> agents{"analyst"};
  const auto take = [](JobId) { return ClaimableJobs::Look::take; };
  EXPECT_EQ(raw(first_claimable(state, agents, {}, plus_s(now, -10), take)), 0U)
      << "the clock is behind the log: a claim would be decided at the log's time";
}

TEST_F(FreezePlanned, may_be_of_some_stages) {
  const TaskId id = create();
  const TaskId other = create("review");
  must(freeze_planned({{now, plus_s(now, 20), {"review"}}}));
  EXPECT_FALSE(held_by(state, task(id), now));
  EXPECT_TRUE(held_by(state, task(other), now));
}

TEST_F(FreezePlanned, replaces_what_was_planned) {
  const TaskId id = create();
  must(freeze_planned({{now, plus_s(now, 20)}}));
  must(freeze_planned({{plus_s(now, 5), plus_s(now, 20)}}));
  EXPECT_FALSE(held_by(state, task(id), now));
  must(freeze_planned({}));
  EXPECT_EQ(state.freezes.size(), 0U);
  EXPECT_FALSE(next_hold_end(state, now));
}

}  // namespace
}  // namespace pawl
