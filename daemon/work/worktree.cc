#include "daemon/work/worktree.h"

#include <filesystem>
#include <string_view>
#include <utility>

#include "daemon/work/path_component.h"
#include "store/os/inner_file.h"

namespace pawl {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t deletion_timeout_s =
    50;  // for listing and for deleting: a minute each, including the wait for SIGKILL
constexpr std::string_view branch_heads = "refs/heads/";

std::string absolute(const std::string& folder) {
  return fs::absolute(folder).lexically_normal().string();
}

/// A text as one word of a shell: people paste commands that contain it.
std::string as_word(const std::string& text) {
  constexpr std::string_view plain = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_./:=@%+-";
  if (text.find_first_not_of(plain) == std::string::npos) return text;
  std::string word = "'";
  for (const char c : text) c == '\'' ? word += "'\\''" : word += c;
  return word + "'";
}

/// Whether a branch's name may mean the default branch: by its name, by a longer form of it, or on a server with a
/// case-insensitive file system.
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

}  // namespace

Worktrees::Worktrees(System& system, const std::string& data_folder, std::shared_ptr<const Origins> origins,
                     std::function<void(const std::string&)> warn)
    : system_(system),
      git_(system, absolute(data_folder), std::move(origins)),
      repos_folder_(absolute(data_folder + "/repos")),
      work_folder_(absolute(data_folder + "/work")),
      warn_(std::move(warn)) {}

Mirror* Worktrees::mirror_of(const std::string& repo) {
  if (!git_.origin(repo)) return nullptr;
  const MutexLock lock(mutex_);
  std::unique_ptr<Mirror>& mirror = mirrors_[repo];
  if (!mirror) {
    Mirror::Options options{.repo = repo,
                            .folder = repos_folder_ + "/" + path_component_of(repo) + ".git",
                            .work_folder = work_folder_,
                            .warn = warn_};
    mirror = std::make_unique<Mirror>(system_, git_, std::move(options));
    if (is_stopped_) mirror->stop();
  }
  return mirror.get();
}

/// `git check-ref-format` checks whole refs: a branch's name must also not be an option or HEAD.
bool Worktrees::is_branch_name(const std::string& branch) {
  return !branch.starts_with('-') && branch != "HEAD" && branch.find('\0') == std::string::npos &&
         git_({"check-ref-format", std::string(branch_heads) + branch});
}

Fetched Worktrees::fetch(const std::string& repo, Deadline until, const CancelToken* off) {
  Mirror* mirror = mirror_of(repo);
  return mirror ? mirror->fetch(until, off) : Fetched{};
}

Result<std::vector<std::string>> Worktrees::branches(const std::string& repo, std::chrono::seconds within) {
  const auto origin = git_.origin(repo);
  if (!origin) return Error{ErrorCode::missing, "repository '" + repo + "' has no origin"};
  PAWL_TRY(git_.write_settings());
  const GitEnd listed = git_.run({.words = {"ls-remote", "--heads", "--", origin->plain}, .timeout_s = within.count()});
  if (!listed.is_ok()) return Error{ErrorCode::io, listed.message()};
  std::vector<std::string> names;
  for (const auto& [ref, head] : read_ls_remote(listed.said).refs) {
    if (ref.starts_with(branch_heads)) names.push_back(ref.substr(branch_heads.size()));
  }
  return names;
}

Result<Worktree> Worktrees::plain_folder(TaskId task) {
  PAWL_TRY(make_task_folder(folder_of(task)));
  return Worktree{.folder = folder_of(task)};
}

Result<Worktree> Worktrees::prepare(const WorkRequest& request) {
  Mirror* mirror = mirror_of(request.repo);
  if (!mirror) return plain_folder(request.task);
  TaskClones clones(git_, *mirror, work_folder_);
  if (!request.branch.empty() && !clones.is_made(request.task) && !is_branch_name(request.branch)) {
    return Error{ErrorCode::malformed, "'" + request.branch + "' is not the name of a branch"};
  }
  PAWL_TRY(mirror->set_up());
  const auto held = mirror->hold();
  if (!mirror->is_fetched()) return Error{ErrorCode::missing, "repository '" + request.repo + "' was never fetched"};
  return clones.is_made(request.task) ? clones.follow(request) : clones.make(request);
}

