// How the state's indexes follow its rows. Each index() removes the old row and adds the new one, so undo is the same
// call with the two swapped.
#include <algorithm>

#include "engine/state/state.h"

namespace pawl {
namespace {

template <class Key, class Value>
void count_down(std::map<Key, Value>& counts, const Key& key) {
  const auto found = counts.find(key);
  if (--found->second == 0) counts.erase(found);
}

/// Adds the new value to `set` and removes the old one.
template <class Element>
void follow(std::set<Element>& set, const Element* before, const Element* after) {
  if (before) set.erase(*before);
  if (after) set.insert(*after);
}

/// The new row or, if it was removed, the old one: a change has at least one of them.
template <class Row>
const Row& either(const Row* before, const Row* after) {
  PAWL_ASSERT(before || after);
  return after ? *after : *before;
}

}  // namespace

void State::index_names(const Task* before, const Task* after) {
  const TaskId id = either(before, after).id;
  const auto leave = [&](auto& tasks_of, const std::string& name) {
    const auto found = tasks_of.find(name);
    found->second.erase(id);
    if (found->second.empty()) tasks_of.erase(found);
  };
  // Only its stage ever changes.
  if (before && (!after || before->stage != after->stage)) leave(indexes.tasks_in_stage, before->stage);
  if (after && (!before || before->stage != after->stage)) indexes.tasks_in_stage[after->stage].insert(id);
  if (before && !after) {
    leave(indexes.tasks_in_repo, before->repo);
    indexes.tasks_by_work_item.erase({name_hash(before->work_item), id});
    count_down(indexes.tasks_of_pipeline, before->pipeline);
  }
  if (after && !before) {
    indexes.tasks_in_repo[after->repo].insert(id);
    indexes.tasks_by_work_item.emplace(name_hash(after->work_item), id);
    ++indexes.tasks_of_pipeline[after->pipeline];
  }
}

void State::index(const Task* before, const Task* after) {
  index_names(before, after);
  const auto live = [](const Task* task) { return task && !is_terminal(task->stage); };
  if (before) {
    if (live(before)) count_down(indexes.tasks_of_principal, before->principal.value_or(""));
    for (const StepRow& row : before->steps) {
      if (!row.run.empty()) count_down(indexes.step_runs, row.run);
    }
    if (live(before)) indexes.live_work_items.erase({before->repo, before->work_item});
    for (const TaskId dependency : before->depends_on) indexes.dependents.erase({dependency, before->id});
    indexes.blocked.erase(before->id);
    indexes.cancel_standing.erase(before->id);
  }
  claims_moved_.push_back(either(before, after).id);
  if (live(before) != live(after)) {
    const Seq pipeline = either(before, after).pipeline;
    live(after) ? void(++indexes.live_of_pipeline[pipeline]) : count_down(indexes.live_of_pipeline, pipeline);
    const auto& dependents = indexes.dependents;
    const TaskId id = either(before, after).id;
    for (auto at = dependents.lower_bound({id, TaskId{0}}); at != dependents.end() && at->first == id; ++at) {
      claims_moved_.push_back(at->second);
    }
  }
  if (after) {
    if (live(after)) ++indexes.tasks_of_principal[after->principal.value_or("")];
    for (const StepRow& row : after->steps) {
      if (!row.run.empty()) ++indexes.step_runs[row.run];
    }
    if (live(after)) {
      indexes.live_work_items[{after->repo, after->work_item}] = after->id;
      for (const TaskId dependency : after->depends_on) indexes.dependents.emplace(dependency, after->id);
      if (!after->blocked.empty()) indexes.blocked.insert(after->id);
      if (!after->cancel_requested.empty()) indexes.cancel_standing.insert(after->id);
    }
  }
  maybe_finished_.insert(either(before, after).id);
}

void State::index(const Job* before, const Job* after) {
  // A job's task stays in memory for as long as the job.
  const std::string& repo = tasks.find(either(before, after).task)->repo;
  if (before) {
    indexes.jobs_of_task.erase({before->task, before->id});
    indexes.open_jobs.erase({before->task, before->id});
    if (before->status == JobStatus::queued) {
      indexes.queued.erase(before->id);
      indexes.claimable.erase(repo, before->agent, before->id);
    }
    if (before->status == JobStatus::queued && before->not_before) {
      const auto paused = indexes.paused.find(before->agent);
      paused->second.erase({*before->not_before, before->id});
      if (paused->second.empty()) indexes.paused.erase(paused);
    }
    indexes.barred.erase({before->task, before->id});
    if (before->status == JobStatus::running) {
      indexes.running.erase(before->id);
      if (const auto end = before->run->claim_end()) indexes.claim_ends.erase({*end, before->id});
      count_down(indexes.running_by_repo, repo);
    }
  }
  if (after) {
    indexes.jobs_of_task.emplace(after->task, after->id);
    const bool is_open = after->status == JobStatus::queued || after->status == JobStatus::running;
    if (is_open) indexes.open_jobs.emplace(after->task, after->id);
    if (after->status == JobStatus::queued) indexes.queued.insert(after->id);
    if (after->status == JobStatus::queued && after->not_before) {
      indexes.paused[after->agent].emplace(*after->not_before, after->id);
    }
    if (after->previous) indexes.barred.emplace(after->task, after->id);
    if (after->status == JobStatus::running) {
      indexes.running.insert(after->id);
      if (const auto end = after->run->claim_end()) indexes.claim_ends.emplace(*end, after->id);
      ++indexes.running_by_repo[repo];
    }
  }
  if (settings_.queue.serial_per_repo && indexes.running_by_repo.contains(repo)) {
    indexes.claimable.close(repo);
  } else {
    indexes.claimable.open(repo);
  }
  const TaskId task = either(before, after).task;
  claims_moved_.push_back(task);
  maybe_finished_.insert(task);
}

void State::index(const Lease* before, const Lease* after) {
  using Element = std::pair<std::string, std::string>;
  const auto element = [](const Lease* lease) {
    return lease ? std::optional<Element>({lease->owner.boot_id, lease->key}) : std::nullopt;
  };
  const std::optional<Element> was = element(before);
  const std::optional<Element> is = element(after);
  follow(indexes.leases_of_boot, was ? &*was : nullptr, is ? &*is : nullptr);
  // A lease's boot stays in memory for as long as the lease and never changes its owner.
  const auto holder = [&](const Lease& lease) { return boots.find(lease.owner.boot_id)->principal.value_or(""); };
  if (before) count_down(indexes.leases_of_principal, holder(*before));
  if (after) ++indexes.leases_of_principal[holder(*after)];
  if (const auto task = task_of_key(either(before, after).key)) maybe_finished_.insert(*task);
}

void State::index(const Boot* before, const Boot* after) {
  if (before && !before->stale) count_down(indexes.boots_of_principal, before->principal.value_or(""));
  if (after && !after->stale) ++indexes.boots_of_principal[after->principal.value_or("")];
  if (before && !before->stale) {
    const auto found = indexes.boot_in_force.find(before->name);
    if (found != indexes.boot_in_force.end() && found->second == before->boot_id) indexes.boot_in_force.erase(found);
  }
  if (after && !after->stale) indexes.boot_in_force[after->name] = after->boot_id;
}

bool State::is_full() const {
  return indexes.running.size() >= static_cast<std::size_t>(settings_.queue.max_concurrency);
}

void State::follow_claimable() {
  std::sort(claims_moved_.begin(), claims_moved_.end());
  claims_moved_.erase(std::unique(claims_moved_.begin(), claims_moved_.end()), claims_moved_.end());
  for (const TaskId id : claims_moved_) {
    const auto& open = indexes.open_jobs;
    for (auto at = open.lower_bound({id, JobId{0}}); at != open.end() && at->first == id; ++at) {
      const Job& job = *jobs.find(at->second);
      if (job.status != JobStatus::queued) continue;
      const std::string& repo = tasks.find(id)->repo;
      if (claim_obstacle(*this, job) == Outcome::accepted) {
        indexes.claimable.insert(repo, job.agent, job.id);
      } else {
        indexes.claimable.erase(repo, job.agent, job.id);
      }
    }
  }
  claims_moved_.clear();
}

}  // namespace pawl
