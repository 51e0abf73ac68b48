// What was: finished tasks beside live ones, and the records that made them. Read from the log and its archive, on
// threads that may block.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "daemon/api/narrow.h"
#include "store/archive.h"
#include "store/commit/sequencer.h"
#include "store/journal.h"

namespace pawl {

struct TaskFilter {
  std::optional<std::string> stage = std::nullopt;
  std::optional<std::string> repo = std::nullopt;
  std::optional<std::string> work_item = std::nullopt;
  std::shared_ptr<const Narrow> narrow = nullptr;  // who asks; null: all are shown
};

struct TaskPage {
  std::vector<Task> tasks;     // by id
  std::optional<TaskId> next;  // to ask after; none: there are no more
};

/// The tasks that pass, live and archived, from `first` on; at most `limit`. A page may be short and still have a
/// `next`: how far a call looks is bounded too.
Result<TaskPage> list_tasks(Sequencer& sequencer, Archive& archive, const TaskFilter& filter, TaskId first,
                            std::size_t limit);

struct HistoryPage {
  std::vector<std::string> lines;  // records as JSON, without their effects
  std::optional<Seq> next;
};

/// The records that speak of a task, or of a job of it, or of its lease. `missing`: no task of that id was created.
/// `narrow`: who asks; null: all are shown.
Result<HistoryPage> history_of(Sequencer& sequencer, Journal& journal, Archive& archive, const Narrow* narrow,
                               TaskId task, Seq after, std::size_t limit);

}  // namespace pawl
