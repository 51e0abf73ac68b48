#include "daemon/api/history.h"

#include <algorithm>
#include <functional>
#include <map>
#include <set>

#include "schema/json/record_json.h"
#include "schema/limits.h"
#include "store/checkpoint.h"

namespace pawl {
namespace {

/// How far one call searches before it returns a `next` to continue from.
constexpr std::size_t archived_per_call_max = 10'000;
constexpr std::size_t records_per_call_max = 1'000'000;
/// Each is a read of its own.
constexpr std::size_t indexed_per_call_max = 10'000;

/// A page takes half as many rows at most.
constexpr std::size_t entries_per_look = 512;

constexpr TaskId no_end_of_tasks{UINT64_MAX};

bool passes(const Task& task, const TaskFilter& filter) {
  return (!filter.stage || task.stage == *filter.stage) && (!filter.repo || task.repo == *filter.repo) &&
         (!filter.work_item || task.work_item == *filter.work_item) &&
         (!filter.live_only || !is_terminal(task.stage)) && (!filter.narrow || filter.narrow->has(task));
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

std::optional<TaskAndJobs> live_traces(const State& state, TaskId id) {
  const Task* task = state.tasks.find(id);
  if (!task) return std::nullopt;
  TaskAndJobs traces{.task = *task, .jobs = {}};
  const auto& jobs = state.indexes.jobs_of_task;
  for (auto at = jobs.lower_bound({id, JobId{0}}); at != jobs.end() && at->first == id; ++at) {
    traces.jobs.insert(at->second);
  }
  return traces;
}

Result<TaskAndJobs> traces_of(StateReader& reader, Archive& archive, TaskId id, Seq upto) {
  if (auto live = reader.ask([id](const State& state) { return live_traces(state, id); })) return std::move(*live);
  const std::vector<std::uint8_t> bytes = PAWL_TRY(archive.find(id));
  Unarchived archived = PAWL_TRY(unpack_archived(bytes));
  if (archived.seq > upto) return Error{ErrorCode::missing, "the task was created later"};
  TaskAndJobs traces{.task = std::move(archived.rows.task), .jobs = {}};
  for (const Job& job : archived.rows.jobs) traces.jobs.insert(job.id);
  return traces;
}

/// Calls `each` for the archived tasks from `first` on, until it returns false, but leaves out some of those that do
/// not match. Returns up to where it looked by itself.
Result<TaskId> walk_matching(Archive& archive, LogIndex* index, const TaskFilter& filter, TaskId first,
                             const std::function<bool(TaskId, RecordBytes)>& each) {
  const LogIndex::Names names{.work_item = filter.work_item, .repo = filter.repo, .stage = filter.stage};
  for (std::size_t looked_at = 0; looked_at < archived_per_call_max; looked_at += entries_per_look) {
    const auto known = index ? index->archived_with(names, first, entries_per_look) : std::nullopt;
    if (!known) {
      PAWL_TRY(archive.walk(first, each));
      return no_end_of_tasks;
    }
    for (const TaskId id : known->tasks) {
      const auto bytes = archive.find(id);
      if (!bytes && bytes.error().code == ErrorCode::missing) continue;  // still in memory
      if (!bytes) return bytes.error();
      if (!each(id, *bytes)) return no_end_of_tasks;
    }
    if (!known->upto) return no_end_of_tasks;
    first = next(*known->upto);
  }
  return TaskId{raw(first) - 1};
}

/// Adds to `found`, and lowers `looked_to` if it stops earlier.
Result<void> find_archived(Archive& archive, LogIndex* index, const TaskFilter& filter, TaskId first, std::size_t limit,
                           Seq ended_upto, std::map<TaskId, Task>& found, TaskId& looked_to) {
  std::size_t seen = 0;
  std::size_t passing = 0;
  std::optional<Error> damage;
  const TaskId upto = PAWL_TRY(walk_matching(archive, index, filter, first, [&](TaskId id, RecordBytes bytes) {
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
    if (archived->seq <= ended_upto && passes(archived->rows.task, filter)) {
      ++passing;
      found.insert_or_assign(id, std::move(archived->rows.task));
    }
    return true;
  }));
  if (damage) return *damage;
  looked_to = std::min(looked_to, upto);
  return {};
}

/// The lines of a history, up to a limit and to a record.
class HistoryLines {
 public:
  HistoryLines(const TaskAndJobs& traces, const Narrow* narrow, std::size_t limit, Seq upto)
      : traces_(traces), narrow_(narrow), limit_(limit), upto_(upto) {}

  /// Whether the record is beyond the end; if so, no more are taken.
  bool ends_before(const fb::Record& record) {
    is_over_ = is_over_ || Seq{record.stamp()->seq()} > upto_;
    return is_over_;
  }
  bool is_over() const { return is_over_; }

  bool is_full() const { return page_.lines.size() == limit_; }
  void take(const fb::Record& record) {
    const bool is_shown = is_of(record, traces_) && (!narrow_ || narrow_->has(record));
    if (!is_shown) return;
    if (page_.lines.empty()) page_.first_group = Seq{record.stamp()->group()};
    page_.last = Seq{record.stamp()->seq()};
    append_record_json(page_.lines.emplace_back(), record, "null", Audience::reader);
  }
  void go_on_after(Seq seq) { page_.next = seq; }
  HistoryPage& page() { return page_; }

 private:
  const TaskAndJobs& traces_;
  const Narrow* narrow_;
  const std::size_t limit_;
  const Seq upto_;
  bool is_over_ = false;
  HistoryPage page_;
};

/// How far the index was followed.
struct Indexed {
  Seq looked_to{};
  bool has_more = false;  // for another call
};

/// Takes the records from `from` on that the index knows, if any.
Result<Indexed> take_indexed(Journal& journal, LogIndex& index, const TaskAndJobs& traces, Seq from, std::size_t limit,
                             HistoryLines& lines) {
  Seq looked_to{raw(from) - 1};
  for (std::size_t seen = 0; !lines.is_full() && !lines.is_over();) {
    if (seen >= indexed_per_call_max) return Indexed{looked_to, true};
    const auto found = index.records_of(traces, next(looked_to), limit);
    if (!found) break;
    Seq last = found->upto;
    std::optional<Error> damage;
    PAWL_TRY(read_these(journal, found->seqs, [&](RecordBytes bytes) {
      const auto record = view_record(bytes);
      if (!record) {
        damage = record.error();
        return false;
      }
      if (lines.ends_before(**record)) return false;
      lines.take(**record);
      if (lines.is_full()) last = Seq{(*record)->stamp()->seq()};
      return !lines.is_full();
    }));
    if (damage) return *damage;
    seen += found->seqs.size();
    looked_to = last;
  }
  return Indexed{looked_to, false};
}

}  // namespace

Result<TaskPage> list_tasks(StateReader& reader, Archive& archive, LogIndex* index, const TaskFilter& filter,
                            TaskId first, std::size_t limit, Seq upto) {
  // Memory before the archive: a task that moves in between is then found in the archive.
  std::map<TaskId, Task> found;
  std::optional<TaskId> from = first;
  TaskId looked_to = no_end_of_tasks;  // ids above were not read
  while (from && found.size() <= limit) {
    const LiveRows rows =
        reader.ask([&filter, start = *from](const State& state) { return live_rows(state, filter, start); });
    for (const Task& task : rows.passing) found.emplace(task.id, task);
    from = rows.next;
  }
  if (from) looked_to = std::min(looked_to, TaskId{raw(*from) - 1});

  const bool may_be_archived = !filter.live_only && (!filter.stage || is_terminal(*filter.stage));
  if (may_be_archived) PAWL_TRY(find_archived(archive, index, filter, first, limit, upto, found, looked_to));

  TaskPage page;
  for (auto& [id, task] : found) {
    if (id > looked_to) break;
    if (page.tasks.size() == limit) {
      page.next = page.tasks.back().id;
      return page;
    }
    page.tasks.push_back(std::move(task));
  }
  if (looked_to != no_end_of_tasks) page.next = looked_to;
  return page;
}

Result<HistoryExtent> extent_of(StateReader& reader, Journal& journal, Archive& archive, LogIndex* index, TaskId task,
                                Seq upto) {
  HistoryExtent extent;
  extent.is_live = reader.ask([task](const State& state) {
    const Task* row = state.tasks.find(task);
    return row && !is_terminal(row->stage);
  });
  for (std::optional<Seq> after = Seq{0}; after;) {
    const HistoryPage page =
        PAWL_TRY(history_of(reader, journal, archive, index, nullptr, task, *after, entries_per_look, upto));
    if (!page.lines.empty()) {
      if (extent.last == Seq{0}) extent.first_group = page.first_group;
      extent.last = page.last;
      // Of a live task only the first is of use: its story goes on to the end of the log.
      if (extent.is_live) break;
    }
    after = page.next;
  }
  if (extent.last == Seq{0}) return Error{ErrorCode::missing, "the log has no record of this task up to there"};
  return extent;
}

Result<HistoryPage> history_of(StateReader& reader, Journal& journal, Archive& archive, LogIndex* index,
                               const Narrow* narrow, TaskId task, Seq after, std::size_t limit, Seq upto) {
  const TaskAndJobs traces = PAWL_TRY(traces_of(reader, archive, task, upto));
  HistoryLines lines(traces, narrow, limit, upto);
  // No record can mention a task before the one that defined its first pipeline.
  Seq from = std::max(next(after), traces.task.pipeline);
  std::size_t records_max = records_per_call_max;
  if (index) {
    const Indexed indexed = PAWL_TRY(take_indexed(journal, *index, traces, from, limit, lines));
    if (lines.is_over()) return std::move(lines.page());
    if (indexed.has_more) records_max = 0;
    from = next(indexed.looked_to);
  }
  std::size_t seen = 0;
  std::optional<Error> damage;
  PAWL_TRY(journal.read(from, [&](RecordBytes bytes) {
    const auto record = view_record(bytes);
    if (!record) {
      damage = record.error();
      return false;
    }
    if (lines.ends_before(**record)) return false;
    if (++seen > records_max || lines.is_full()) {
      lines.go_on_after(Seq{(*record)->stamp()->seq() - 1});
      return false;
    }
    lines.take(**record);
    return true;
  }));
  if (damage) return *damage;
  return std::move(lines.page());
}

}  // namespace pawl
