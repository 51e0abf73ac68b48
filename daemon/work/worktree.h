// Where commands work: each task has its own clone, on its branch, that borrows objects from one bare copy per
// repository.
//
//   DIR/repos/<repo>.git   pawld's copy of a repository (daemon/work/mirror.h)
//   DIR/work               a folder task-<id> per task: its clone (daemon/work/task_clone.h); empty if the repo has no
//                          origin
//
// Only fetch(), branches() and delete_branch() contact origin; everything else is quick, whatever origin does.
//
// Names of repos and branches come from outside and may look like options, paths or revisions. So git runs without a
// shell, and gets full ref names and only branch names that it accepts itself.
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
  /// `system` runs git, and outlives this. `warn` gets messages for people, from any thread; may be empty.
  Worktrees(System& system, const std::string& data_folder, std::shared_ptr<const Origins> origins,
            std::function<void(const std::string&)> warn = {});

  std::string folder_of(TaskId task) const { return work_folder_ + "/" + task_folder_name(task); }

  /// As System's.
  Fetched fetch(const std::string& repo, Deadline until, const CancelToken* off);
  Result<std::vector<std::string>> branches(const std::string& repo, std::chrono::seconds within);
  Result<Worktree> prepare(const WorkRequest& request);
  Result<Worktree> existing(const WorkRequest& request);
  Result<Worktree> take(const WorkRequest& request, Side side);
  /// Deletes a branch at origin if it has not moved since the last fetch, but never the default branch, however
  /// spelled. Keeps its commit under refs/pawl/deleted/. Asks origin for the default branch; if origin does not name
  /// one, keeps the branch and returns an error. Calls `in_use` right before deleting. Takes two minutes at most,
  /// without blocking other use of the repository.
  Result<BranchDeletion> delete_branch(const WorkRequest& request, const std::function<bool()>& in_use);
  /// Empties the task's folder; makes it if there is none.
  Result<void> empty(TaskId task);
  /// Removes the task's folder with its contents; succeeds if there is none.
  Result<void> remove(TaskId task);
  /// The tasks that have a folder, by id.
  std::vector<TaskId> present() const { return tasks_in(work_folder_); }

  /// Calls off running git commands and all later ones.
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
  std::map<std::string, std::unique_ptr<Mirror>> mirrors_ PAWL_GUARDED_BY(mutex_);  // by repo; created on first use
  bool is_stopped_ PAWL_GUARDED_BY(mutex_) = false;
};

}  // namespace pawl
