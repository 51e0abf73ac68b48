#include "engine/policies/ahead.h"

#include <algorithm>

namespace pawl {

std::vector<StepAhead> irreversible_ahead(const State& state, const Task& task) {
  std::vector<StepAhead> ahead;
  const auto state_of = [&](const Stage& stage, const PipelineStep& step) {
    for (const StepRow& row : task.steps) {
      if (row.version == task.version && row.to == stage.to && row.step == step.name) return row.state;
    }
    return StepState::did_not_happen;
  };
  // A valid definition has no forward cycle; the bound guards against one that does.
  const Pipeline& pipeline = state.pipeline_of(task);
  const Stage* stage = pipeline.stage(task.stage);
  for (std::size_t i = 0; stage && i < pipeline.stages.size(); ++i) {
    for (const PipelineStep& step : stage->steps) {
      const bool is_here = stage->name == task.stage;
      const StepState found = is_here ? state_of(*stage, step) : StepState::did_not_happen;
      if (!step.irreversible || found == StepState::done) continue;
      ahead.push_back({.stage = stage->name, .step = step.name, .is_open = found == StepState::started});
    }
    stage = pipeline.stage(stage->to);
  }
  return ahead;
}

std::string in_words(const std::vector<StepAhead>& ahead) {
  std::string out;
  for (const StepAhead& step : ahead) {
    if (!out.empty()) out += ", ";
    out += step.step + (step.is_open ? " (begun)" : "") + " on " + step.stage;
  }
  return out.empty() ? "nothing irreversible" : out;
}

std::string ahead_line(const State& state, const Task& task) {
  std::string out =
      "task " + std::to_string(raw(task.id)) + " '" + task.work_item + "' of " + task.repo + " on " + task.stage;
  if (is_committed(task)) out += ", committed to " + std::string(committed_to(task));
  return out + ": " + in_words(irreversible_ahead(state, task));
}

}  // namespace pawl
