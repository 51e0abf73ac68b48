#include "tools/forensics/traces.h"

#include <algorithm>

#include "schema/subject.h"

namespace pawl {
namespace {

/// The task that a record is about, by its fields or its lease's key, or that it created; none if there is none.
std::optional<TaskId> task_of(const Subject& subject, const Effects& effects) {
  if (const auto task = task_of(subject)) return task;
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
  if (record.event_type() == fb::Event::LogRestored) return add_restored(effects);
  const auto task = task_of_record(record, effects);
  if (!task) return;
  for (const Effect& effect : effects) {
    if (effect.kind == EffectKind::job_queued) task_of_job_.emplace(JobId{effect.id}, *task);
  }
}

/// Blocks every live task; the jobs that it queues again follow the block.
void TaskTraces::add_restored(const Effects& effects) {
  std::optional<TaskId> task;
  for (const Effect& effect : effects) {
    if (effect.kind == EffectKind::blocked) task = TaskId{effect.id};
    if (effect.kind == EffectKind::job_queued && task) task_of_job_.emplace(JobId{effect.id}, *task);
  }
}

bool TaskTraces::concerns(TaskId task, const fb::Record& record, const Effects& effects) const {
  if (record.event_type() == fb::Event::LogRestored) {
    const auto is_blocked = [&](const Effect& effect) {
      return effect.kind == EffectKind::blocked && TaskId{effect.id} == task;
    };
    return std::any_of(effects.begin(), effects.end(), is_blocked);
  }
  return task_of_record(record, effects) == task;
}

std::optional<TaskId> TaskTraces::task_of_record(const fb::Record& record, const Effects& effects) const {
  const Subject subject = subject_of(record);
  if (const auto task = task_of(subject, effects)) return task;
  const auto known = subject.job ? task_of_job_.find(*subject.job) : task_of_job_.end();
  return known == task_of_job_.end() ? std::nullopt : std::optional(known->second);
}

}  // namespace pawl
