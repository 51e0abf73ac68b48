// Holds and freezes: where nothing new starts (SPEC §4).
#include "engine/state/holds.h"

#include <algorithm>

#include "engine/rules/rules.h"
#include "schema/limits.h"
#include "schema/nearest.h"

namespace pawl {
namespace {

/// "'revieww' is not a stage of a pipeline in force; did you mean 'review'?"
std::string no_such(const std::string& name, std::string_view what, const std::vector<std::string_view>& names) {
  const auto meant = nearest_of(name, names);
  return "'" + name + "' is not " + std::string(what) +
         (meant ? "; did you mean '" + std::string(*meant) + "'?" : std::string());
}

/// The names of the stages, or of the agents, of all pipelines in force and of those that a live task follows.
template <class Each>
std::vector<std::string_view> names_of(const State& state, Each each) {
  std::vector<std::string_view> names;
  for (const auto& [seq, row] : state.pipelines.rows()) {
    if (row.in_force || state.indexes.live_of_pipeline.contains(seq)) each(*row.definition, names);
  }
  return names;
}

/// What is wrong with a place; empty if it is one that exists.
std::string fault_of(const State& state, const std::string& text) {
  const auto place = place_from(text);
  if (!place) {
    return "'" + text + "' is none of pipeline:NAME, repo:NAME, stage:NAME, agent:NAME and task:ID";
  }
  const auto missing = [&](std::string_view what, const std::vector<std::string_view>& names) {
    const bool is_there = std::find(names.begin(), names.end(), place->name) != names.end();
    return is_there ? std::string() : no_such(place->name, what, names);
  };
  switch (place->kind) {
    case HoldPlace::Kind::pipeline:
      return missing("a pipeline",
                     names_of(state, [](const Pipeline& pipeline, auto& names) { names.emplace_back(pipeline.name); }));
    case HoldPlace::Kind::stage:
      return missing("a stage of any pipeline", names_of(state, [](const Pipeline& pipeline, auto& names) {
                       for (const Stage& stage : pipeline.stages) names.emplace_back(stage.name);
                     }));
    case HoldPlace::Kind::agent:
      return missing("an agent of any pipeline", names_of(state, [](const Pipeline& pipeline, auto& names) {
                       for (const Agent& agent : pipeline.agents) names.emplace_back(agent.name);
                     }));
    case HoldPlace::Kind::repo: {
      // While no repository is declared, any name will do; then one that no task has is a mistake.
      const bool is_named = state.is_known_repo(place->name) || state.indexes.tasks_in_repo.contains(place->name);
      return is_named ? std::string() : no_repo_named(state, place->name);
    }
    case HoldPlace::Kind::task:
      return {};
  }
  return {};
}

}  // namespace

Outcome apply_event(RuleContext& context, const fb::HoldPlaced& event) {
  State& state = context.state;
  const std::string place = event.place()->str();
  if (std::string fault = fault_of(state, place); !fault.empty()) {
    context.applied.detail = std::move(fault);
    return Outcome::unknown_place;
  }
  if (const auto task = task_of_key(place); task && !live_task(state, *task)) return Outcome::terminal;
  const auto until = event.until();
  if (until && *until <= context.now.us) return Outcome::bad_time;
  const bool is_known = state.holds.find(place) != nullptr;
  if (!is_known && state.holds.size() >= limits::holds_max) {
    context.applied.detail =
        std::to_string(limits::holds_max) + " places are held, which is the limit; lift a hold first";
    return Outcome::limit;
  }

  HoldRow& row = is_known ? state.holds.edit(place) : state.holds.insert(place, {.place = place});
  row.seq = context.seq;
  row.since = context.now;
  row.until = until ? std::optional(TimeUs{*until}) : std::nullopt;
  row.reason = text_or_empty(event.reason());
  row.boot = std::string(context.boot);
  row.actor = std::string(context.actor);
  row.principal = principal_if_any(context);
  return Outcome::accepted;
}

Outcome apply_event(RuleContext& context, const fb::HoldLifted& event) {
  const std::string place = event.place()->str();
  const HoldRow* row = context.state.holds.find(place);
  if (!row) return Outcome::no_hold;

  context.state.holds.erase(place);
  return Outcome::accepted;
}

Outcome apply_event(RuleContext& context, const fb::HoldOverridden& event) {
  State& state = context.state;
  const Task* task = live_task(state, TaskId{event.task()});
  if (!task) return Outcome::terminal;
  const auto version = event.version();
  if (version && *version != raw(task->version)) return version_conflict(context, task, *version);
  if (!held_by(state, *task, context.now, state.stage_of(*task)->agent)) return Outcome::no_hold;

  state.tasks.edit(task->id).let_through = task->version;
  return Outcome::accepted;
}

Outcome apply_event(RuleContext& context, const fb::FreezePlanned& event) {
  if (!is_daemon(context)) return Outcome::not_daemon;
  State& state = context.state;
  const std::string pipeline = event.pipeline()->str();
  if (!state.pipeline_in_force(pipeline)) {
    context.applied.detail = no_pipeline_named(state, pipeline);
    return Outcome::unknown_pipeline;
  }
  if (event.windows()->size() > limits::freeze_windows_max) return Outcome::limit;
  std::vector<FreezeWindow> windows;
  for (const fb::FreezeWindow* window : *event.windows()) {
    const bool is_in_order = windows.empty() || windows.back().from.us <= window->from();
    if (window->until() <= window->from() || !is_in_order) return Outcome::bad_time;
    FreezeWindow& planned = windows.emplace_back(FreezeWindow{
        .from = {window->from()}, .until = {window->until()}, .reason = text_or_empty(window->reason()), .stages = {}});
    for (const flatbuffers::String* stage : *window->stages()) planned.stages.push_back(stage->str());
  }

  if (windows.empty()) {
    if (state.freezes.find(pipeline)) state.freezes.erase(pipeline);
    return Outcome::accepted;
  }
  FreezeRow& row = state.freezes.find(pipeline) ? state.freezes.edit(pipeline)
                                                : state.freezes.insert(pipeline, {.pipeline = pipeline});
  row.seq = context.seq;
  row.windows = std::move(windows);
  row.planned_until = TimeUs{event.planned_until()};
  return Outcome::accepted;
}

}  // namespace pawl
