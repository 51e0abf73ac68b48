// Where commands work: a git worktree for each task, on its branch, out of one bare repository for each repo.
//
//   DIR/repos/<repo>.git   bare, with remote `origin`; its branches are kept in refs/remotes/origin/
//   DIR/work               of each task a folder task-<id>: its worktree; empty for a repo that nobody named an origin
//   for
//
// Names of repos and branches come from outside and may look like options, paths or revisions: git is run without a
// shell, is given whole ref names, and only branch names that it would itself accept.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "daemon/work/process.h"
#include "daemon/work/system.h"
#include "schema/ids.h"
#include "schema/result.h"

namespace pawl {

/// Threads: any. One repository is worked on by one of them at a time.
class Worktrees {
 public:
  /// `origins`: repo → what `git fetch` takes. `system` runs git, and outlives them.
  Worktrees(System& system, const std::string& data_folder, std::map<std::string, std::string> origins);

  std::string folder_of(TaskId task) const;

  /// For an agent: fetches, and makes the worktree at origin's branch if there is none. An existing one keeps what
  /// earlier runs left in it, and follows origin where that is a mere fast-forward. A branch that origin does not have
  /// yet begins at its default branch: the agent is to push it.
  Result<Worktree> prepare(const WorkOrder& order);
  /// For gates and steps: the worktree as it is. Only made, as by prepare(), if there is none.
  Result<Worktree> existing(const WorkOrder& order);
  /// Deletes a branch at origin, as `git push --delete` does: never by force, and never the default branch, however it
  /// is spelled. Which one that is, origin is asked; if it does not say, the branch is kept, with an error. `in_use` is
  /// asked right before. Takes two minutes at most, and keeps nobody else from the repository meanwhile.
  Result<BranchEnd> delete_branch(const WorkOrder& order, const std::function<bool()>& in_use);
  /// Removes all that the task's folder holds, and leaves it there, empty; makes it if there is none.
  Result<void> empty(TaskId task);
  /// Removes the task's folder, whatever it holds; fine if there is none.
  Result<void> remove(TaskId task);
  /// The tasks that have a folder, by id.
  std::vector<TaskId> present() const;

  /// Calls off what git is doing, for good.
  void stop() { stop_.call(); }

 private:
  struct Repo {
    std::mutex busy;
    std::string folder;
    bool set_up = false;  // by this process
  };

  Repo* repo_of(const std::string& name);
  Result<std::string> git(const std::vector<std::string>& words, std::int64_t timeout_s);
  Result<std::string> git(const std::vector<std::string>& words);
  bool is_branch_name(const std::string& branch);
  Result<void> set_up(Repo& repo, const std::string& origin);
  Result<Worktree> make(Repo& repo, const WorkOrder& order);
  Result<Worktree> follow_origin(Repo& repo, const WorkOrder& order);
  bool has_ref(const Repo& repo, const std::string& ref);
  Result<void> forget_worktree(TaskId task);
  static std::filesystem::path admin_of(const Repo& repo, TaskId task);
  bool is_whole(const Repo& repo, TaskId task);

  std::string folder_of_all() const { return data_folder_ + "/work"; }

  System& system_;
  const std::string data_folder_;
  const std::map<std::string, std::string> origins_;
  std::mutex mutex_;
  std::map<std::string, Repo> repos_;  // by name; nodes stay where they are
  EventCallOff stop_;
};

}  // namespace pawl
