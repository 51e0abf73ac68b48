// History: finished and live tasks, and the records that made them. Read from the log and its archive, on threads that
// may block.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "daemon/api/narrow.h"
#include "store/archive.h"
#include "store/commit/desk.h"
#include "store/journal.h"
#include "store/log_index.h"
#include "store/replica.h"

namespace pawl {

struct TaskFilter {
  std::optional<std::string> stage = std::nullopt;
  std::optional<std::string> repo = std::nullopt;
  std::optional<std::string> work_item = std::nullopt;
  bool live_only = false;                          // without finished tasks, so the archive is not searched
  std::shared_ptr<const Narrow> narrow = nullptr;  // the requester's limits; null: show all
};

struct TaskPage {
  std::vector<Task> tasks;     // by id
  std::optional<TaskId> next;  // where to continue; none: the end
};

/// The tasks that match the filter, live and archived, from `first` on; at most `limit`. A short page may still have a
/// `next`: the search per call is bounded too. `index` may be null, here and below: what it does not know is searched
/// for. `upto` is the state's last record, if it is one of the past: what ended or was written later is left out.
Result<TaskPage> list_tasks(StateReader& state, Archive& archive, LogIndex* index, const TaskFilter& filter,
                            TaskId first, std::size_t limit, Seq upto = no_end);

struct HistoryPage {
  std::vector<std::string> lines;  // records as JSON, without their effects
  std::optional<Seq> next;
  Seq first_group{};  // the first record of the group that has the first of them
  Seq last{};         // the last of them; 0: there are none
};

/// Where a task's records are in the log.
struct HistoryExtent {
  Seq first_group{};  // the first record of the group that has the task's first one
  Seq last{};
  bool is_live = false;  // the task is, so more may follow
};
/// `missing`: no task with that id was ever created, or not up to `upto`.
Result<HistoryExtent> extent_of(StateReader& state, Journal& journal, Archive& archive, LogIndex* index, TaskId task,
                                Seq upto = no_end);

/// The records about a task, its jobs or its lease. `missing`: no task with that id was ever created. `narrow`: the
/// requester's limits; null: show all.
Result<HistoryPage> history_of(StateReader& state, Journal& journal, Archive& archive, LogIndex* index,
                               const Narrow* narrow, TaskId task, Seq after, std::size_t limit, Seq upto = no_end);

}  // namespace pawl
