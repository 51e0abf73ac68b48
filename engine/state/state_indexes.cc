// How the state's indexes follow its rows. Each index() removes the old row and adds the new one, so undo is the same
// call with the two swapped.
#include <algorithm>

#include "engine/state/state.h"

namespace pawl {
namespace {

template <class Counts>
void count_down(Counts& counts, const typename Counts::key_type& key) {
  const auto found = counts.find(key);
  if (--found->second == 0) counts.erase(found);
}

/// Whether an element is in the set may change with a row; most changes of a row do not change it.
template <class Element>
void follow(std::set<Element>& set, const Element& element, bool was_in, bool is_in) {
  if (was_in == is_in) return;
  if (is_in) {
    set.insert(element);
  } else {
    set.erase(element);
  }
}

/// The new row or, if it was removed, the old one: a change has at least one of them.
template <class Row>
const Row& either(const Row* before, const Row* after) {
  PAWL_ASSERT(before || after);
  return after ? *after : *before;
}

}  // namespace

void State::index_names(const Task* before, const Task* after) {
  if (before && after && (before->let_through != after->let_through || before->not_before != after->not_before)) {
    holds_touched_ = true;
  }
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
  const Task& task = either(before, after);
  const auto live = [](const Task* row) { return row && !is_terminal(row->stage); };
  const bool was_live = live(before);
  const bool is_live = live(after);
  const auto runs = [](const Task* row, auto each) {
    if (!row) return;
    for (const StepRow& step : row->steps) {
      if (!step.run.empty()) each(step.run);
    }
  };
  runs(before, [this](const std::string& run) { count_down(indexes.step_runs, run); });
  runs(after, [this](const std::string& run) { ++indexes.step_runs[run]; });
  // Of these, a task has what it was created with.
  if (was_live != is_live) {
    const std::string principal = task.principal.value_or("");
    if (is_live) {
      ++indexes.tasks_of_principal[principal];
      ++indexes.live_of_pipeline[task.pipeline];
      indexes.live_work_items[{task.repo, task.work_item}] = task.id;
    } else {
      count_down(indexes.tasks_of_principal, principal);
      count_down(indexes.live_of_pipeline, task.pipeline);
      indexes.live_work_items.erase({task.repo, task.work_item});
    }
  }
  if (was_live) {
    for (const TaskId dependency : before->depends_on) indexes.dependents.erase({dependency, task.id});
  }
  if (was_live && before->not_before) indexes.not_before.erase({*before->not_before, task.id});
  if (is_live && after->not_before) indexes.not_before.emplace(*after->not_before, task.id);
  claims_moved_.push_back(task.id);
  if (was_live != is_live) {
    const auto& dependents = indexes.dependents;
    for (auto at = dependents.lower_bound({task.id, TaskId{0}}); at != dependents.end() && at->first == task.id; ++at) {
      claims_moved_.push_back(at->second);
    }
  }
  if (is_live) {
    for (const TaskId dependency : after->depends_on) indexes.dependents.emplace(dependency, task.id);
  }
  follow(indexes.blocked, task.id, was_live && !before->blocked.empty(), is_live && !after->blocked.empty());
  follow(indexes.cancel_standing, task.id, was_live && !before->cancel_requested.empty(),
         is_live && !after->cancel_requested.empty());
  touched_.push_back(task.id);
}

void State::index(const Job* before, const Job* after) {
  // A job's task stays in memory for as long as the job.
  const std::string& repo = tasks.find(either(before, after).task)->repo;
  const Job& job = either(before, after);
  const std::pair of_task(job.task, job.id);
  const auto has = [](const Job* row, JobStatus status) { return row && row->status == status; };
  const bool was_queued = has(before, JobStatus::queued);
  const bool is_queued = has(after, JobStatus::queued);
  const bool was_running = has(before, JobStatus::running);
  const bool is_running = has(after, JobStatus::running);
  follow(indexes.jobs_of_task, of_task, before != nullptr, after != nullptr);
  follow(indexes.open_jobs, of_task, was_queued || was_running, is_queued || is_running);
  follow(indexes.barred, of_task, before && before->previous, after && after->previous);
  follow(indexes.queued, job.id, was_queued, is_queued);
  if (was_queued != is_queued || was_running != is_running) {
    AgentJobs& of_agent = indexes.jobs_of_agent[job.agent];
    of_agent.queued = of_agent.queued + (is_queued ? 1 : 0) - (was_queued ? 1 : 0);
    of_agent.running = of_agent.running + (is_running ? 1 : 0) - (was_running ? 1 : 0);
    if (of_agent.queued == 0 && of_agent.running == 0) indexes.jobs_of_agent.erase(job.agent);
  }
  follow(indexes.running, job.id, was_running, is_running);
  if (was_queued) indexes.claimable.erase(repo, job.agent, job.id);
  if (was_queued && before->not_before) {
    const auto paused = indexes.paused.find(job.agent);
    paused->second.erase({*before->not_before, job.id});
    if (paused->second.empty()) indexes.paused.erase(paused);
  }
  if (is_queued && after->not_before) indexes.paused[job.agent].emplace(*after->not_before, job.id);
  if (was_running) {
    if (const auto end = before->run->claim_end()) indexes.claim_ends.erase({*end, job.id});
  }
  if (is_running) {
    if (const auto end = after->run->claim_end()) indexes.claim_ends.emplace(*end, job.id);
  }
  if (was_running && !is_running) count_down(indexes.running_by_repo, repo);
  if (is_running && !was_running) ++indexes.running_by_repo[repo];
  if (settings_.queue.serial_per_repo && indexes.running_by_repo.contains(repo)) {
    indexes.claimable.close(repo);
  } else {
    indexes.claimable.open(repo);
  }
  claims_moved_.push_back(job.task);
  touched_.push_back(job.task);
}

void State::index(const Lease* before, const Lease* after) {
  const Lease& lease = either(before, after);
  if (const auto task = task_of_key(lease.key)) touched_.push_back(*task);
  // A renewal changes neither the key nor the boot.
  if (before && after && before->owner.boot_id == after->owner.boot_id) return;
  if (lease.key.starts_with("task:")) indexes.task_leases = indexes.task_leases + (after ? 1 : 0) - (before ? 1 : 0);
  // A lease's boot stays in memory for as long as the lease and never changes its owner.
  const auto holder = [&](const Lease& of) { return boots.find(of.owner.boot_id)->principal.value_or(""); };
  if (before) {
    indexes.leases_of_boot.erase({before->owner.boot_id, before->key});
    count_down(indexes.leases_of_principal, holder(*before));
  }
  if (after) {
    indexes.leases_of_boot.emplace(after->owner.boot_id, after->key);
    ++indexes.leases_of_principal[holder(*after)];
  }
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
      const Task& task = *tasks.find(id);
      if (claim_obstacle(*this, job) == Outcome::accepted) {
        indexes.claimable.insert(task.repo, job.agent, turn_of(task, job, settings_.queue.priority_s));
      } else {
        indexes.claimable.erase(task.repo, job.agent, job.id);
      }
    }
  }
  claims_moved_.clear();
}

}  // namespace pawl
