// Which records concern a task: those about it, about its jobs and its lease.
#pragma once

#include <map>
#include <optional>

#include "engine/state/effects.h"
#include "engine/state/state.h"
#include "record_generated.h"
#include "schema/ids.h"

namespace pawl {

/// Must get every record of the log in order, from the first on, or from where a checkpoint's state was added.
class TaskTraces {
 public:
  void add(const State& state);
  void add(const fb::Record& record, const Effects& effects);
  /// Requires: the record was added.
  bool concerns(TaskId task, const fb::Record& record, const Effects& effects) const;

 private:
  void add_restored(const Effects& effects);
  /// The task that a record is about: the task itself, its lease, or one of its jobs.
  std::optional<TaskId> task_of_record(const fb::Record& record, const Effects& effects) const;

  std::map<JobId, TaskId> task_of_job_;
};

}  // namespace pawl