Result<Worktree> Worktrees::existing(const WorkRequest& request) {
  Mirror* mirror = mirror_of(request.repo);
  if (!mirror) return plain_folder(request.task);
  PAWL_TRY(mirror->set_up());
  const auto held = mirror->hold();
  TaskClones clones(git_, *mirror, work_folder_);
  if (!clones.is_made(request.task)) {
    return Error{ErrorCode::missing, "task " + std::to_string(raw(request.task)) + " has no worktree"};
  }
  return clones.look(request);
}

Result<Worktree> Worktrees::take(const WorkRequest& request, Side side) {
  Mirror* mirror = mirror_of(request.repo);
  if (!mirror || request.branch.empty()) {
    return Error{ErrorCode::missing, "task " + std::to_string(raw(request.task)) + " has no branch with an origin"};
  }
  PAWL_TRY(mirror->set_up());
  const auto held = mirror->hold();
  TaskClones clones(git_, *mirror, work_folder_);
  if (!clones.is_made(request.task)) {
    return Error{ErrorCode::missing, "task " + std::to_string(raw(request.task)) + " has no worktree"};
  }
  return clones.take(request, side);
}

Result<BranchDeletion> Worktrees::delete_branch(const WorkRequest& request, const std::function<bool()>& in_use) {
  Mirror* mirror = mirror_of(request.repo);
  if (!mirror || request.branch.empty()) return BranchDeletion{};
  PAWL_TRY(mirror->set_up());
  if (!is_branch_name(request.branch)) return BranchDeletion{};
  // Uses origin's URL, not the remote `origin`, so that git does not touch that remote's refs, which a fetch may be
  // updating.
  const std::string origin = mirror->origin_url();
  const auto ask = [&](std::vector<std::string> words) -> Result<std::string> {
    GitEnd end = git_.run({.words = std::move(words), .timeout_s = deletion_timeout_s});
    if (!end.is_ok()) return Error{ErrorCode::io, end.message()};
    return std::move(end.said);
  };
  const std::string ref = std::string(branch_heads) + request.branch;
  const AtOrigin at_origin = read_ls_remote(PAWL_TRY(ask({"ls-remote", "--symref", "--", origin})));
  if (!at_origin.default_branch) {
    return Error{ErrorCode::io, origin + " does not name its default branch, so no branch is deleted there"};
  }
  if (may_be(request.branch, *at_origin.default_branch)) return BranchDeletion{.end = BranchEnd::is_default};
  if (!at_origin.refs.contains(ref)) return BranchDeletion{};
  if (in_use()) return BranchDeletion{.end = BranchEnd::in_use};
  const std::string& head = at_origin.refs.at(ref);
  const GitEnd seen = git_.run({.words = {"--git-dir=" + mirror->folder(), "rev-parse", "--quiet", "--verify",
                                          "--end-of-options", "refs/remotes/origin/" + request.branch}});
  if (!seen.is_ok() || without_end_of_line(seen.said) != head) {
    return BranchDeletion{.end = BranchEnd::moved, .head = head};
  }
  const std::string kept = "refs/pawl/deleted/task-" + std::to_string(raw(request.task));
  PAWL_TRY(ask({"--git-dir=" + mirror->folder(), "update-ref", kept, head}));
  PAWL_TRY(ask({"--git-dir=" + mirror->folder(), "push", "--quiet", "--force-with-lease=" + ref + ":" + head, "--",
                origin, ":" + ref}));
  return BranchDeletion{
      .end = BranchEnd::deleted,
      .head = head,
      .brings_back = "git " + as_word("--git-dir=" + mirror->folder()) + " push origin " + as_word(kept + ":" + ref)};
}

Result<void> Worktrees::empty(TaskId task) {
  const std::string folder = folder_of(task);
  PAWL_TRY(make_task_folder(folder));
  std::vector<std::string> entries;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
    entries.push_back(entry->path().string());
  }
  if (error) return Error{ErrorCode::io, folder + ": " + error.message()};
  for (const std::string& entry : entries) PAWL_TRY(remove_folder(entry));
  return {};
}

Result<void> Worktrees::remove(TaskId task) {
  return remove_folder(folder_of(task));
}

void Worktrees::stop() {
  git_.stop();
  const MutexLock lock(mutex_);
  is_stopped_ = true;
  for (const auto& [repo, mirror] : mirrors_) mirror->stop();
}

}  // namespace pawl
