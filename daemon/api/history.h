// History: finished and live tasks, and the records that made them. Read from the log and its archive, on threads that
// may block.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "daemon/api/narrow.h"
#include "store/archive.h"
#include "store/commit/sequencer.h"
#include "store/journal.h"
#include "store/log_index.h"

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
/// for.
Result<TaskPage> list_tasks(Sequencer& sequencer, Archive& archive, LogIndex* index, const TaskFilter& filter,
                            TaskId first, std::size_t limit);

struct HistoryPage {
  std::vector<std::string> lines;  // records as JSON, without their effects
  std::optional<Seq> next;
};

/// The records about a task, its jobs or its lease. `missing`: no task with that id was ever created. `narrow`: the
/// requester's limits; null: show all.
Result<HistoryPage> history_of(Sequencer& sequencer, Journal& journal, Archive& archive, LogIndex* index,
                               const Narrow* narrow, TaskId task, Seq after, std::size_t limit);

}  // namespace pawl
