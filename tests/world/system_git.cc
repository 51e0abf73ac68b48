// Worktrees, and an origin that hangs, is not there, or is called off.
#include <utility>

#include "tests/world/system_parts.h"

namespace pawl::hostile {
namespace {

constexpr Us deletion_hangs_max = 50 * second;

}  // namespace

Result<void> HostileSystem::remote(Us most) {
  const Us time = story_.strikes(Hostility::remote, 2) ? story_.dice.between(1, most / second) * second
                                                       : story_.dice.between(0, 200) * ms;
  const Us until = scheduler_.now() + time;
  const ActorId self = scheduler_.self();
  in_git_.insert(self);
  while (!git_stopped_ && scheduler_.now() < until) scheduler_.wait_until(until);
  in_git_.erase(self);
  if (git_stopped_) {
    story_.mark(Mark::git_called_off);
    return Error{ErrorCode::io, "git: called off"};
  }
  if (time <= most * 9 / 10 && !story_.strikes(Hostility::remote, 3)) return {};
  story_.mark(Mark::origin_failed);
  return Error{ErrorCode::io, "git: origin does not answer"};
}

/// One works on a repository at a time, as its mutex has it: the others wait, however long he takes.
class HostileSystem::BusyRepo {
 public:
  BusyRepo(HostileSystem& system, std::string repo) : system_(system), repo_(std::move(repo)) {
    const ActorId self = system.scheduler_.self();
    if (system.busy_repos_.contains(repo_)) system.story_.mark(Mark::repo_busy);
    while (system.busy_repos_.contains(repo_)) {
      system.waiting_for_repo_.insert(self);
      system.scheduler_.wait();
    }
    system.waiting_for_repo_.erase(self);
    system.busy_repos_.insert(repo_);
  }
  BusyRepo(const BusyRepo&) = delete;
  BusyRepo& operator=(const BusyRepo&) = delete;
  ~BusyRepo() {
    system_.busy_repos_.erase(repo_);
    for (const ActorId actor : system_.waiting_for_repo_) system_.scheduler_.wake(actor);
  }

 private:
  HostileSystem& system_;
  const std::string repo_;
};

Result<Worktree> HostileSystem::prepare_worktree(const WorkOrder& order) {
  if (!story_.origins.contains(order.repo)) return existing_worktree(order);
  const BusyRepo busy(*this, order.repo);
  return prepare_locked(order);
}

Result<Worktree> HostileSystem::prepare_locked(const WorkOrder& order) {
  breathe();
  PAWL_TRY(remote(git_hangs_max));
  story_.folder.worktrees.insert(order.task);
  return Worktree{.folder = "work", .remark = {}};
}

Result<Worktree> HostileSystem::existing_worktree(const WorkOrder& order) {
  breathe();
  if (!story_.origins.contains(order.repo)) {
    story_.folder.worktrees.insert(order.task);
    return Worktree{.folder = "work", .remark = {}};
  }
  const BusyRepo busy(*this, order.repo);
  if (git_stopped_) return Error{ErrorCode::io, "git: called off"};
  if (!story_.folder.worktrees.contains(order.task)) return prepare_locked(order);
  return Worktree{.folder = "work", .remark = {}};
}

/// The live tasks that work on that branch of what is one repository under several names.
std::set<TaskId> HostileSystem::on_branch(const WorkOrder& order) const {
  std::set<TaskId> tasks;
  for (const auto& [id, task] : story_.witness().state().tasks.rows()) {
    const auto origin = story_.origins.find(task.repo);
    if (is_terminal(task.stage) || task.branch != order.branch || origin == story_.origins.end()) continue;
    if (origin->second == story_.origins.at(order.repo)) tasks.insert(id);
  }
  return tasks;
}

Result<BranchEnd> HostileSystem::delete_branch(const WorkOrder& order, const std::function<bool()>& in_use) {
  PAWL_TRY(remote(deletion_hangs_max));
  const std::pair<std::string, std::string> branch{story_.origins.at(order.repo), order.branch};
  if (!story_.branches.contains(branch)) return BranchEnd::absent;
  const std::set<TaskId> before = on_branch(order);
  if (in_use()) {
    story_.mark(Mark::branch_in_use);
    return BranchEnd::in_use;
  }
  std::set<TaskId> robbed;
  for (const TaskId task : on_branch(order)) {
    if (before.contains(task)) robbed.insert(task);
  }
  if (!robbed.empty()) {
    story_.broken("the branch " + order.branch + " is deleted, on which task " + std::to_string(raw(*robbed.begin())) +
                  " works");
  }
  PAWL_TRY(remote(deletion_hangs_max));
  story_.branches.erase(branch);
  story_.mark(Mark::branch_deleted);
  return BranchEnd::deleted;
}

Result<void> HostileSystem::empty_worktree(TaskId task) {
  breathe();
  story_.folder.worktrees.insert(task);
  if (story_.strikes(Hostility::remote, 3)) return Error{ErrorCode::io, "cannot be emptied"};
  story_.mark(Mark::folder_emptied);
  return {};
}

Result<void> HostileSystem::remove_worktree(TaskId task) {
  breathe();
  const Task* row = story_.witness().state().tasks.find(task);
  if (row && !is_terminal(row->stage)) {
    story_.broken("the worktree of task " + std::to_string(raw(task)) + " is removed, which is not finished");
  }
  if (story_.strikes(Hostility::remote, 3)) {
    story_.mark(Mark::folder_kept);
    return Error{ErrorCode::io, "cannot be removed"};
  }
  story_.mark(Mark::folder_removed);
  story_.folder.worktrees.erase(task);
  return {};
}

std::vector<TaskId> HostileSystem::worktrees() {
  return {story_.folder.worktrees.begin(), story_.folder.worktrees.end()};
}

void HostileSystem::stop_git() {
  git_stopped_ = true;
  for (const ActorId actor : in_git_) scheduler_.wake(actor);
}

}  // namespace pawl::hostile
