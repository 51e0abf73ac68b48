#include "daemon/work/task_clone.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <filesystem>
#include <sstream>
#include <string_view>
#include <utility>

#include "daemon/work/mirror.h"
#include "store/os/file_mask.h"
#include "store/os/inner_file.h"
#include "store/os/regular_file.h"

namespace pawl {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view task_prefix = "task-";
constexpr std::size_t own_file_bytes_max = 64 * 1024;
constexpr const char* alternates_file = ".git/objects/info/alternates";

std::string branch_ref(const std::string& branch) {
  return "refs/heads/" + branch;
}

std::string origin_ref(const std::string& branch) {
  return "refs/remotes/origin/" + branch;
}

/// Agents can write there, so links are not followed and pipes are not waited for. Empty if there is no such file.
std::string in_file(const std::string& folder, const std::string& below) {
  const Result<std::string> text = read_below(folder, below, own_file_bytes_max);
  return text ? *text : std::string();
}

/// An unused name for what is put aside: the prefix, seconds since 1970, and a number if two fall into one second.
std::string unused(const std::string& prefix) {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  std::string name = prefix + std::to_string(std::chrono::duration_cast<std::chrono::seconds>(now).count());
  std::error_code error;
  for (unsigned n = 2; fs::exists(fs::symlink_status(name, error)); ++n) {
    name = prefix + std::to_string(std::chrono::duration_cast<std::chrono::seconds>(now).count()) + "-" +
           std::to_string(n);
  }
  return name;
}

/// Makes all our folders writable: the contents of a read-only folder can neither be removed nor listed.
void make_writable(const fs::path& folder) {
  std::error_code error;
  if (fs::symlink_status(folder, error).type() != fs::file_type::directory) return;
  fs::permissions(folder, fs::perms::owner_all, fs::perm_options::add | fs::perm_options::nofollow, error);
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
    make_writable(entry->path());
  }
}

}  // namespace

Result<void> make_task_folder(const std::string& folder) {
  const fs::path path = folder;
  std::error_code error;
  PAWL_TRY(make_inner_folders(path.parent_path().string()));
  if (fs::is_symlink(fs::symlink_status(path, error))) fs::remove(path, error);
  const bool is_new = fs::create_directory(path, error);
  const std::optional<mode_t> mask = umask_before();
  if (is_new && mask) fs::permissions(path, static_cast<fs::perms>(0777 & ~*mask), error);
  if (error) return Error{ErrorCode::io, path.string() + ": " + error.message()};
  return {};
}

Result<void> remove_folder(const std::string& folder) {
  std::error_code error;
  fs::remove_all(folder, error);
  if (error) {
    make_writable(folder);
    error.clear();
    fs::remove_all(folder, error);
  }
  if (error) return Error{ErrorCode::io, folder + ": " + error.message()};
  return {};
}

bool is_real_folder(const std::string& path) {
  std::error_code error;
  return fs::symlink_status(path, error).type() == fs::file_type::directory;
}

std::string task_folder_name(TaskId task) {
  return std::string(task_prefix) + std::to_string(raw(task));
}

std::vector<TaskId> tasks_in(const std::string& work_folder) {
  std::vector<TaskId> tasks;
  std::error_code error;
  for (fs::directory_iterator entry(work_folder, error), end; !error && entry != end; entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    if (!name.starts_with(task_prefix)) continue;
    const std::string_view digits = std::string_view(name).substr(task_prefix.size());
    std::uint64_t id = 0;
    const auto [last, wrong] = std::from_chars(digits.data(), digits.data() + digits.size(), id);
    if (wrong == std::errc() && last == digits.data() + digits.size()) tasks.push_back(TaskId{id});
  }
  std::sort(tasks.begin(), tasks.end());
  return tasks;
}

std::vector<std::string> TaskClones::in(TaskId task, std::vector<std::string> words) const {
  const std::string folder = folder_of(task);
  words.insert(words.begin(), {"-C", folder, "--git-dir=" + folder + "/.git", "--work-tree=" + folder});
  return words;
}

bool TaskClones::is_made(TaskId task) const {
  std::error_code error;
  const std::string folder = folder_of(task);
  return is_real_folder(folder) && is_real_folder(folder + "/.git") && fs::exists(folder + "/.git/pawl", error);
}

