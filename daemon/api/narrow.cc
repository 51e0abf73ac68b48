#include "daemon/api/narrow.h"

#include <utility>

#include "schema/subject.h"
#include "store/checkpoint.h"

namespace pawl {
namespace {

/// The most entries to remember; beyond this all are dropped, and found again when needed.
constexpr std::size_t remembered_max = 100'000;

}  // namespace

Whereabouts::Found Whereabouts::found_in(const State& state, const Task& task) {
  Found found{.repo = task.repo, .agents = {}};
  const auto& jobs = state.indexes.jobs_of_task;
  for (auto at = jobs.lower_bound({task.id, JobId{0}}); at != jobs.end() && at->first == task.id; ++at) {
    if (found.agents.size() == limits::rows_per_read_max) break;  // the others are looked up one by one
    found.agents.emplace(at->second, state.jobs.find(at->second)->agent);
  }
  return found;
}

Whereabouts::Found Whereabouts::found_in(const ArchivedTask& archived) {
  Found found{.repo = archived.task.repo, .agents = {}};
  for (const Job& job : archived.jobs) found.agents.emplace(job.id, job.agent);
  return found;
}

void Whereabouts::remember(TaskId task, const Found& found) {
  const MutexLock lock(mutex_);
  if (repos_.size() + jobs_.size() + found.agents.size() >= remembered_max) {
    repos_.clear();
    jobs_.clear();
  }
  repos_.insert_or_assign(task, found.repo);
  for (const auto& [job, agent] : found.agents) jobs_.insert_or_assign(job, OfJob{found.repo, agent});
}

std::optional<Whereabouts::OfJob> Whereabouts::remembered(JobId job) {
  const MutexLock lock(mutex_);
  const auto known = jobs_.find(job);
  return known == jobs_.end() ? std::nullopt : std::optional(known->second);
}

std::optional<std::string> Whereabouts::repo_of(TaskId task) {
  {
    const MutexLock lock(mutex_);
    if (const auto known = repos_.find(task); known != repos_.end()) return known->second;
  }
  struct Looked {
    bool given_out = false;
    std::optional<Found> found = std::nullopt;
  };
  // Memory before the archive: a task that moves in between is then found in the archive.
  Looked looked = sequencer_.ask([task](const State& state) {
    const Task* row = state.tasks.find(task);
    return Looked{state.given_out(task), row ? std::optional(found_in(state, *row)) : std::nullopt};
  });
  if (!looked.given_out) return std::nullopt;
  if (!looked.found) {
    const auto bytes = archive_.find(task);
    if (!bytes) return std::nullopt;
    const auto archived = unpack_archived(*bytes);
    if (!archived) return std::nullopt;
    looked.found = found_in(archived->rows);
  }
  remember(task, *looked.found);
  return looked.found->repo;
}

std::optional<Whereabouts::OfJob> Whereabouts::of(JobId job) {
  if (auto known = remembered(job)) return known;
  struct Looked {
    bool given_out = false;
    std::optional<OfJob> found = std::nullopt;
  };
  const Looked looked = sequencer_.ask([job](const State& state) {
    Looked found{.given_out = state.given_out(job)};
    const Job* row = state.jobs.find(job);
    const Task* task = row ? state.tasks.find(row->task) : nullptr;
    if (task) found.found = OfJob{task->repo, row->agent};
    return found;
  });
  if (looked.found || !looked.given_out) return looked.found;
  // A job's id does not reveal its task. Remembers everything on the way: a client that follows the log asks for the
  // next job next.
  std::optional<OfJob> found;
  const auto walked = walk_for_job(archive_, index_, job, [&](TaskId id, RecordBytes bytes) {
    if (const auto archived = unpack_archived(bytes)) {
      const Found here = found_in(archived->rows);
      remember(id, here);
      if (const auto at = here.agents.find(job); at != here.agents.end()) found = OfJob{here.repo, at->second};
    }
    return !found;
  });
  return walked ? found : std::nullopt;
}

bool Narrow::has(TaskId task) const {
  if (scope_->repos.empty()) return true;
  const auto repo = places_.repo_of(task);
  return repo && scope_->has_repo(*repo);
}

bool Narrow::has(JobId job) const {
  if (scope_->repos.empty() && scope_->agents.empty()) return true;
  const auto place = places_.of(job);
  return place && scope_->has_repo(place->repo) && scope_->has_agent(place->agent);
}

bool Narrow::has_key(std::string_view key) const {
  const auto task = task_of_key(key);
  const bool is_asked = task && !scope_->repos.empty();
  return scope_->has_key(key, is_asked ? places_.repo_of(*task).value_or("") : "");
}

bool Narrow::has(const fb::Record& record) const {
  const Subject about = subject_of(record);
  if (about.setting || about.pipeline) return false;
  if (about.task && !has(*about.task)) return false;
  if (about.job && !has(*about.job)) return false;
  if (about.lease && !has_key(*about.lease)) return false;
  if (about.repo && !scope_->has_repo(*about.repo)) return false;
  return about.task || about.job || about.lease || about.repo || principal_of(record) == principal_;
}

bool Narrow::has(const State& state, const Job& job) const {
  const Task* task = state.tasks.find(job.task);
  return task && scope_->has_repo(task->repo) && scope_->has_agent(job.agent);
}

bool Narrow::has(const State& state, const Lease& lease) const {
  const auto id = task_of_key(lease.key);
  const Task* task = id ? state.tasks.find(*id) : nullptr;
  return scope_->has_key(lease.key, task ? std::string_view(task->repo) : std::string_view());
}

}  // namespace pawl
