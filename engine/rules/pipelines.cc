// Pipeline definitions.
#include <memory>

#include "engine/rules/rules.h"

namespace pawl {

Outcome apply_event(RuleContext& context, const fb::PipelineDefined& event) {
  State& state = context.state;
  Pipeline pipeline = pipeline_from(event);
  if (auto problem = problem_of(pipeline, state.settings(), context.rules)) {
    context.applied.detail = std::move(problem->what);
    return Outcome::bad_pipeline;
  }

  if (const PipelineRow* earlier = state.pipeline_in_force(pipeline.name)) {
    state.pipelines.edit(earlier->seq).in_force = false;
  }
  state.pipelines.insert(context.seq,
                         {.seq = context.seq,
                          .in_force = true,
                          .definition = std::make_shared<const Pipeline>(std::move(pipeline)),
                          .given = event.given().has_value() ? std::optional<bool>(*event.given()) : std::nullopt});
  return Outcome::accepted;
}

}  // namespace pawl
