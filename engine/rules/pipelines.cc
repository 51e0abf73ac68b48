// Pipeline definitions.
#include <memory>

#include "engine/rules/rules.h"

namespace pawl {
namespace {

/// What was planned before says nothing about another calendar: nothing starts until the daemon has planned again.
void expect_plan(RuleContext& context, const std::string& name, const std::optional<Calendar>& before,
                 const std::optional<Calendar>& calendar) {
  State& state = context.state;
  if (before == calendar) return;
  const bool is_planned = state.freezes.find(name) != nullptr;
  if (!calendar) {
    if (is_planned) state.freezes.erase(name);
    return;
  }
  FreezeRow& row = is_planned ? state.freezes.edit(name) : state.freezes.insert(name, {.pipeline = name});
  row.seq = context.seq;
  row.windows.clear();
  row.planned_until = context.now;
}

}  // namespace

Outcome apply_event(RuleContext& context, const fb::PipelineDefined& event) {
  State& state = context.state;
  Pipeline pipeline = pipeline_from(event);
  if (auto problem = problem_of(pipeline, state.settings(), context.rules)) {
    context.applied.detail = std::move(problem->what);
    return Outcome::bad_pipeline;
  }

  std::optional<Calendar> calendar_before;
  if (const PipelineRow* earlier = state.pipeline_in_force(pipeline.name)) {
    calendar_before = earlier->definition->calendar;
    state.pipelines.edit(earlier->seq).in_force = false;
  }
  expect_plan(context, pipeline.name, calendar_before, pipeline.calendar);
  state.pipelines.insert(context.seq,
                         {.seq = context.seq,
                          .in_force = true,
                          .definition = std::make_shared<const Pipeline>(std::move(pipeline)),
                          .given = event.given().has_value() ? std::optional<bool>(*event.given()) : std::nullopt});
  return Outcome::accepted;
}

}  // namespace pawl
