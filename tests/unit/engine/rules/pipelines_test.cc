// Definitions of pipelines: every refusal in the order of SPEC §4.
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

}  // namespace
}  // namespace pawl
