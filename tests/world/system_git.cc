// Worktrees, and an origin that hangs, is not there, or is called off.
#include <utility>

#include "tests/world/system_parts.h"

namespace pawl::hostile {
namespace {

constexpr Us deletion_hangs_max = 50 * second;

}  // namespace

HostileSystem::Answer HostileSystem::remote(Us most, Us until, const CallOff* off) {
  const Us time = story_.strikes(Hostility::remote, 2) ? story_.dice.between(1, most / second) * second
                                                       : story_.dice.between(0, 200) * ms;
  const Us end = std::min(until, scheduler_.now() + time);
  const ActorId self = scheduler_.self();
  const auto* call = static_cast<const FiberCallOff*>(off);
  if (call) call->wakes(self);
  in_git_.insert(self);
  while (!git_stopped_ && !(call && call->called()) && scheduler_.now() < end) scheduler_.wait_until(end);
  in_git_.erase(self);
  if (call) call->wakes(0);
  if (git_stopped_ || (call && call->called())) {
    story_.mark(Mark::git_called_off);
    return Answer::called_off;
  }
  const bool is_late = end >= until && until != forever;
  if (!is_late && time <= most * 9 / 10 && !story_.strikes(Hostility::remote, 3)) return Answer::answers;
  story_.mark(Mark::origin_failed);
  return Answer::fails;
}

Fetched HostileSystem::fetch_origin(const std::string& repo, Deadline until, const CallOff* off) {
  breathe();
  if (!story_.origins.contains(repo)) return {};
  // How several share one is the business of what stands below.
  if (!fetching_.insert(repo).second) story_.mark(Mark::repo_busy);
  const Answer answer = remote(git_hangs_max, us_of(until), off);
  fetching_.erase(repo);
  switch (answer) {
    case Answer::answers:
      story_.folder.fetched.insert(repo);
      return {};
    case Answer::called_off:
      return {.end = FetchEnd::called_off, .words = "called off"};
    case Answer::fails:
      break;
  }
  if (!story_.strikes(Hostility::remote, 4)) return {.end = FetchEnd::unreachable, .words = "origin does not answer"};
  story_.mark(Mark::origin_refused);
  return {.end = FetchEnd::refused, .words = "Authentication failed"};
}

Result<std::vector<std::string>> HostileSystem::origin_branches(const std::string& repo, std::chrono::seconds within) {
  const auto origin = story_.origins.find(repo);
  if (origin == story_.origins.end()) return Error{ErrorCode::missing, "no origin"};
  const Us most = static_cast<Us>(within.count()) * second;
  if (remote(most, scheduler_.now() + most, nullptr) != Answer::answers) return Error{ErrorCode::io, "no answer"};
  std::vector<std::string> names;
  for (const auto& [place, branch] : story_.branches) {
    if (place == origin->second) names.push_back(branch);
  }
  return names;
}

Worktree HostileSystem::tree_of(const WorkOrder& order) const {
  const auto found = story_.folder.worktrees.find(order.task);
  const bool is_begun_here = raw(order.task) % 2 == 1;
  return {.folder = "work",
          .head = "1",
          .origin_head = is_begun_here ? "" : "1",
          .is_begun_here = is_begun_here,
          .is_of_boot = found != story_.folder.worktrees.end() && found->second == order.boot};
}

Result<Worktree> HostileSystem::prepare_worktree(const WorkOrder& order) {
  breathe();
  if (git_stopped_) return Error{ErrorCode::io, "git: called off"};
  if (story_.origins.contains(order.repo) && !story_.folder.fetched.contains(order.repo)) {
    story_.broken("a worktree of " + order.repo + " is made, which was never fetched");
  }
  story_.folder.worktrees[order.task] = order.boot;
  return tree_of(order);
}

Result<Worktree> HostileSystem::existing_worktree(const WorkOrder& order) {
  breathe();
  if (!story_.origins.contains(order.repo)) story_.folder.worktrees.try_emplace(order.task, order.boot);
  if (!story_.folder.worktrees.contains(order.task)) return Error{ErrorCode::missing, "no worktree"};
  Worktree tree = tree_of(order);
  if (!story_.origins.contains(order.repo)) tree.is_of_boot = true;
  return tree;
}

Result<Worktree> HostileSystem::take_side(const WorkOrder& order, Side /*side*/) {
  return existing_worktree(order);
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

Result<BranchDeletion> HostileSystem::delete_branch(const WorkOrder& order, const std::function<bool()>& in_use) {
  const auto ask = [this]() -> Result<void> {
    if (remote(deletion_hangs_max, forever, nullptr) == Answer::answers) return {};
    return Error{ErrorCode::io, "git: origin does not answer"};
  };
  PAWL_TRY(ask());
  const std::pair<std::string, std::string> branch{story_.origins.at(order.repo), order.branch};
  if (!story_.branches.contains(branch)) return BranchDeletion{};
  const std::set<TaskId> before = on_branch(order);
  if (in_use()) {
    story_.mark(Mark::branch_in_use);
    return BranchDeletion{.end = BranchEnd::in_use};
  }
  std::set<TaskId> robbed;
  for (const TaskId task : on_branch(order)) {
    if (before.contains(task)) robbed.insert(task);
  }
  if (!robbed.empty()) {
    story_.broken("the branch " + order.branch + " is deleted, on which task " + std::to_string(raw(*robbed.begin())) +
                  " works");
  }
  PAWL_TRY(ask());
  story_.branches.erase(branch);
  story_.mark(Mark::branch_deleted);
  return BranchDeletion{.end = BranchEnd::deleted, .head = "head", .brings_back = "git push"};
}

Result<void> HostileSystem::empty_worktree(TaskId task) {
  breathe();
  story_.folder.worktrees.try_emplace(task);
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
  std::vector<TaskId> tasks;
  for (const auto& [task, boot] : story_.folder.worktrees) tasks.push_back(task);
  return tasks;
}

void HostileSystem::stop_git() {
  git_stopped_ = true;
  for (const ActorId actor : in_git_) scheduler_.wake(actor);
}

}  // namespace pawl::hostile
