// A task's clone: DIR/work/task-<id>, a repository with its own refs that borrows the mirror's objects, so that tasks'
// branches cannot conflict.
//
//   .git/pawl            who prepared it (boot), on which branch, where origin's branch stood when pawl last followed
//                        it (seen), whether origin had it when the work began, and the URL that the remote was given.
//                        Without it the clone is incomplete
//   refs/heads/<branch>  checked out; its upstream is origin's branch of the same name
//   refs/pawl/seen/<id>  every head of origin's branch that pawl has followed
//   refs/pawl/left/<t>   uncommitted changes from when the worktree had to move on, and heads that `take` put aside
//
// A commit is the task's own if it is reachable from the task's head, but not from a head that was seen, from what its
// agents fetched or pushed (the log of refs/remotes/origin/<branch> in the clone), or from a branch of origin.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "daemon/work/git_command.h"
#include "daemon/work/system.h"

namespace pawl {

class Mirror;

/// Makes a task's folder, with the mode that the task's agents would give it. A link in its place is removed.
Result<void> make_task_folder(const std::string& folder);

/// Removes a folder with all its contents, including read-only ones. Does not follow links.
Result<void> remove_folder(const std::string& folder);
/// Whether it is a folder, not a link to one. Agents can make links wherever they work, and the targets are not ours.
bool is_real_folder(const std::string& path);

std::string task_folder_name(TaskId task);
/// The tasks that have a folder in DIR/work, by id.
std::vector<TaskId> tasks_in(const std::string& work_folder);

/// Threads: any; one at a time for a task.
class TaskClones {
 public:
  TaskClones(GitCommand& git, Mirror& mirror, std::string work_folder)
      : git_(git), mirror_(mirror), work_folder_(std::move(work_folder)) {}

  std::string folder_of(TaskId task) const { return work_folder_ + "/" + task_folder_name(task); }
  /// Whether the clone exists and is complete.
  bool is_made(TaskId task) const;

  Result<Worktree> make(const WorkRequest& request);
  /// Requires: is_made().
  Result<Worktree> follow(const WorkRequest& request);
  /// Returns the worktree unchanged. Requires: is_made().
  Result<Worktree> look(const WorkRequest& request);
  /// Requires: is_made().
  Result<Worktree> take(const WorkRequest& request, Side side);

  /// The tasks whose clones borrow from the mirror.
  std::vector<TaskId> borrowers() const;
  /// Copies a clone's heads, with their history, into another repository, as refs/pawl/task-<id>/.
  bool carry_over(TaskId task, const std::string& into);
  /// Converts worktrees that an earlier version left in the mirror to clones. Keeps the changes in them.
  void convert_worktrees();

 private:
  /// The contents of .git/pawl.
  struct Mark {
    std::string boot;
    std::string branch;
    std::string seen;
    bool is_begun_here = false;
    std::string url = {};  // given to the remote; empty: an earlier version did not record it
  };
  struct Heads {
    std::string head;         // checked out
    std::string branch_head;  // the task's branch in the clone
  };

  std::optional<Mark> mark_of(TaskId task) const;
  Result<void> write_mark(TaskId task, const Mark& mark);
  Result<void> begin_clone(const std::string& folder, const WorkRequest& request);
  bool has_lost_its_clone(TaskId task) const;
  Result<std::string> default_head();
  std::string origin_head(const std::string& branch);
  std::optional<Heads> heads_of(const WorkRequest& request);
  Worktree found(const WorkRequest& request, const Heads& heads, const Mark& mark);
  Result<Worktree> put_aside(const WorkRequest& request, const std::string& why);
  Result<void> follow_url(const WorkRequest& request, Mark& mark);
  Result<void> copy_refs(const WorkRequest& request);
  bool has_own(const WorkRequest& request, const Heads& heads);
  std::string last_push(const WorkRequest& request) const;
  bool is_ancestor(TaskId task, const std::string& older, const std::string& newer);
  bool is_withdrawn(TaskId task, const std::string& ours, const std::string& was, const std::string& origin);
  Result<std::string> move_to(const WorkRequest& request, const std::string& head);
  void keep(TaskId task, const std::string& head);

  std::vector<std::string> in(TaskId task, std::vector<std::string> words) const;

  GitCommand& git_;
  Mirror& mirror_;
  const std::string work_folder_;
};

}  // namespace pawl
