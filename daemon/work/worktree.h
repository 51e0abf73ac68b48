// Where commands work: for each task a clone of its own, on its branch, that borrows its objects from one bare copy of
// each repository.
//
//   DIR/repos/<repo>.git   pawld's copy of a repository (daemon/work/mirror.h)
//   DIR/work               of each task a folder task-<id>: its clone (daemon/work/task_clone.h); empty for a repo that
//                          nobody named an origin for
//
// Only fetch(), branches() and delete_branch() ask origin; all else takes a moment, whatever origin does.
//
// Names of repos and branches come from outside and may look like options, paths or revisions: git is run without a
// shell, is given whole ref names, and only branch names that it would itself accept.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "daemon/work/git_command.h"
#include "daemon/work/mirror.h"
#include "daemon/work/origins.h"
#include "daemon/work/system.h"
#include "daemon/work/task_clone.h"
#include "schema/ids.h"
#include "schema/result.h"
#include "store/os/mutex.h"

namespace pawl {

/// Threads: any; one at a time for a task.
class Worktrees {
 public:
  /// `system` runs git, and outlives them. `warn` is told what people should know; from any thread; may be empty.
  Worktrees(System& system, const std::string& data_folder, std::shared_ptr<const Origins> origins,
            std::function<void(const std::string&)> warn = {});

  std::string folder_of(TaskId task) const { return work_folder_ + "/" + task_folder_name(task); }

  /// As System's.
  Fetched fetch(const std::string& repo, Deadline until, const CallOff* off);
  Result<std::vector<std::string>> branches(const std::string& repo, std::chrono::seconds within);
  Result<Worktree> prepare(const WorkOrder& order);
  Result<Worktree> existing(const WorkOrder& order);
  Result<Worktree> take(const WorkOrder& order, Side side);
  /// Deletes a branch at origin, if it stands where it was when it was fetched last, and never the default branch,
  /// however it is spelled. Its commit is kept under refs/pawl/deleted/. Which one that is, origin is asked; if it does
  /// not say, the branch is kept, with an error. `in_use` is asked right before. Takes two minutes at most, and keeps
  /// nobody else from the repository meanwhile.
  Result<BranchDeletion> delete_branch(const WorkOrder& order, const std::function<bool()>& in_use);
  /// Removes all that the task's folder holds, and leaves it there, empty; makes it if there is none.
  Result<void> empty(TaskId task);
  /// Removes the task's folder, whatever it holds; fine if there is none.
  Result<void> remove(TaskId task);
  /// The tasks that have a folder, by id.
  std::vector<TaskId> present() const { return tasks_in(work_folder_); }

  /// Calls off what git is doing, for good.
  void stop();

 private:
  /// Null if the repository has no origin.
  Mirror* mirror_of(const std::string& repo);
  bool is_branch_name(const std::string& branch);
  Result<Worktree> plain_folder(TaskId task);

  System& system_;
  GitCommand git_;
  const std::string repos_folder_;
  const std::string work_folder_;
  const std::function<void(const std::string&)> warn_;
  Mutex mutex_;
  std::map<std::string, std::unique_ptr<Mirror>> mirrors_
      PAWL_GUARDED_BY(mutex_);  // by repo: of those that were asked for
  bool is_stopped_ PAWL_GUARDED_BY(mutex_) = false;
};

}  // namespace pawl
