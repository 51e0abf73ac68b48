#include "tools/forensics/traces.h"

#include <optional>

#include "schema/layout.h"

namespace pawl {
namespace {

/// A field of the record's event that is an id of that name; none if it has no such field.
std::optional<std::uint64_t> id_field(const fb::Record& record, std::string_view name) {
  const TableLayout* layout = layout_of(record.event_type());
  const auto& event = *static_cast<const flatbuffers::Table*>(record.event());
  for (const FieldLayout& field : layout->fields) {
    if (field.name != name || field.type != FieldLayout::Type::integer || !has(event, field)) continue;
    return static_cast<std::uint64_t>(integer_of(event, field));
  }
  return std::nullopt;
}

std::string_view key_in(const fb::Record& record) {
  if (const auto* acquired = record.event_as_LeaseAcquired()) return acquired->key()->string_view();
  if (const auto* released = record.event_as_LeaseReleased()) return released->key()->string_view();
  if (const auto* reclaimed = record.event_as_LeaseReclaimed()) return reclaimed->key()->string_view();
  return {};
}

/// The task that a record is about, by its fields or by the one that it created; none if it is about none.
std::optional<TaskId> task_of(const fb::Record& record, const Effects& effects) {
  if (const auto task = id_field(record, "task")) return TaskId{*task};
  for (const Effect& effect : effects) {
    if (effect.kind == EffectKind::task) return TaskId{effect.id};
  }
  return std::nullopt;
}

}  // namespace

void TaskTraces::add(const State& state) {
  for (const auto& [id, job] : state.jobs.rows()) task_of_job_.emplace(id, job.task);
}

void TaskTraces::add(const fb::Record& record, const Effects& effects) {
  auto task = task_of(record, effects);
  if (!task) {
    const auto job = id_field(record, "job");
    const auto known = job ? task_of_job_.find(JobId{*job}) : task_of_job_.end();
    if (known != task_of_job_.end()) task = known->second;
  }
  if (!task) return;
  for (const Effect& effect : effects) {
    if (effect.kind == EffectKind::job_queued) task_of_job_.emplace(JobId{effect.id}, *task);
  }
}

bool TaskTraces::concerns(TaskId task, const fb::Record& record, const Effects& effects) const {
  if (task_of(record, effects) == task || key_in(record) == task_key(task)) return true;
  const auto job = id_field(record, "job");
  const auto known = job ? task_of_job_.find(JobId{*job}) : task_of_job_.end();
  return known != task_of_job_.end() && known->second == task;
}

}  // namespace pawl