std::optional<TaskClones::Mark> TaskClones::mark_of(TaskId task) const {
  const Result<std::string> text = read_below(folder_of(task), ".git/pawl", own_file_bytes_max);
  if (!text) return std::nullopt;
  std::istringstream file(*text);
  Mark mark;
  for (std::string line; std::getline(file, line);) {
    const std::size_t space = line.find(' ');
    if (space == std::string::npos) continue;
    const std::string key = line.substr(0, space);
    const std::string value = line.substr(space + 1);
    if (key == "boot") mark.boot = value;
    if (key == "branch") mark.branch = value;
    if (key == "seen") mark.seen = value;
    if (key == "begun_here") mark.is_begun_here = value == "1";
    if (key == "url") mark.url = value;
  }
  return mark;
}

Result<void> TaskClones::write_mark(TaskId task, const Mark& mark) {
  const std::string path = folder_of(task) + "/.git/pawl";
  PAWL_TRY(write_below(folder_of(task), ".git/pawl.part",
                       "boot " + mark.boot + "\nbranch " + mark.branch + "\nseen " + mark.seen + "\nbegun_here " +
                           (mark.is_begun_here ? "1" : "0") + "\nurl " + mark.url + "\n"));
  std::error_code error;
  fs::rename(path + ".part", path, error);
  if (error) return Error{ErrorCode::io, path + ": " + error.message()};
  return {};
}

/// The commit where a new branch begins; empty if origin has no commits.
Result<std::string> TaskClones::default_head() {
  const std::string git_dir = "--git-dir=" + mirror_.folder();
  const GitEnd end = git_.run({.words = {git_dir, "rev-parse", "--quiet", "--verify", "refs/pawl/default^{commit}"}});
  if (end.is_ok()) return object_name_in(end.said).value_or("");
  const std::string any =
      PAWL_TRY(git_({git_dir, "for-each-ref", "--count=1", "--format=%(objectname)", "refs/remotes/origin"}));
  if (!object_name_in(any)) return std::string();
  return Error{ErrorCode::malformed, mirror_.origin_url() +
                                         ": HEAD names no branch that exists, so a new branch has no starting point; "
                                         "set HEAD at origin, or push the task's branch"};
}

/// The head of origin's branch, as last fetched; empty if origin does not have it.
std::string TaskClones::origin_head(const std::string& branch) {
  const GitEnd end = git_.run({.words = {"--git-dir=" + mirror_.folder(), "rev-parse", "--quiet", "--verify",
                                         "--end-of-options", origin_ref(branch) + "^{commit}"}});
  return end.is_ok() ? object_name_in(end.said).value_or("") : std::string();
}

/// Creates a repository in `folder` that borrows the mirror's objects and has its refs, with nothing checked out.
Result<void> TaskClones::begin_clone(const std::string& folder, const WorkRequest& request) {
  const std::string mirror_dir = "--git-dir=" + mirror_.folder();
  const std::string format = without_end_of_line(PAWL_TRY(git_({mirror_dir, "rev-parse", "--show-object-format"})));
  const std::size_t line = format.rfind('\n');  // after warnings
  PAWL_TRY(git_({"init", "--quiet", "--template=",
                 "--object-format=" + (line == std::string::npos ? format : format.substr(line + 1)), "--", folder}));
  std::string refs;
  std::istringstream lines(PAWL_TRY(
      git_({mirror_dir, "for-each-ref", "--format=%(objectname) %(refname)", "refs/remotes/origin", "refs/tags"})));
  for (std::string ref; std::getline(lines, ref);) {
    if (is_object_name(std::string_view(ref).substr(0, ref.find(' ')))) refs += ref + "\n";
  }
  std::string settings = setting_lines("remote.origin.url", mirror_.origin_url()) +
                         setting_lines("remote.origin.fetch", "+refs/heads/*:refs/remotes/origin/*") +
                         setting_lines("push.default", "simple") + setting_lines("gc.auto", "0") +
                         setting_lines("maintenance.auto", "false") + setting_lines("core.logAllRefUpdates", "always");
  settings += mirror_.settings();
  if (!request.branch.empty()) {
    settings += setting_lines("branch." + request.branch + ".remote", "origin") +
                setting_lines("branch." + request.branch + ".merge", branch_ref(request.branch));
  }
  std::error_code error;
  const std::string git = folder + "/.git";
  fs::create_directories(git + "/objects/info", error);
  PAWL_TRY(write_below(folder, alternates_file, mirror_.folder() + "/objects\n"));
  PAWL_TRY(write_below(folder, ".git/packed-refs", "# pack-refs with: sorted \n" + refs));
  return append_below(folder, ".git/config", settings);
}

