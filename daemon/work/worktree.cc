#include "daemon/work/worktree.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <optional>
#include <sstream>
#include <string_view>
#include <utility>

#include "daemon/work/output_log.h"
#include "daemon/work/path_component.h"
#include "daemon/work/process_run.h"

namespace pawl {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t git_timeout_s = 900;  // a first clone over a slow line
constexpr std::int64_t git_kill_after_s = 10;
constexpr std::int64_t deletion_timeout_s = 50;  // to ask, and to delete: with the seconds until SIGKILL, a minute each
constexpr std::size_t git_message_bytes_max = 1000;
constexpr std::string_view task_prefix = "task-";

std::string whole(const Descriptor& file) {
  std::string text;
  std::array<char, 4096> buffer{};
  for (off_t at = 0;;) {
    const ssize_t got = ::pread(file.get(), buffer.data(), buffer.size(), at);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return text;
    text.append(buffer.data(), static_cast<std::size_t>(got));
    at += got;
  }
}

std::string without_end_of_line(std::string text) {
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

/// What git said, on one line.
std::string one_line(const std::string& text) {
  std::string line = without_end_of_line(text).substr(0, git_message_bytes_max);
  for (std::size_t at = line.find('\n'); at != std::string::npos; at = line.find('\n', at)) line.replace(at, 1, "; ");
  return line;
}

std::string name_of(TaskId task) {
  return std::string(task_prefix) + std::to_string(raw(task));
}

/// Removes the lock files that a git which was killed left behind, and over which every later one would stumble. They
/// are told by their names: no ref may end so. Requires: no git works there.
void remove_locks(const fs::path& folder) {
  std::error_code error;
  std::vector<fs::path> locks;
  for (fs::recursive_directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
    if (entry->path().filename() == "objects") entry.disable_recursion_pending();
    if (entry->path().extension() == ".lock") locks.push_back(entry->path());
  }
  for (const fs::path& lock : locks) fs::remove(lock, error);
}

/// A folder, and no link to one. Agents can make links wherever they work, and what those point to is none of ours.
bool is_real_folder(const fs::path& path) {
  std::error_code error;
  return fs::symlink_status(path, error).type() == fs::file_type::directory;
}

Result<void> make_real_folder(const fs::path& path) {
  std::error_code error;
  if (fs::is_symlink(fs::symlink_status(path, error))) fs::remove(path, error);
  fs::create_directories(path, error);
  if (error) return Error{ErrorCode::io, path.string() + ": " + error.message()};
  return {};
}

std::string origin_ref(const std::string& branch) {
  return "refs/remotes/origin/" + branch;
}

constexpr std::string_view heads = "refs/heads/";

/// Whether a branch's name may mean the default branch to anybody: by its name, by a longer form of it, or to a server
/// whose file system does not tell capitals apart.
bool may_be(std::string branch, std::string default_branch) {
  const auto lower = [](std::string& text) {
    for (char& c : text) {
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    }
  };
  lower(branch);
  lower(default_branch);
  for (const std::string_view form :
       {"", "heads/", "refs/heads/", "origin/", "remotes/origin/", "refs/remotes/origin/"}) {
    if (branch == std::string(form) + default_branch) return true;
  }
  return false;
}

/// What `git ls-remote --symref` says: the branch that HEAD stands for, and whether a ref is there.
struct AtOrigin {
  std::optional<std::string> default_branch;
  bool has_ref = false;
};

AtOrigin read_ls_remote(const std::string& said, const std::string& ref) {
  AtOrigin found;
  std::istringstream lines(said);
  for (std::string line; std::getline(lines, line);) {
    const std::size_t tab = line.find('\t');
    if (tab == std::string::npos) continue;
    const std::string_view value = std::string_view(line).substr(0, tab);
    const std::string_view name = std::string_view(line).substr(tab + 1);
    constexpr std::string_view points_to = "ref: refs/heads/";
    if (name == "HEAD" && value.starts_with(points_to)) found.default_branch = value.substr(points_to.size());
    // Patterns match the ends of names too, so each name is compared whole.
    if (name == ref) found.has_ref = true;
  }
  return found;
}

}  // namespace

Worktrees::Worktrees(System& system, const std::string& data_folder, std::map<std::string, std::string> origins)
    : system_(system),
      data_folder_(fs::absolute(data_folder).lexically_normal().string()),
      origins_(std::move(origins)) {}

std::string Worktrees::folder_of(TaskId task) const {
  return folder_of_all() + '/' + name_of(task);
}

Worktrees::Repo* Worktrees::repo_of(const std::string& name) {
  if (!origins_.contains(name)) return nullptr;
  const std::lock_guard lock(mutex_);
  Repo& repo = repos_[name];
  if (repo.folder.empty()) repo.folder = data_folder_ + "/repos/" + path_component_of(name) + ".git";
  return &repo;
}

Result<std::string> Worktrees::git(const std::vector<std::string>& words) {
  return git(words, git_timeout_s);
}

/// What git wrote, if it exits with 0; else an error with its words.
Result<std::string> Worktrees::git(const std::vector<std::string>& words, std::int64_t timeout_s) {
  Descriptor output(::memfd_create("git", MFD_CLOEXEC));
  Descriptor written(::fcntl(output.get(), F_DUPFD_CLOEXEC, 3));
  if (!output || !written) return Error{ErrorCode::io, std::string("memfd_create: ") + std::strerror(errno)};
  RunOrder order;
  // A collection of garbage in the background would be taken for something left behind.
  order.command = {"git", "-c", "gc.autoDetach=false", "-c", "advice.detachedHead=false"};
  order.command.insert(order.command.end(), words.begin(), words.end());
  order.folder = data_folder_;
  order.environment = system_.clean_environment();
  order.environment.emplace_back("GIT_TERMINAL_PROMPT=0");
  // A folder that has lost its .git must not be taken for a part of a repository around the data folder.
  order.environment.push_back("GIT_CEILING_DIRECTORIES=" + folder_of_all());
  order.purpose = "git";
  HeldRun run = PAWL_TRY(HeldRun::hold(system_, order, std::make_shared<LogFile>(std::move(written), "")));
  const CommandExit exit = run.go({timeout_s, git_kill_after_s}, &stop_);
  const std::string said = whole(output);
  if (exit.how == CommandExit::How::exited && exit.code == 0) return said;
  std::string what = "git";
  for (const std::string& word : words) what += " " + word;
  if (exit.how == CommandExit::How::timed_out) return Error{ErrorCode::io, what + ": no end within its time"};
  return Error{ErrorCode::io, what + ": " + one_line(said)};
}

/// `git check-ref-format` takes whole refs: what makes a branch of those is that it is no option and not HEAD.
bool Worktrees::is_branch_name(const std::string& branch) {
  return !branch.starts_with('-') && branch != "HEAD" && branch.find('\0') == std::string::npos &&
         git({"check-ref-format", std::string(heads) + branch});
}

Result<void> Worktrees::set_up(Repo& repo, const std::string& origin) {
  if (repo.set_up) return {};
  std::error_code error;
  fs::create_directories(data_folder_ + "/repos", error);
  fs::create_directories(folder_of_all(), error);
  const std::string git_dir = "--git-dir=" + repo.folder;
  // Nothing of this boot has worked here yet, and what earlier ones left running was ended at the start.
  remove_locks(repo.folder);
  // Each of these may be repeated, so that a start that was cut short is made good by the next.
  PAWL_TRY(git({"init", "--quiet", "--bare", "--", repo.folder}));
  PAWL_TRY(git({git_dir, "config", "--replace-all", "remote.origin.url", origin}));
  PAWL_TRY(git({git_dir, "config", "--replace-all", "remote.origin.fetch", "+refs/heads/*:refs/remotes/origin/*"}));
  PAWL_TRY(git({git_dir, "worktree", "prune"}));
  repo.set_up = true;
  return {};
}

bool Worktrees::has_ref(const Repo& repo, const std::string& ref) {
  return git({"--git-dir=" + repo.folder, "rev-parse", "--quiet", "--verify", "--end-of-options", ref + "^{commit}"})
      .has_value();
}

fs::path Worktrees::admin_of(const Repo& repo, TaskId task) {
  return fs::path(repo.folder) / "worktrees" / name_of(task);
}

/// Git keeps a worktree marked as locked while it makes it: one that bears the mark was cut short.
bool Worktrees::is_whole(const Repo& repo, TaskId task) {
  const fs::path admin = admin_of(repo, task);
  std::error_code error;
  return is_real_folder(folder_of(task)) && is_real_folder(admin) && fs::exists(folder_of(task) + "/.git", error) &&
         fs::exists(admin / "HEAD", error) && !fs::exists(admin / "locked", error);
}

Result<Worktree> Worktrees::make(Repo& repo, const WorkOrder& order) {
  PAWL_TRY(remove(order.task));
  const std::string git_dir = "--git-dir=" + repo.folder;
  const std::string folder = folder_of(order.task);
  if (!has_ref(repo, origin_ref("HEAD"))) PAWL_TRY(git({git_dir, "remote", "set-head", "origin", "--auto"}));
  if (order.branch.empty()) {
    PAWL_TRY(git({git_dir, "worktree", "add", "--quiet", "--detach", "--", folder, origin_ref("HEAD")}));
    return Worktree{folder, {}};
  }
  if (has_ref(repo, origin_ref(order.branch))) {
    PAWL_TRY(git({git_dir, "worktree", "add", "--quiet", "-B", order.branch, "--", folder, origin_ref(order.branch)}));
    return Worktree{folder, {}};
  }
  PAWL_TRY(
      git({git_dir, "worktree", "add", "--quiet", "--no-track", "-B", order.branch, "--", folder, origin_ref("HEAD")}));
  return Worktree{folder, "origin has no branch '" + order.branch + "' yet: it begins at the default branch"};
}

Result<Worktree> Worktrees::follow_origin(Repo& repo, const WorkOrder& order) {
  Worktree found{folder_of(order.task), {}};
  // The last agent may have been killed in the middle of a commit; that it is gone is known before the next begins.
  remove_locks(admin_of(repo, order.task));
  const Result<std::string> head = git({"-C", found.folder, "symbolic-ref", "--quiet", "HEAD"});
  const bool on_branch = head && without_end_of_line(*head) == "refs/heads/" + order.branch;
  if (order.branch.empty() || !on_branch || !has_ref(repo, origin_ref(order.branch))) return found;
  const Result<std::string> merged =
      git({"-C", found.folder, "merge", "--quiet", "--ff-only", "--no-edit", origin_ref(order.branch)});
  if (!merged) found.remark = "the worktree stays as it is, apart from origin: " + merged.error().message;
  return found;
}

Result<Worktree> Worktrees::prepare(const WorkOrder& order) {
  Repo* repo = repo_of(order.repo);
  if (!repo) return existing(order);
  const std::lock_guard lock(repo->busy);
  PAWL_TRY(set_up(*repo, origins_.at(order.repo)));
  if (!order.branch.empty() && !is_branch_name(order.branch)) {
    return Error{ErrorCode::malformed, "'" + order.branch + "' is not the name of a branch"};
  }
  PAWL_TRY(git({"--git-dir=" + repo->folder, "fetch", "--quiet", "--prune", "origin"}));
  return is_whole(*repo, order.task) ? follow_origin(*repo, order) : make(*repo, order);
}

Result<Worktree> Worktrees::existing(const WorkOrder& order) {
  const std::string folder = folder_of(order.task);
  Repo* repo = repo_of(order.repo);
  if (!repo) {
    PAWL_TRY(make_real_folder(folder));
    return Worktree{folder, {}};
  }
  {
    const std::lock_guard lock(repo->busy);
    PAWL_TRY(set_up(*repo, origins_.at(order.repo)));
    if (is_whole(*repo, order.task)) return Worktree{folder, {}};
  }
  return prepare(order);
}

Result<BranchEnd> Worktrees::delete_branch(const WorkOrder& order, const std::function<bool()>& in_use) {
  Repo* repo = repo_of(order.repo);
  if (!repo || order.branch.empty()) return BranchEnd::absent;
  const std::string& origin = origins_.at(order.repo);
  {
    const std::lock_guard lock(repo->busy);
    PAWL_TRY(set_up(*repo, origin));
  }
  if (!is_branch_name(order.branch)) return BranchEnd::absent;
  // From here on without the repository's lock: an origin that hangs must not keep other tasks from it. It is called
  // by its URL, not as the remote `origin`: so git leaves alone what it keeps of that, which a fetch may be busy with.
  const std::string git_dir = "--git-dir=" + repo->folder;
  const std::string ref = std::string(heads) + order.branch;
  const AtOrigin at_origin = read_ls_remote(
      PAWL_TRY(git({git_dir, "ls-remote", "--symref", "--", origin, "HEAD", ref}, deletion_timeout_s)), ref);
  if (!at_origin.default_branch) {
    return Error{ErrorCode::io, origin + " does not say which is its default branch, so none is deleted there"};
  }
  if (may_be(order.branch, *at_origin.default_branch)) return BranchEnd::is_default;
  if (!at_origin.has_ref) return BranchEnd::absent;
  if (in_use()) return BranchEnd::in_use;
  PAWL_TRY(git({git_dir, "push", "--quiet", "--delete", "--", origin, ref}, deletion_timeout_s));
  return BranchEnd::deleted;
}

Result<void> Worktrees::empty(TaskId task) {
  const std::string folder = folder_of(task);
  PAWL_TRY(make_real_folder(folder));
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
    fs::remove_all(entry->path(), error);
  }
  if (error) return Error{ErrorCode::io, folder + ": " + error.message()};
  return forget_worktree(task);
}

