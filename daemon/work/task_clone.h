// A task's clone: DIR/work/task-<id>, a repository with refs of its own that borrows the mirror's objects, so that no
// task's branch stands in another one's way.
//
//   .git/pawl            who prepared it (boot), on which branch, where origin's branch stood when pawl last followed
//                        it (seen), whether origin had it when the work began, and the URL that the remote was given.
//                        Without it a clone was cut short
//   refs/heads/<branch>  checked out; its upstream is origin's branch of the same name
//   refs/pawl/seen/<id>  every head of origin's branch that pawl has followed
//   refs/pawl/left/<t>   what was not committed when the worktree had to move on, and heads that `take` put aside
//
// A commit is the task's own if it can be reached from its head, and neither from a head that was seen, nor from what
// its agents fetched or pushed (the log of refs/remotes/origin/<branch> in the clone), nor from a branch of origin.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "daemon/work/git_command.h"
#include "daemon/work/system.h"

namespace pawl {

class Mirror;

/// Removes a folder and all that is in it, also what may not be written to. Links are not followed.
Result<void> remove_folder(const std::string& folder);
/// A folder, and no link to one. Agents can make links wherever they work, and what those point to is none of ours.
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
  /// Whether it is there and was not cut short.
  bool is_made(TaskId task) const;

  Result<Worktree> make(const WorkOrder& order);
  /// Requires: is_made().
  Result<Worktree> follow(const WorkOrder& order);
  /// As it is. Requires: is_made().
  Result<Worktree> look(const WorkOrder& order);
  /// Requires: is_made().
  Result<Worktree> take(const WorkOrder& order, Side side);

  /// The tasks whose clones borrow from the mirror.
  std::vector<TaskId> borrowers() const;
  /// Brings the heads of a clone, with all that they stand on, into another repository, as refs/pawl/task-<id>/.
  bool carry_over(TaskId task, const std::string& into);
  /// Makes clones of the worktrees that an earlier version left in the mirror. What was changed in them stays.
  void convert_worktrees();

 private:
  /// What .git/pawl says.
  struct Mark {
    std::string boot;
    std::string branch;
    std::string seen;
    bool is_begun_here = false;
    std::string url = {};  // that the remote was given; empty: an earlier version did not say
  };
  struct Heads {
    std::string head;         // that is checked out
    std::string branch_head;  // of the task's branch here
  };

  std::optional<Mark> mark_of(TaskId task) const;
  Result<void> write_mark(TaskId task, const Mark& mark);
  Result<void> begin_clone(const std::string& folder, const WorkOrder& order);
  Result<std::string> default_head();
  std::string origin_head(const std::string& branch);
  std::optional<Heads> heads_of(const WorkOrder& order);
  Worktree found(const WorkOrder& order, const Heads& heads, const Mark& mark);
  Result<Worktree> put_aside(const WorkOrder& order, const std::string& why);
  Result<void> follow_url(const WorkOrder& order, Mark& mark);
  Result<void> copy_refs(const WorkOrder& order);
  bool has_own(const WorkOrder& order, const Heads& heads);
  bool is_known_to_agents(const WorkOrder& order, const std::string& head);
  bool is_ancestor(TaskId task, const std::string& older, const std::string& newer);
  Result<std::string> move_to(const WorkOrder& order, const std::string& head);
  void keep(TaskId task, const std::string& head);

  std::vector<std::string> in(TaskId task, std::vector<std::string> words) const;

  GitCommand& git_;
  Mirror& mirror_;
  const std::string work_folder_;
};

}  // namespace pawl