/// Whether a folder in the place of a clone may hold work. Before a clone is complete, no command has run in it.
bool TaskClones::has_lost_its_clone(TaskId task) const {
  std::error_code error;
  const fs::path folder = folder_of(task);
  if (!is_real_folder(folder.string()) || fs::exists(folder / ".git/pawl.part", error)) return false;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
    if (entry->path().filename() != ".git" || !fs::is_empty(entry->path(), error)) return true;
  }
  return static_cast<bool>(error);
}

Result<Worktree> TaskClones::make(const WorkRequest& request) {
  const std::string folder = folder_of(request.task);
  if (has_lost_its_clone(request.task)) {
    return put_aside(request, "the folder of task " + std::to_string(raw(request.task)) + " has no clone in it");
  }
  if (!remove_folder(folder)) {
    // It holds files of another user that cannot be removed. They are not needed, and must not block the task.
    std::error_code error;
    fs::rename(folder, unused(folder + ".left-"), error);
    if (error) return Error{ErrorCode::io, folder + ": " + error.message()};
  }
  Mark mark{
      .boot = request.boot, .branch = request.branch, .seen = {}, .is_begun_here = false, .url = mirror_.origin_url()};
  std::string remark;
  if (!request.branch.empty()) mark.seen = origin_head(request.branch);
  std::string head = mark.seen;
  if (head.empty()) head = PAWL_TRY(default_head());
  if (mark.seen.empty() && !request.branch.empty()) {
    if (!request.begins_branch) {
      return Worktree{.folder = folder, .barred = "no_branch: origin has no branch '" + request.branch + "'"};
    }
    mark.is_begun_here = true;
    remark = "origin has no branch '" + request.branch + "' yet: it begins " +
             (head.empty() ? "empty, since origin has no commit" : "at the default branch");
  }
  PAWL_TRY(make_task_folder(folder));
  std::error_code error;
  fs::create_directories(folder + "/.git", error);
  PAWL_TRY(write_below(folder, ".git/pawl.part", ""));  // until write_mark() it says that the clone is incomplete
  PAWL_TRY(begin_clone(folder, request));
  const GitEnd points =
      git_.run({.words = {"--git-dir=" + mirror_.folder(), "symbolic-ref", "--quiet", "refs/pawl/default"}});
  if (points.is_ok()) {
    PAWL_TRY(git_(in(request.task, {"symbolic-ref", "refs/remotes/origin/HEAD", without_end_of_line(points.said)})));
  }
  if (request.branch.empty()) {
    if (!head.empty()) PAWL_TRY(git_(in(request.task, {"update-ref", "--no-deref", "HEAD", head})));
  } else {
    PAWL_TRY(git_(in(request.task, {"symbolic-ref", "HEAD", branch_ref(request.branch)})));
    if (!head.empty()) PAWL_TRY(git_(in(request.task, {"update-ref", branch_ref(request.branch), head})));
  }
  if (!head.empty()) PAWL_TRY(git_(in(request.task, {"reset", "--quiet", "--hard"})));
  if (!mark.seen.empty()) PAWL_TRY(git_(in(request.task, {"update-ref", "refs/pawl/seen/" + mark.seen, mark.seen})));
  PAWL_TRY(write_mark(request.task, mark));
  Worktree made = found(request, {.head = head, .branch_head = head}, mark);
  made.remark = std::move(remark);
  return made;
}

Worktree TaskClones::found(const WorkRequest& request, const Heads& heads, const Mark& mark) {
  return {.folder = folder_of(request.task),
          .remark = {},
          .head = heads.head,
          .origin_head = request.branch.empty() ? std::string() : origin_head(request.branch),
          .is_begun_here = mark.is_begun_here,
          .is_of_boot = mark.boot == request.boot,
          .barred = {}};
}

/// None if the clone is damaged. Heads are empty while there is no commit.
std::optional<TaskClones::Heads> TaskClones::heads_of(const WorkRequest& request) {
  const std::string folder = folder_of(request.task);
  std::error_code error;
  if (fs::exists(folder + "/.git/pawl-damaged", error)) return std::nullopt;
  Heads heads;
  const GitEnd points = git_.run({.words = in(request.task, {"symbolic-ref", "--quiet", "HEAD"})});
  std::string on;
  if (points.is_ok()) {
    std::istringstream lines(points.said);
    for (std::string line; std::getline(lines, line);) {
      if (line.starts_with("refs/")) on = line;
    }
  }
  const GitEnd head = git_.run({.words = in(request.task, {"rev-parse", "--quiet", "--verify", "HEAD^{commit}"})});
  if (head.is_ok()) {
    heads.head = object_name_in(head.said).value_or("");
    if (!git_.run({.words = in(request.task, {"cat-file", "-e", heads.head + "^{tree}"})}).is_ok()) return std::nullopt;
  } else {
    const bool is_unborn = !on.empty() && !fs::exists(folder + "/.git/" + on, error) &&
                           git_.run({.words = in(request.task, {"for-each-ref", "--", on})}).said.empty();
    if (!is_unborn) return std::nullopt;
  }
  if (!request.branch.empty()) {
    const GitEnd branch = git_.run(
        {.words = in(request.task, {"rev-parse", "--quiet", "--verify", branch_ref(request.branch) + "^{commit}"})});
    if (branch.is_ok()) heads.branch_head = object_name_in(branch.said).value_or("");
  }
  return heads;
}

