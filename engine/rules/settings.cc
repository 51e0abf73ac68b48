// Settings, checked individually and against the time budgets of the pipelines in use (SPEC §3).
#include <variant>
#include <vector>

#include "engine/rules/rules.h"

namespace pawl {
namespace {

/// The definitions still in use: those in force, and those that live tasks started with.
std::vector<Seq> pipelines_in_use(const State& state) {
  std::vector<Seq> in_use;
  for (const auto& [seq, row] : state.pipelines.rows()) {
    if (row.in_force || state.indexes.tasks_of_pipeline.contains(seq)) in_use.push_back(seq);
  }
  return in_use;
}

bool is_beyond_rules_1(const SettingKey& setting, const SettingValue& value) {
  const auto* number = std::get_if<std::int64_t>(&value);
  return number && setting.max_in_rules_1 && *number > *setting.max_in_rules_1;
}

}  // namespace

Outcome apply_event(RuleContext& context, const fb::SettingChanged& event) {
  State& state = context.state;
  const std::string key = event.key()->str();
  const SettingKey* setting = setting_named(key);
  if (!setting || setting->rules > context.rules) {
    context.applied.detail = no_setting_named(key);
    return Outcome::unknown_setting;
  }
  const SettingValue value = setting_value_from(*event.value());
  Settings changed = state.settings();
  const bool is_out_of_range = context.rules == 1 && is_beyond_rules_1(*setting, value);
  if (is_out_of_range || !setting->set(changed, value)) {
    context.applied.detail = key + " takes " + setting->form;
    return Outcome::bad_value;
  }
  if (key == "pipeline.default" && !state.pipeline_in_force(changed.pipeline.fallback)) {
    context.applied.detail =
        "there is no pipeline '" + changed.pipeline.fallback + "'; `pawl pipelines` lists them all";
    return Outcome::bad_value;
  }
  if (context.is_last_setting == IsLastSetting::yes) {
    for (const Seq seq : pipelines_in_use(state)) {
      const Pipeline& pipeline = *state.pipelines.find(seq)->definition;
      if (auto problem = budget_problem_of(pipeline, changed, context.rules)) {
        context.applied.detail = "pipeline '" + pipeline.name + "': " + problem->what;
        return Outcome::bad_value;
      }
    }
  }

  if (state.settings_changed.find(key)) {
    state.settings_changed.edit(key).value = value;
  } else {
    state.settings_changed.insert(key, {.key = key, .value = value});
  }
  return Outcome::accepted;
}

}  // namespace pawl
