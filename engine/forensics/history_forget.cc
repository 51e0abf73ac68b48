// What a history may forget. A cause may lie anywhere before its effect, but not everything can become part of one: a
// task that left memory after nothing but good ends can only be counted.
#include <algorithm>

#include "engine/forensics/causes.h"
#include "engine/forensics/history.h"

namespace pawl {
namespace {

/// How many groups pass between two sweeps of what may be forgotten only later.
constexpr std::uint64_t groups_until_looked_at_again = 4096;

bool is_told_for_good(const StepTerm& step) {
  return step.ended && step.outcome == fb::StepOutcome::done && step.by == fb::StepBy::command && !step.denied;
}

bool is_released(const LeaseTerm& term) {
  return term.end == LeaseTerm::End::released;
}

}  // namespace

void AttemptRates::add(const TaskTerm& task) {
  for (const AttemptTerm& attempt : task.attempts) {
    const bool is_failed = failed_itself(attempt);
    if (!is_failed && attempt.end != AttemptTerm::End::done) continue;
    for (AttemptRate* rate : {&of_pipeline[task.pipeline], &of_boot[attempt.owner.boot_id],
                              &of_both[{task.pipeline, attempt.owner.boot_id}]}) {
      ++(is_failed ? rate->failed : rate->done);
      if (!is_failed || rate->last_task == task.id) continue;
      rate->last_task = task.id;
      ++rate->tasks;
    }
  }
}

/// Of two exclusive steps that overlap, both must be kept.
void History::see_exclusive(const std::string& repo, TaskId id, StepTerm& step) {
  std::map<Seq, TaskId>& open = open_exclusive_[repo];
  for (const auto& [started, other] : open) {
    if (other == id) continue;
    for (StepTerm& earlier : tasks_[other].steps) {
      if (earlier.started.seq != started || earlier.ended) continue;
      earlier.is_crowded = step.is_crowded = true;
    }
  }
  open.emplace(step.started.seq, id);
}

/// A step whose end was told before may have lasted longer than was known.
void History::see_exclusive_end(const TaskTerm& task, StepTerm& step, bool is_again) {
  const auto open = open_exclusive_.find(task.repo);
  if (is_told_for_good(step) && open != open_exclusive_.end()) open->second.erase(step.started.seq);
  if (!is_again) return;
  step.is_crowded = true;
  for (auto& [id, other] : tasks_) {
    if (other.repo != task.repo) continue;
    for (StepTerm& later : other.steps) {
      if (later.exclusive && later.started.seq > step.started.seq) later.is_crowded = true;
    }
  }
}

/// Of a task that has left memory no end can be told again; a step that was left behind overlaps all that follow.
void History::settle_exclusive(const TaskTerm& task) {
  const auto open = open_exclusive_.find(task.repo);
  if (open == open_exclusive_.end()) return;
  for (const StepTerm& step : task.steps) {
    if (step.ended) open->second.erase(step.started.seq);
  }
}

/// Whether it is still needed for another: one that depends on it and lost it, or an earlier one with the same work
/// item that was, or may yet be, stopped midway.
bool History::is_awaited(const State& after, const TaskTerm& task) const {
  const auto dependent = after.indexes.dependents.lower_bound({task.id, TaskId{0}});
  if (task.cancelled && dependent != after.indexes.dependents.end() && dependent->first == task.id) return true;
  const auto same = of_work_item_.find({task.repo, task.work_item});
  if (same == of_work_item_.end()) return false;
  return std::any_of(same->second.begin(), same->second.lower_bound(task.id), [&](TaskId id) {
    const TaskTerm* earlier = this->task(id);
    return after.tasks.find(id) || (earlier && earlier->cancel_requested && earlier->was_committed);
  });
}

/// Whether a live task has an exclusive step, begun before one of these had ended, that may yet prove to have lasted.
bool History::has_doubtful_neighbour(const TaskTerm& task) const {
  const auto open = open_exclusive_.find(task.repo);
  if (open == open_exclusive_.end()) return false;
  return std::any_of(task.steps.begin(), task.steps.end(), [&](const StepTerm& step) {
    return step.exclusive && std::any_of(open->second.begin(), open->second.end(), [&](const auto& other) {
             return other.second != task.id && other.first < step.ended.seq;
           });
  });
}

/// Of a task that has left memory: whether it can neither have ended badly nor be part of what led to a bad end.
bool History::may_forget(const TaskTerm& task) const {
  if (!task.blocks.empty() || (task.cancel_requested && task.was_committed)) return false;
  const auto was_taken = [&](const AttemptTerm& attempt) {
    const BootTerm* reporter = attempt.exited ? boot(attempt.exited_by) : nullptr;
    const bool is_by_another = reporter && attempt.exited_by != attempt.owner.boot_id && !reporter->is_daemon;
    return attempt.end == AttemptTerm::End::reaped || is_by_another;
  };
  if (std::any_of(task.attempts.begin(), task.attempts.end(), was_taken)) return false;
  const auto is_quiet = [](const StepTerm& step) { return is_told_for_good(step) && !step.is_crowded; };
  if (!std::all_of(task.steps.begin(), task.steps.end(), is_quiet)) return false;
  const std::deque<LeaseTerm>& leases = terms(task_key(task.id));
  return std::all_of(leases.begin(), leases.end(), is_released);
}

void History::forget(const State& after, std::span<const ArchivedTask> archived) {
  std::set<TaskId> ended;
  for (const ArchivedTask& each : archived) {
    if (const auto found = tasks_.find(each.task.id); found != tasks_.end()) settle_exclusive(found->second);
    ended.insert(each.task.id);
  }
  const bool is_sweep = ++groups_ % groups_until_looked_at_again == 0;
  if (is_sweep) {
    ended.insert(to_forget_.begin(), to_forget_.end());
    forget_leases(after);
  }
  for (const TaskId id : ended) {
    const auto found = tasks_.find(id);
    if (found == tasks_.end() || !may_forget(found->second)) {
      to_forget_.erase(id);
      continue;
    }
    const TaskTerm& task = found->second;
    if (is_awaited(after, task) || has_doubtful_neighbour(task)) {
      to_forget_.insert(id);
      continue;
    }
    forgotten_.add(task);
    const auto items = of_work_item_.find({task.repo, task.work_item});
    if (items != of_work_item_.end() && items->second.erase(id) > 0 && items->second.empty()) {
      of_work_item_.erase(items);
    }
    leases_.erase(task_key(id));
    to_forget_.erase(id);
    tasks_.erase(found);
  }
}

/// A lease that was always given back explains nothing. Those on tasks go with their tasks.
void History::forget_leases(const State& after) {
  std::erase_if(leases_, [&](const auto& each) {
    const auto& [key, terms] = each;
    return !task_of_key(key) && !after.lease(key) && std::all_of(terms.begin(), terms.end(), is_released);
  });
}

}  // namespace pawl