/// Keeps a damaged clone for people: it may hold work that exists nowhere else.
Result<Worktree> TaskClones::put_aside(const WorkRequest& request, const std::string& why) {
  const std::string folder = folder_of(request.task);
  const std::string aside = unused(folder + ".damaged-");
  std::error_code error;
  fs::rename(folder, aside, error);
  if (error) return Error{ErrorCode::io, folder + ": " + error.message()};
  return Worktree{.folder = folder,
                  .barred = "clone_damaged: " + why + "; it was put aside as " + aside +
                            ", and a retry goes on from origin's branch"};
}

/// If origin has moved, the clone's remote follows it. Until then, what agents have set themselves stays.
Result<void> TaskClones::follow_url(const WorkRequest& request, Mark& mark) {
  const std::string url = mirror_.origin_url();
  if (url.empty() || url == mark.url) return {};
  PAWL_TRY(git_(in(request.task, {"config", "--replace-all", "remote.origin.url", url})));
  PAWL_TRY(append_below(folder_of(request.task), ".git/config", mirror_.settings()));
  mark.url = url;
  return write_mark(request.task, mark);
}

/// Updates the clone's copies of origin's branches to the last fetch.
Result<void> TaskClones::copy_refs(const WorkRequest& request) {
  const std::string git = folder_of(request.task) + "/.git";
  const std::string wanted = mirror_.folder() + "/objects\n";
  if (in_file(folder_of(request.task), alternates_file) != wanted) {  // the data folder was moved
    PAWL_TRY(write_below(folder_of(request.task), alternates_file, wanted));
  }
  remove_locks(git);
  PAWL_TRY(git_(
      in(request.task, {"fetch", "--quiet", "--prune", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules",
                        "--", mirror_.folder(), "+refs/remotes/origin/*:refs/remotes/origin/*"})));
  return {};
}

void TaskClones::keep(TaskId task, const std::string& head) {
  git_.run({.words = in(task, {"update-ref", "refs/pawl/left/" + head, head})});
}

/// Moves the branch and the checkout to a commit. Uncommitted changes stay where possible; else they are kept in a ref.
/// Returns a remark about that.
Result<std::string> TaskClones::move_to(const WorkRequest& request, const std::string& head) {
  const auto run = [&](std::vector<std::string> words) {
    return git_.run({.words = in(request.task, std::move(words))});
  };
  const std::string branch = branch_ref(request.branch);
  std::string remark;
  if (!run({"checkout", "--quiet", "--detach", head}).is_ok()) {
    // With pawl's own identity: the user may not have one.
    GitEnd kept = git_.run({.words = in(request.task, {"-c", "user.name=pawl", "-c", "user.email=pawl@localhost",
                                                       "stash", "create", "left by a run"})});
    const std::optional<std::string> left = kept.is_ok() ? object_name_in(kept.said) : std::nullopt;
    if (left) keep(request.task, *left);
    PAWL_TRY(git_(in(request.task, {"checkout", "--quiet", "--force", "--detach", head})));
    remark = left ? "; what was not committed is kept as " + *left : std::string();
    const std::string git = folder_of(request.task) + "/.git/";
    std::error_code error;
    for (const char* name : {"rebase-merge", "rebase-apply", "sequencer", "MERGE_HEAD", "MERGE_MSG", "MERGE_MODE",
                             "CHERRY_PICK_HEAD", "REVERT_HEAD"}) {
      fs::remove_all(git + name, error);
    }
  }
  PAWL_TRY(git_(in(request.task, {"update-ref", branch, head})));
  PAWL_TRY(git_(in(request.task, {"symbolic-ref", "HEAD", branch})));
  return remark;
}

Result<Worktree> TaskClones::look(const WorkRequest& request) {
  const Mark mark = mark_of(request.task).value_or(Mark());
  const std::optional<Heads> heads = heads_of(request);
  if (!heads) return put_aside(request, "the clone of task " + std::to_string(raw(request.task)) + " cannot be read");
  return found(request, *heads, mark);
}