Result<void> Worktrees::remove(TaskId task) {
  std::error_code error;
  fs::remove_all(folder_of(task), error);
  if (error) return Error{ErrorCode::io, folder_of(task) + ": " + error.message()};
  return forget_worktree(task);
}

/// What git knows of a worktree is removed as `git worktree prune` would, which passes over those that were cut short.
/// In every repo: which one it was is written in the worktree alone, and that was in reach of the agents.
Result<void> Worktrees::forget_worktree(TaskId task) {
  std::error_code error;
  for (fs::directory_iterator entry(data_folder_ + "/repos", error), end; !error && entry != end;
       entry.increment(error)) {
    const fs::path worktrees = entry->path() / "worktrees";
    if (fs::is_symlink(fs::symlink_status(worktrees, error))) {
      return Error{ErrorCode::io, worktrees.string() + ": is a link, which git did not make"};
    }
    std::error_code failed;
    fs::remove_all(worktrees / name_of(task), failed);
    if (failed) return Error{ErrorCode::io, entry->path().string() + ": " + failed.message()};
  }
  return {};
}

std::vector<TaskId> Worktrees::present() const {
  std::vector<TaskId> tasks;
  std::error_code error;
  for (fs::directory_iterator entry(folder_of_all(), error), end; !error && entry != end; entry.increment(error)) {
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

}  // namespace pawl
