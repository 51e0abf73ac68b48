// When tasks are to be tried again although no record will say so.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <utility>

#include "daemon/work/system.h"
#include "schema/ids.h"

namespace pawl {

/// At most one time for each task. Not for several threads at once.
class TaskAlarms {
 public:
  /// Replaces an earlier time of the task.
  void set(TaskId task, Deadline at) {
    cancel(task);
    times_.emplace(task, at);
    order_.emplace(at, task);
  }
  /// Every task is due.
  void ring_all() {
    for (auto& [task, at] : times_) at = Deadline::min();
    order_.clear();
    for (const auto& [task, at] : times_) order_.emplace(at, task);
  }
  /// A task whose time has come, which is then forgotten.
  std::optional<TaskId> take_due(Deadline now) {
    if (order_.empty() || now < order_.begin()->first) return std::nullopt;
    const TaskId task = order_.begin()->second;
    cancel(task);
    return task;
  }
  /// The earliest time; `none` if no task has one.
  Deadline next(Deadline none) const { return order_.empty() ? none : order_.begin()->first; }

 private:
  void cancel(TaskId task) {
    const auto known = times_.find(task);
    if (known == times_.end()) return;
    order_.erase({known->second, task});
    times_.erase(known);
  }

  std::map<TaskId, Deadline> times_;
  std::set<std::pair<Deadline, TaskId>> order_;
};

}  // namespace pawl