Result<Worktree> TaskClones::follow(const WorkRequest& request) {
  Mark mark = mark_of(request.task).value_or(Mark());
  if (const auto copied = copy_refs(request); !copied) {
    if (copied.error().code != ErrorCode::damaged && heads_of(request)) return copied.error();
    return put_aside(request, copied.error().message);
  }
  const std::optional<Heads> seen = heads_of(request);
  if (!seen) return put_aside(request, "the clone of task " + std::to_string(raw(request.task)) + " cannot be read");
  PAWL_TRY(follow_url(request, mark));
  Heads heads = *seen;
  if (request.branch.empty()) {
    mark.boot = request.boot;
    PAWL_TRY(write_mark(request.task, mark));
    return found(request, heads, mark);
  }
  const std::string origin = origin_head(request.branch);
  const bool is_own = has_own(request, heads);
  const bool has_moved = !origin.empty() && origin != mark.seen;
  std::string remark;
  std::string target;
  if (!is_own) {
    target = origin;
    if (origin.empty() && mark.seen.empty()) target = PAWL_TRY(default_head());
    if (origin.empty() && !mark.seen.empty()) remark = "origin has no branch '" + request.branch + "' any more";
  } else if (has_moved) {
    // A fetch takes no side: pawl itself fetches before a person has decided.
    const std::string pushed = last_push(request);
    const bool is_theirs = origin == pushed;
    // Origin's new head is in ours, and nothing in ours was withdrawn.
    const bool is_contained = is_ancestor(request.task, origin, heads.head) &&
                              !is_withdrawn(request.task, heads.head, mark.seen, origin) &&
                              !is_withdrawn(request.task, heads.head, pushed, origin);
    if (!is_theirs && !is_contained) {
      Worktree apart = found(request, heads, mark);
      apart.is_of_boot = false;
      apart.barred = "diverged: ours " + heads.head + ", origin " + origin;
      return apart;
    }
  }
  if (!target.empty() && heads.head != target) {
    const Result<std::string> moved = move_to(request, target);
    if (!moved) {
      if (moved.error().code == ErrorCode::damaged) return put_aside(request, moved.error().message);
      return moved.error();
    }
    const bool is_forward = heads.head.empty() || is_ancestor(request.task, heads.head, target);
    if (!is_forward || !moved->empty()) {
      remark = "the worktree goes from " + heads.head + " to " + target + ", as origin did" + *moved;
    }
    heads.head = heads.branch_head = target;
  }
  if (!origin.empty()) {
    mark.seen = origin;
    PAWL_TRY(git_(in(request.task, {"update-ref", "refs/pawl/seen/" + origin, origin})));
  }
  if (mark.branch != request.branch) {
    PAWL_TRY(git_(in(request.task, {"config", "branch." + request.branch + ".remote", "origin"})));
    PAWL_TRY(git_(in(request.task, {"config", "branch." + request.branch + ".merge", branch_ref(request.branch)})));
    mark.branch = request.branch;
  }
  mark.boot = request.boot;
  PAWL_TRY(write_mark(request.task, mark));
  Worktree tree = found(request, heads, mark);
  tree.remark = std::move(remark);
  return tree;
}

Result<Worktree> TaskClones::take(const WorkRequest& request, Side side) {
  PAWL_TRY(copy_refs(request));
  const std::optional<Heads> heads = heads_of(request);
  if (!heads) return put_aside(request, "the clone of task " + std::to_string(raw(request.task)) + " cannot be read");
  const std::string origin = origin_head(request.branch);
  if (origin.empty()) return Error{ErrorCode::missing, "origin has no branch '" + request.branch + "'"};
  Mark mark = mark_of(request.task).value_or(Mark());
  if (side == Side::origin) {
    keep(request.task, heads->head);
    if (!heads->branch_head.empty()) keep(request.task, heads->branch_head);
    PAWL_TRY(move_to(request, origin));
  }
  mark.seen = origin;
  mark.boot = request.boot;
  PAWL_TRY(git_(in(request.task, {"update-ref", "refs/pawl/seen/" + origin, origin})));
  PAWL_TRY(write_mark(request.task, mark));
  return follow(request);
}

std::vector<TaskId> TaskClones::borrowers() const {
  std::vector<TaskId> tasks = tasks_in(work_folder_);
  const std::string wanted = mirror_.folder() + "/objects\n";
  std::erase_if(tasks,
                [&](TaskId task) { return !is_made(task) || in_file(folder_of(task), alternates_file) != wanted; });
  return tasks;
}

}  // namespace pawl
