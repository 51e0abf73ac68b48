// The journal of steps: durable before a command starts, and after it ended. SPEC §8.
#include <algorithm>

#include "engine/rules/rules.h"

namespace pawl {
namespace {

/// The latest start of a step of one crossing; null if it was never started.
const StepRow* step_at(const Task& task, Version version, std::string_view to, std::string_view step) {
  for (const StepRow& row : task.steps) {
    if (row.version == version && row.to == to && row.step == step) return &row;
  }
  return nullptr;
}

/// The step that was started by that record; null if none was, or if it was started anew since.
const StepRow* step_started_by(const Task& task, Version version, std::string_view step, Seq started) {
  for (const StepRow& row : task.steps) {
    if (row.version == version && row.step == step && row.started == started) return &row;
  }
  return nullptr;
}

}  // namespace

Outcome apply_event(Turn& turn, const fb::StepStarted& event) {
  State& state = turn.state;
  const TaskId id{event.task()};
  const Task* task = live_task(state, id);
  if (!task) return Outcome::terminal;
  const bool checked = is_checked(turn, task->repo);
  const Version version{event.version()};
  if (checked && version != task->version) return Outcome::version_conflict;
  const std::string to = event.to()->str();
  const std::string name = event.step()->str();
  const PipelineStep* step = state.pipeline_of(*task).step(to, name);
  if (!step) return Outcome::no_such_step;
  if (!task->blocked.empty()) return Outcome::blocked;
  if (!task->cancel_requested.empty() && !is_committed(*task)) return Outcome::cancel_requested;
  if (is_held_back(turn, *task)) return Outcome::dependency;
  if (checked) {
    if (!event.token() || (step->exclusive && !event.repo_token())) return Outcome::lease_required;
    Outcome token = token_outcome(turn, task_key(id), token_from(event.token()), LeaseNeed::required);
    if (token == Outcome::accepted && step->exclusive) {
      token = token_outcome(turn, repo_key(task->repo), token_from(event.repo_token()), LeaseNeed::required);
    }
    if (token != Outcome::accepted) return token;
  }
  const StepRow* earlier = step_at(*task, version, to, name);
  if (earlier && earlier->state == StepState::done) return Outcome::already_done;
  if (open_step(*task)) return Outcome::outcome_unknown;

  StepRow row{.version = version,
              .to = to,
              .step = name,
              .started = turn.seq,
              .run = text_or_empty(event.run()),
              .irreversible = step->irreversible,
              .state = StepState::started,
              .boot = turn.boot};
  std::vector<StepRow>& steps = state.tasks.edit(id).steps;
  if (earlier) {
    const auto is_place = [&](const StepRow& at) { return at.version == version && at.to == to && at.step == name; };
    *std::find_if(steps.begin(), steps.end(), is_place) = std::move(row);
  } else {
    steps.push_back(std::move(row));
  }
  return Outcome::accepted;
}

Outcome apply_event(Turn& turn, const fb::StepFinished& event) {
  State& state = turn.state;
  const TaskId id{event.task()};
  const Task* task = live_task(state, id);
  const Seq started{event.started()};
  const StepRow* step =
      task ? step_started_by(*task, Version{event.version()}, event.step()->string_view(), started) : nullptr;
  if (!step) return Outcome::not_started;
  if (step->state == StepState::done) return Outcome::already_done;
  if (step->state != StepState::started) return Outcome::not_started;

  for (StepRow& row : state.tasks.edit(id).steps) {
    if (row.started != started) continue;
    switch (event.outcome()) {
      case fb::StepOutcome::done:
        row.state = StepState::done;
        break;
      case fb::StepOutcome::failed:
        row.state = StepState::failed;
        break;
      case fb::StepOutcome::did_not_happen:
        row.state = StepState::did_not_happen;
        break;
    }
  }
  return Outcome::accepted;
}

}  // namespace pawl
