// Moves clones: copies what a clone keeps into a rebuilt mirror, and converts worktrees of earlier versions into
// clones.
#include <filesystem>
#include <sstream>
#include <string_view>
#include <utility>

#include "daemon/work/mirror.h"
#include "daemon/work/task_clone.h"
#include "store/os/inner_file.h"

namespace pawl {
namespace {

namespace fs = std::filesystem;

}  // namespace

bool TaskClones::carry_over(TaskId task, const std::string& into) {
  const std::string name = "refs/pawl/" + task_folder_name(task);
  const std::string from = folder_of(task) + "/.git";
  const auto fetch = [&](std::vector<std::string> refs) {
    std::vector<std::string> words{"--git-dir=" + into,       "fetch", "--quiet", "--no-tags", "--no-write-fetch-head",
                                   "--no-recurse-submodules", "--",    from};
    words.insert(words.end(), refs.begin(), refs.end());
    return git_.run({.words = std::move(words)}).is_ok();
  };
  const std::string others = "+refs/pawl/*:" + name + "/pawl/*";
  if (fetch({"+HEAD:" + name + "/head", "+refs/heads/*:" + name + "/heads/*", others})) return true;
  // The refs other than HEAD may be what is broken.
  const bool has_head = fetch({"+HEAD:" + name + "/head"});
  const std::optional<Heads> heads = heads_of({.task = task, .repo = {}, .branch = {}});
  if (has_head || (heads && heads->head.empty())) return true;
  [[maybe_unused]] const Result<void> noted = write_below(folder_of(task), ".git/pawl-damaged", "");
  return false;
}

void TaskClones::convert_worktrees() {
  std::error_code error;
  if (!is_real_folder(mirror_.folder() + "/worktrees")) return;
  const std::vector<TaskId> tasks = tasks_in(mirror_.folder() + "/worktrees");
  for (const TaskId task : tasks) {
    const std::string admin = mirror_.folder() + "/worktrees/" + task_folder_name(task);
    const std::string folder = folder_of(task);
    const std::string next = work_folder_ + "/." + task_folder_name(task) + ".new";
    const bool was_ready = fs::exists(next + "/.git/pawl", error) && !fs::exists(folder + "/.git", error);
    if (!was_ready && is_real_folder(folder) && fs::is_regular_file(fs::symlink_status(folder + "/.git", error)) &&
        !fs::exists(admin + "/locked", error)) {
      fs::remove_all(next, error);
      const std::string git_dir = "--git-dir=" + admin;
      const GitEnd head = git_.run({.words = {git_dir, "rev-parse", "--quiet", "--verify", "HEAD^{commit}"}});
      const GitEnd points = git_.run({.words = {git_dir, "symbolic-ref", "--quiet", "HEAD"}});
      const std::string on = points.is_ok() ? without_end_of_line(points.said) : std::string();
      const std::string branch = on.starts_with("refs/heads/") ? on.substr(std::string("refs/heads/").size()) : "";
      const std::optional<std::string> commit = object_name_in(head.said);
      const WorkRequest request{.task = task, .repo = {}, .branch = branch};
      if (!head.is_ok() || !commit || !begin_clone(next, request)) {
        continue;  // left as it is: a new clone is made when needed
      }
      const std::string ref = "refs/pawl/" + task_folder_name(task) + "/head";
      git_.run({.words = {"--git-dir=" + mirror_.folder(), "update-ref", ref, *commit}});
      // Refs that commands keep were shared by all worktrees until now.
      std::istringstream lines(git_.run({.words = {"--git-dir=" + mirror_.folder(), "for-each-ref",
                                                   "--format=%(objectname) %(refname)", "refs/pawl"}})
                                   .said);
      for (std::string line; std::getline(lines, line);) {
        if (is_object_name(std::string_view(line).substr(0, line.find(' '))) && !line.ends_with(" refs/pawl/default")) {
          git_.run({.words = {"--git-dir=" + next + "/.git", "update-ref", line.substr(line.find(' ') + 1),
                              line.substr(0, line.find(' '))}});
        }
      }
      if (branch.empty()) {
        git_.run({.words = {"--git-dir=" + next + "/.git", "update-ref", "--no-deref", "HEAD", *commit}});
      } else {
        git_.run({.words = {"--git-dir=" + next + "/.git", "symbolic-ref", "HEAD", on}});
        git_.run({.words = {"--git-dir=" + next + "/.git", "update-ref", on, *commit}});
      }
      fs::copy_file(admin + "/index", next + "/.git/index", fs::copy_options::overwrite_existing, error);
      // Git uses the index's time to tell which files may have changed in the same instant.
      fs::last_write_time(next + "/.git/index", fs::last_write_time(admin + "/index", error), error);
      const std::string seen = branch.empty() ? std::string() : origin_head(branch);
      const Result<void> marked =
          write_below(next, ".git/pawl", "boot \nbranch " + branch + "\nseen " + seen + "\nbegun_here 0\n");
      if (!marked) continue;
      fs::remove(folder + "/.git", error);
    }
    if (fs::exists(next + "/.git/pawl", error) && is_real_folder(folder)) {
      fs::rename(next + "/.git", folder + "/.git", error);
      if (error) continue;
      fs::remove_all(next, error);
    }
    fs::remove_all(admin, error);
  }
}

}  // namespace pawl
