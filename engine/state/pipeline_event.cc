// Converts a pipeline from and to its event.
#include <memory>
#include <utility>

#include "engine/state/pipeline.h"

namespace pawl {
namespace {

std::string text_from(const flatbuffers::String* text) {
  return text ? text->str() : std::string();
}

CommandLine command_from(const fb::Command* command) {
  CommandLine run;
  if (!command) return run;
  for (const flatbuffers::String* word : *command->run()) run.push_back(word->str());
  return run;
}

std::unique_ptr<fb::CommandT> command_event(const CommandLine& run) {
  if (run.empty()) return nullptr;
  auto command = std::make_unique<fb::CommandT>();
  command->run = run;
  return command;
}

Variables env_from(const flatbuffers::Vector<flatbuffers::Offset<fb::Variable>>* events) {
  Variables env;
  if (!events) return env;
  const auto text = [](const flatbuffers::String* from) {
    return from ? std::optional<std::string>(from->str()) : std::nullopt;
  };
  for (const fb::Variable* event : *events) {
    Variable& variable = env.emplace_back(Variable{event->name()->str()});
    variable.value = text(event->value());
    variable.file = text(event->file());
    variable.from_daemon = text(event->from_daemon());
    // An empty text is packed as absent.
    if (!variable.value && !variable.file && !variable.from_daemon) variable.value = "";
  }
  return env;
}

PipelineStep step_from(const fb::Step& event) {
  PipelineStep step;
  step.name = event.name()->str();
  step.run = command_from(event.run());
  step.probe = command_from(event.probe());
  step.timeout_s = event.timeout_s();
  step.irreversible = event.irreversible();
  step.exclusive = event.exclusive();
  step.not_done_exit_codes.assign(event.not_done_exit_codes()->begin(), event.not_done_exit_codes()->end());
  step.settle_s = event.settle_s();
  step.env = env_from(event.env());
  step.output_max_bytes = event.output_max_bytes();
  return step;
}

std::vector<std::unique_ptr<fb::VariableT>> env_event(const Variables& env) {
  std::vector<std::unique_ptr<fb::VariableT>> events;
  for (const Variable& variable : env) {
    auto event = std::make_unique<fb::VariableT>();
    event->name = variable.name;
    event->value = variable.value.value_or("");
    event->file = variable.file.value_or("");
    event->from_daemon = variable.from_daemon.value_or("");
    events.push_back(std::move(event));
  }
  return events;
}

std::unique_ptr<fb::StepT> step_event(const PipelineStep& step) {
  auto event = std::make_unique<fb::StepT>();
  event->name = step.name;
  event->run = command_event(step.run);
  event->probe = command_event(step.probe);
  event->timeout_s = step.timeout_s;
  event->irreversible = step.irreversible;
  event->exclusive = step.exclusive;
  event->not_done_exit_codes = step.not_done_exit_codes;
  event->settle_s = step.settle_s;
  event->env = env_event(step.env);
  event->output_max_bytes = step.output_max_bytes;
  return event;
}

std::optional<Approval> approval_from(const fb::Approval* event) {
  if (!event) return std::nullopt;
  Approval approval{.by = {},
                    .need = event->need(),
                    .not_submitter = event->not_submitter(),
                    .timeout_s = event->timeout_s(),
                    .on_timeout = event->on_timeout()};
  for (const flatbuffers::String* name : *event->by()) approval.by.push_back(name->str());
  return approval;
}

std::unique_ptr<fb::ApprovalT> approval_event(const std::optional<Approval>& approval) {
  if (!approval) return nullptr;
  auto event = std::make_unique<fb::ApprovalT>();
  event->by = approval->by;
  event->need = approval->need;
  event->not_submitter = approval->not_submitter;
  event->timeout_s = approval->timeout_s;
  event->on_timeout = approval->on_timeout;
  return event;
}

Stage stage_from(const fb::Stage& event) {
  Stage stage;
  stage.name = event.name()->str();
  stage.agent = text_from(event.agent());
  if (const fb::Gate* gate = event.gate()) {
    stage.gate = Gate{command_from(gate->run()), gate->timeout_s(), env_from(gate->env()), gate->output_max_bytes(),
                      approval_from(gate->approve())};
  }
  stage.to = event.to()->str();
  for (const fb::Step* step : *event.steps()) stage.steps.push_back(step_from(*step));
  stage.rollback = text_from(event.rollback());
  stage.env = env_from(event.env());
  return stage;
}

std::unique_ptr<fb::StageT> stage_event(const Stage& stage) {
  auto event = std::make_unique<fb::StageT>();
  event->name = stage.name;
  event->agent = stage.agent;
  if (stage.gate) {
    event->gate = std::make_unique<fb::GateT>();
    event->gate->run = command_event(stage.gate->run);
    event->gate->timeout_s = stage.gate->timeout_s;
    event->gate->env = env_event(stage.gate->env);
    event->gate->output_max_bytes = stage.gate->output_max_bytes;
    event->gate->approve = approval_event(stage.gate->approve);
  }
  event->to = stage.to;
  for (const PipelineStep& step : stage.steps) event->steps.push_back(step_event(step));
  event->rollback = stage.rollback;
  event->env = env_event(stage.env);
  return event;
}

std::vector<CalendarSpan> spans_from(const flatbuffers::Vector<flatbuffers::Offset<fb::CalendarSpan>>* events) {
  std::vector<CalendarSpan> spans;
  if (!events) return spans;
  for (const fb::CalendarSpan* event : *events) {
    CalendarSpan& span = spans.emplace_back(CalendarSpan{.days = text_from(event->days()),
                                                         .from = event->from()->str(),
                                                         .until = event->until()->str(),
                                                         .reason = text_from(event->reason())});
    if (!event->stages()) continue;
    for (const flatbuffers::String* stage : *event->stages()) span.stages.push_back(stage->str());
  }
  return spans;
}

std::vector<std::unique_ptr<fb::CalendarSpanT>> spans_event(const std::vector<CalendarSpan>& spans) {
  std::vector<std::unique_ptr<fb::CalendarSpanT>> events;
  for (const CalendarSpan& span : spans) {
    fb::CalendarSpanT& event = *events.emplace_back(std::make_unique<fb::CalendarSpanT>());
    event.days = span.days;
    event.from = span.from;
    event.until = span.until;
    event.reason = span.reason;
    event.stages = span.stages;
  }
  return events;
}

std::unique_ptr<fb::CalendarT> calendar_event(const std::optional<Calendar>& calendar) {
  if (!calendar) return nullptr;
  auto event = std::make_unique<fb::CalendarT>();
  event->zone = calendar->zone;
  event->closed = spans_event(calendar->closed);
  event->open = spans_event(calendar->open);
  event->freezes = spans_event(calendar->freezes);
  return event;
}

}  // namespace

Pipeline pipeline_from(const fb::PipelineDefined& event) {
  Pipeline pipeline;
  pipeline.name = event.name()->str();
  for (const fb::Agent* agent : *event.agents()) {
    pipeline.agents.push_back({agent->name()->str(), command_from(agent->run()), agent->timeout_s(),
                               env_from(agent->env()), agent->output_max_bytes()});
  }
  for (const fb::Stage* stage : *event.stages()) pipeline.stages.push_back(stage_from(*stage));
  if (event.branch()) pipeline.branch = event.branch()->str();
  pipeline.env = env_from(event.env());
  if (const fb::Calendar* calendar = event.calendar()) {
    pipeline.calendar = Calendar{.zone = calendar->zone()->str(),
                                 .closed = spans_from(calendar->closed()),
                                 .open = spans_from(calendar->open()),
                                 .freezes = spans_from(calendar->freezes())};
  }
  return pipeline;
}

fb::PipelineDefinedT pipeline_event(const Pipeline& pipeline) {
  fb::PipelineDefinedT event;
  event.name = pipeline.name;
  for (const Agent& agent : pipeline.agents) {
    auto agent_event = std::make_unique<fb::AgentT>();
    agent_event->name = agent.name;
    agent_event->run = command_event(agent.run);
    agent_event->timeout_s = agent.timeout_s;
    agent_event->env = env_event(agent.env);
    agent_event->output_max_bytes = agent.output_max_bytes;
    event.agents.push_back(std::move(agent_event));
  }
  for (const Stage& stage : pipeline.stages) event.stages.push_back(stage_event(stage));
  event.branch = pipeline.branch.value_or("");
  event.env = env_event(pipeline.env);
  event.calendar = calendar_event(pipeline.calendar);
  return event;
}

}  // namespace pawl
