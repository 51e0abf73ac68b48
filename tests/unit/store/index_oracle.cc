#include "tests/unit/store/index_oracle.h"

#include <map>
#include <set>
#include <utility>
#include <vector>

#include "store/checkpoint.h"
#include "store/open.h"

namespace pawl {
namespace {

/// All tasks of a log, in memory or archived.
struct AllTasks {
  std::vector<TaskAndJobs> traces;
  std::map<TaskId, Task> archived;
  std::map<JobId, TaskId> archived_jobs;
};

AllTasks all_tasks(Log& log) {
  AllTasks all;
  const Opened opened = open_state(log).value();
  for (const auto& [id, task] : opened.state.tasks.rows()) {
    TaskAndJobs& traces = all.traces.emplace_back(TaskAndJobs{task, {}});
    for (const auto& [job, row] : opened.state.jobs.rows()) {
      if (row.task == id) traces.jobs.insert(job);
    }
  }
  const auto walked = log.walk(TaskId{1}, [&](TaskId id, RecordBytes bytes) {
    const ArchivedTask archived = unpack_archived(bytes).value().rows;
    TaskAndJobs& traces = all.traces.emplace_back(TaskAndJobs{archived.task, {}});
    for (const Job& job : archived.jobs) {
      traces.jobs.insert(job.id);
      all.archived_jobs.emplace(job.id, id);
    }
    all.archived.emplace(id, archived.task);
    return true;
  });
  PAWL_ASSERT(walked.has_value());
  return all;
}

/// Page by page, a few at a time. None if it does not end.
std::optional<std::vector<Seq>> all_records(LogIndex& index, const TaskAndJobs& traces) {
  std::vector<Seq> all;
  Seq from{1};
  while (const auto found = index.records_of(traces, from, 3)) {
    all.insert(all.end(), found->seqs.begin(), found->seqs.end());
    if (found->upto < from) return std::nullopt;
    from = next(found->upto);
  }
  return all;
}

std::optional<std::string> difference_in_records(Log& log, LogIndex& index, const AllTasks& all) {
  std::map<TaskId, std::vector<Seq>> expected;
  const auto read = log.read(Seq{1}, [&](RecordBytes bytes) {
    const fb::Record& record = *view_record(bytes).value();
    const Seq seq{record.stamp()->seq()};
    if (seq > index.reach()) return false;
    for (const TaskAndJobs& traces : all.traces) {
      if (is_of(record, traces)) expected[traces.task.id].push_back(seq);
    }
    return true;
  });
  PAWL_ASSERT(read.has_value());
  for (const TaskAndJobs& traces : all.traces) {
    const auto found = all_records(index, traces);
    if (!found) return "the records of task " + std::to_string(raw(traces.task.id)) + " have no end";
    if (*found == expected[traces.task.id]) continue;
    std::string what = "task " + std::to_string(raw(traces.task.id)) + ": the index has";
    for (const Seq seq : *found) what += " " + std::to_string(raw(seq));
    what += ", the log";
    for (const Seq seq : expected[traces.task.id]) what += " " + std::to_string(raw(seq));
    return what;
  }
  return std::nullopt;
}

/// The tasks in the archive that have these names, as the index leads to them, some at a time.
std::optional<std::set<TaskId>> archived_with(LogIndex& index, const LogIndex::Names& names, const AllTasks& all) {
  std::set<TaskId> tasks;
  for (TaskId from{1};;) {
    const auto found = index.archived_with(names, from, 2);
    if (!found) return std::nullopt;
    for (const TaskId id : found->tasks) {
      const auto row = all.archived.find(id);
      if (row == all.archived.end()) continue;
      const Task& task = row->second;
      const bool passes = (!names.stage || task.stage == *names.stage) && (!names.repo || task.repo == *names.repo) &&
                          (!names.work_item || task.work_item == *names.work_item);
      if (passes) tasks.insert(id);
    }
    if (!found->upto) return tasks;
    from = next(*found->upto);
  }
}

std::optional<std::string> difference_in_names(LogIndex& index, const AllTasks& all) {
  std::set<std::optional<std::string>> work_items{std::nullopt, "unknown"};
  std::set<std::optional<std::string>> repos{std::nullopt, "unknown"};
  for (const auto& [id, task] : all.archived) {
    work_items.insert(task.work_item);
    repos.insert(task.repo);
  }
  for (const auto& work_item : work_items) {
    for (const auto& repo : repos) {
      for (const auto& stage : {std::optional<std::string>(), std::optional<std::string>(stage_done),
                                std::optional<std::string>(stage_cancelled)}) {
        const LogIndex::Names names{.work_item = work_item, .repo = repo, .stage = stage};
        if (!work_item && !repo && !stage) continue;
        std::set<TaskId> expected;
        for (const auto& [id, task] : all.archived) {
          const bool passes = (!stage || task.stage == *stage) && (!repo || task.repo == *repo) &&
                              (!work_item || task.work_item == *work_item);
          if (passes) expected.insert(id);
        }
        const auto found = archived_with(index, names, all);
        if (found == expected) continue;
        return "work item '" + work_item.value_or("") + "', repository '" + repo.value_or("") + "', stage '" +
               stage.value_or("") + "': the index leads to " +
               (found ? std::to_string(found->size()) : std::string("no")) + " finished tasks, the archive has " +
               std::to_string(expected.size());
      }
    }
  }
  return std::nullopt;
}

std::optional<std::string> difference_in_jobs(LogIndex& index, const AllTasks& all) {
  for (const auto& [job, task] : all.archived_jobs) {
    const auto found = index.archived_with(job);
    if (!found || !found->contains(task)) {
      return "job " + std::to_string(raw(job)) + " does not lead to task " + std::to_string(raw(task));
    }
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::string> difference_of(Log& log, LogIndex& index) {
  if (index.reach() == Seq{}) return std::nullopt;
  const AllTasks all = all_tasks(log);
  if (auto found = difference_in_records(log, index, all)) return found;
  // Behind a restore that it has not reached it does not know what is in the archive.
  if (raw(log.last_seq()) - raw(index.reach()) > 100'000) return std::nullopt;
  if (auto found = difference_in_names(index, all)) return found;
  return difference_in_jobs(index, all);
}

}  // namespace pawl
