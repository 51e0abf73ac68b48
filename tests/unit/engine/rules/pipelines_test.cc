// Definitions of pipelines: every refusal in the order of SPEC §4.
#include "engine/state/holds.h"
#include "tests/unit/engine/rules.h"

namespace pawl {
namespace {

using PipelineDefined = Rules;

TEST_F(PipelineDefined, bad_pipeline) {
  Pipeline pipeline = default_pipeline();
  pipeline.stages[2].rollback = "qa";
  const Decided& decided = refuses(Outcome::bad_pipeline, pipeline_event(pipeline));
  EXPECT_EQ(decided.applied[0].detail, "stage 3 'review' rolls back to 'qa', which is not a stage");
}

TEST_F(PipelineDefined, bad_pipeline_by_the_settings_in_force) {
  set("reaper.max_running_s", std::int64_t{10'000});
  Pipeline pipeline = default_pipeline();
  pipeline.agents[1].timeout_s = 9'000;
  must(pipeline_event(pipeline));
  pipeline.agents[1].timeout_s = 9'400;
  refuses(Outcome::bad_pipeline, pipeline_event(pipeline));
}

TEST_F(PipelineDefined, accepted_is_in_force_under_its_name) {
  const PipelineRow* before = state.pipeline_in_force("delivery");
  Pipeline pipeline = default_pipeline();
  pipeline.name = "express";
  must(pipeline_event(pipeline));
  EXPECT_EQ(state.pipeline_in_force("delivery"), before);
  EXPECT_EQ(state.pipeline_in_force("express")->seq, state.last_seq);
  fb::TaskCreatedT event = task_created("W");
  event.pipeline = "express";
  must(event);
}

Pipeline with_calendar(const std::string& from = "22:00") {
  Pipeline pipeline = default_pipeline();
  pipeline.calendar = Calendar{.zone = "Europe/Berlin", .closed = {{.from = from, .until = "06:00"}}};
  return pipeline;
}

fb::FreezePlannedT nothing_planned_until(TimeUs end) {
  fb::FreezePlannedT planned;
  planned.pipeline = "delivery";
  planned.windows.push_back(std::make_unique<fb::FreezeWindowT>());
  planned.windows.back()->from = end.us - us_per_s;
  planned.windows.back()->until = end.us;
  planned.planned_until = end.us;
  return planned;
}

TEST_F(PipelineDefined, bad_pipeline_by_its_calendar) {
  const Decided& decided = refuses(Outcome::bad_pipeline, pipeline_event(with_calendar("22")));
  EXPECT_EQ(decided.applied[0].detail,
            "the calendar has the span '22 to 06:00', which has '22' as `from`; write a time of the week such as 'fri "
            "16:00', or of each day such as '22:00'");
}

TEST_F(PipelineDefined, calendar_that_is_not_planned_yet_freezes) {
  const TaskId id = create();
  must(pipeline_event(with_calendar()));
  const Decided& refused = refuses(Outcome::held, job_claimed(job_of(id), worker), worker);
  EXPECT_EQ(refused.applied[refused.deciding].detail,
            "pipeline:delivery is frozen: the daemon has not planned its calendar this far yet");
  must(nothing_planned_until(plus_s(now, 3600)));
  EXPECT_FALSE(held_by(state, task(id), now));
  must(pipeline_event(with_calendar()));
  EXPECT_FALSE(held_by(state, task(id), now)) << "the same calendar is planned already";
  must(pipeline_event(with_calendar("23:00")));
  EXPECT_TRUE(held_by(state, task(id), now)) << "another one is not";
  EXPECT_TRUE(must(pipeline_event(default_pipeline())).applied[0].frees.all);
  EXPECT_FALSE(held_by(state, task(id), now)) << "without a calendar nothing is frozen";
  EXPECT_EQ(state.freezes.size(), 0U);
  claim(id);
}

TEST_F(PipelineDefined, plan_that_has_run_out_freezes) {
  const TaskId id = create();
  must(pipeline_event(with_calendar()));
  must(nothing_planned_until(plus_s(now, 3600)));
  pass_s(3598);
  EXPECT_FALSE(held_by(state, task(id), now));
  pass_s(2);
  const auto held = held_by(state, task(id), now);
  ASSERT_TRUE(held);
  EXPECT_FALSE(held->until);
  EXPECT_TRUE(held->is_freeze);
}

}  // namespace
}  // namespace pawl
