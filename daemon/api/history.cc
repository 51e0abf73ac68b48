#include "daemon/api/history.h"

#include <algorithm>
#include <map>
#include <set>

#include "schema/json/record_json.h"
#include "schema/limits.h"
#include "schema/subject.h"
#include "store/checkpoint.h"

namespace pawl {
namespace {

/// How far one call searches before it returns a `next` to continue from.
constexpr std::size_t archived_per_call_max = 10'000;
constexpr std::size_t records_per_call_max = 1'000'000;

bool passes(const Task& task, const TaskFilter& filter) {
  return (!filter.stage || task.stage == *filter.stage) && (!filter.repo || task.repo == *filter.repo) &&
         (!filter.work_item || task.work_item == *filter.work_item) && (!filter.narrow || filter.narrow->has(task));
}

/// Rows from one bounded read of the state.
struct LiveRows {
  std::vector<Task> passing;
  std::optional<TaskId> next;  // where the next read begins
};

/// Takes the tasks of `ids` that pass, from `first` on; `id_of` reads an entry.
template <class Ids, class At>
LiveRows rows_of(const State& state, const TaskFilter& filter, const Ids& ids, typename Ids::const_iterator at,
                 At id_of) {
  LiveRows rows;
  std::size_t seen = 0;
  for (; at != ids.end(); ++at) {
    const std::optional<TaskId> id = id_of(*at);
    if (!id) break;
    if (++seen > limits::rows_per_read_max) {
      rows.next = *id;
      break;
    }
    const Task& task = *state.tasks.find(*id);
    if (passes(task, filter)) rows.passing.push_back(task);
  }
  return rows;
}

/// Reads along the index with the fewest tasks.
LiveRows live_rows(const State& state, const TaskFilter& filter, TaskId first) {
  if (filter.work_item) {
    const std::uint64_t hash = name_hash(*filter.work_item);
    const auto& ids = state.indexes.tasks_by_work_item;
    return rows_of(state, filter, ids, ids.lower_bound({hash, first}), [hash](const auto& entry) {
      return entry.first == hash ? std::optional(entry.second) : std::nullopt;
    });
  }
  const std::set<TaskId>* fewest = nullptr;
  const std::set<TaskId> none;
  const auto choose = [&](const auto& tasks_of, const std::optional<std::string>& name) {
    if (!name) return;
    const auto found = tasks_of.find(*name);
    const std::set<TaskId>* ids = found == tasks_of.end() ? &none : &found->second;
    if (!fewest || ids->size() < fewest->size()) fewest = ids;
  };
  choose(state.indexes.tasks_in_stage, filter.stage);
  choose(state.indexes.tasks_in_repo, filter.repo);
  if (fewest) {
    return rows_of(state, filter, *fewest, fewest->lower_bound(first), [](TaskId id) { return std::optional(id); });
  }
  const auto& all = state.tasks.rows();
  return rows_of(state, filter, all, all.lower_bound(first), [](const auto& row) { return std::optional(row.first); });
}

/// What identifies the records of a task.
struct Traces {
  Task task;
  std::set<JobId> jobs;
};

bool is_of(const fb::Record& record, const Traces& traces) {
  if (const auto* created = record.event_as_TaskCreated()) {
    return record.stamp()->time_us() == traces.task.created.us && created->repo()->string_view() == traces.task.repo &&
           created->work_item()->string_view() == traces.task.work_item;
  }
  const Subject subject = subject_of(record);
  return task_of(subject) == traces.task.id || (subject.job && traces.jobs.contains(*subject.job));
}

std::optional<Traces> live_traces(const State& state, TaskId id) {
  const Task* task = state.tasks.find(id);
  if (!task) return std::nullopt;
  Traces traces{.task = *task, .jobs = {}};
  const auto& jobs = state.indexes.jobs_of_task;
  for (auto at = jobs.lower_bound({id, JobId{0}}); at != jobs.end() && at->first == id; ++at) {
    traces.jobs.insert(at->second);
  }
  return traces;
}

Result<Traces> traces_of(Sequencer& sequencer, Archive& archive, TaskId id) {
  if (auto live = sequencer.ask([id](const State& state) { return live_traces(state, id); })) return std::move(*live);
  const std::vector<std::uint8_t> bytes = PAWL_TRY(archive.find(id));
  Unarchived archived = PAWL_TRY(unpack_archived(bytes));
  Traces traces{.task = std::move(archived.rows.task), .jobs = {}};
  for (const Job& job : archived.rows.jobs) traces.jobs.insert(job.id);
  return traces;
}

}  // namespace

Result<TaskPage> list_tasks(Sequencer& sequencer, Archive& archive, const TaskFilter& filter, TaskId first,
                            std::size_t limit) {
  // Memory before the archive: a task that moves in between is then found in the archive.
  std::map<TaskId, Task> found;
  std::optional<TaskId> from = first;
  TaskId looked_to{UINT64_MAX};  // ids above were not read
  while (from && found.size() <= limit) {
    const LiveRows rows =
        sequencer.ask([&filter, start = *from](const State& state) { return live_rows(state, filter, start); });
    for (const Task& task : rows.passing) found.emplace(task.id, task);
    from = rows.next;
  }
  if (from) looked_to = std::min(looked_to, TaskId{raw(*from) - 1});

  const bool may_be_archived = !filter.stage || is_terminal(*filter.stage);
  if (may_be_archived) {
    std::size_t seen = 0;
    std::size_t passing = 0;
    std::optional<Error> damage;
    PAWL_TRY(archive.walk(first, [&](TaskId id, RecordBytes bytes) {
      if (id > looked_to) return false;
      if (seen++ >= archived_per_call_max || passing > limit) {
        looked_to = TaskId{raw(id) - 1};
        return false;
      }
      auto archived = unpack_archived(bytes);
      if (!archived) {
        damage = archived.error();
        return false;
      }
      if (passes(archived->rows.task, filter)) {
        ++passing;
        found.insert_or_assign(id, std::move(archived->rows.task));
      }
      return true;
    }));
    if (damage) return *damage;
  }

  TaskPage page;
  for (auto& [id, task] : found) {
    if (id > looked_to) break;
    if (page.tasks.size() == limit) {
      page.next = page.tasks.back().id;
      return page;
    }
    page.tasks.push_back(std::move(task));
  }
  if (looked_to != TaskId{UINT64_MAX}) page.next = looked_to;
  return page;
}

Result<HistoryPage> history_of(Sequencer& sequencer, Journal& journal, Archive& archive, const Narrow* narrow,
                               TaskId task, Seq after, std::size_t limit) {
  const Traces traces = PAWL_TRY(traces_of(sequencer, archive, task));
  HistoryPage page;
  std::size_t seen = 0;
  std::optional<Error> damage;
  // No record can mention a task before the one that defined its first pipeline.
  const Seq from = std::max(next(after), traces.task.pipeline);
  PAWL_TRY(journal.read(from, [&](RecordBytes bytes) {
    const auto record = view_record(bytes);
    if (!record) {
      damage = record.error();
      return false;
    }
    const std::uint64_t seq = (*record)->stamp()->seq();
    if (++seen > records_per_call_max || page.lines.size() == limit) {
      page.next = Seq{seq - 1};
      return false;
    }
    const bool is_shown = is_of(**record, traces) && (!narrow || narrow->has(**record));
    if (is_shown) append_record_json(page.lines.emplace_back(), **record, "null", Audience::reader);
    return true;
  }));
  if (damage) return *damage;
  return page;
}

}  // namespace pawl
