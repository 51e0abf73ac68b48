// Worktrees, and an origin that hangs, is missing, or is called off.
#include <algorithm>
#include <utility>

#include "tests/world/system_parts.h"

namespace pawl::hostile {
namespace {

constexpr Us deletion_hangs_max = 50 * second;

/// Whether a gate's result came before the crossing was committed. A worker that holds the lease of a committed
/// crossing may say of its gate what it likes: the crossing goes on with what was judged before.
bool is_before_commit(const Task& task, Seq gate) {
  return std::none_of(task.steps.begin(), task.steps.end(), [&](const StepRow& row) {
    const bool is_of_version = row.irreversible && row.version == task.version;
    const Seq first = row.not_done && !row.not_done->seqs.empty() ? row.not_done->seqs.front() : row.started;
    return is_of_version && first < gate;
  });
}

}  // namespace

HostileSystem::Answer HostileSystem::remote(Us most, Us until, const CancelToken* off) {
  const Us time = story_.strikes(Hostility::remote, 2) ? story_.dice.between(1, most / second) * second
                                                       : story_.dice.between(0, 200) * ms;
  const Us end = std::min(until, scheduler_.now() + time);
  const ActorId self = scheduler_.self();
  const auto* call = static_cast<const FiberCancelToken*>(off);
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

Fetched HostileSystem::fetch_origin(const std::string& repo, Deadline until, const CancelToken* off) {
  breathe();
  if (!story_.origins.contains(repo)) return {};
  // How several fetches share one is up to the layer below.
  if (!fetching_.insert(repo).second) story_.mark(Mark::repo_busy);
  const Answer answer = remote(git_hangs_max, us_of(until), off);
  fetching_.erase(repo);
  switch (answer) {
    case Answer::answers:
      note_fetched(repo);
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
  for (const auto& [branch, head] : story_.branches.heads()) {
    if (branch.first == origin->second && !branch.second.empty()) names.push_back(branch.second);
  }
  return names;
}

void HostileSystem::note_fetched(const std::string& repo) {
  const std::string& origin = story_.origins.at(repo);
  std::map<std::string, Mirrored::Head> branches;
  std::map<std::string, Mirrored::Head>& known = story_.folder.fetched[repo].branches;
  for (const auto& [branch, head] : story_.branches.heads()) {
    if (branch.first != origin) continue;
    const auto before = known.find(branch.second);
    const bool is_known = before != known.end() && before->second.commit == head;
    branches[branch.second] = is_known ? before->second : Mirrored::Head{head, scheduler_.now()};
  }
  known = std::move(branches);
}

Mirrored::Head HostileSystem::fetched_head(const WorkRequest& request) const {
  const auto repo = story_.folder.fetched.find(request.repo);
  if (repo == story_.folder.fetched.end()) return {};
  const auto branch = repo->second.branches.find(request.branch);
  return branch == repo->second.branches.end() ? Mirrored::Head{} : branch->second;
}

Worktree HostileSystem::told_of(const WorkRequest& request, const Tree& tree) {
  const Commit origin = fetched_head(request).commit;
  const auto text = [](Commit commit) { return commit == 0 ? std::string() : "c" + std::to_string(commit); };
  Worktree told{.folder = "work",
                .head = text(tree.head),
                .origin_head = text(origin),
                .is_begun_here = origin == 0 && !request.branch.empty(),
                .is_of_boot = tree.boot == request.boot};
  if (tree.is_damaged) {
    story_.mark(Mark::clone_damaged);
    told.barred = "clone_damaged: the world broke it";
  }
  return told;
}

/// Each side has something that the other does not, and ours exists nowhere else.
bool HostileSystem::has_diverged(const Tree& tree, Commit origin) const {
  if (origin == 0 || !tree.is_own) return false;
  return !story_.branches.has(tree.head, origin) && !story_.branches.has(origin, tree.head);
}

Result<Worktree> HostileSystem::prepare_worktree(const WorkRequest& request) {
  breathe();
  if (git_stopped_) return Error{ErrorCode::io, "git: called off"};
  if (story_.origins.contains(request.repo) && !story_.folder.fetched.contains(request.repo)) {
    story_.broken("a worktree of " + request.repo + " is made, but the repository was never fetched");
  }
  const auto known = story_.folder.worktrees.find(request.task);
  const bool is_whole = known != story_.folder.worktrees.end() && known->second.head != 0 && !known->second.is_damaged;
  Tree& tree = story_.folder.worktrees[request.task];
  if (!story_.origins.contains(request.repo)) {
    tree.boot = request.boot;
    return told_of(request, tree);
  }
  const Commit origin = fetched_head(request).commit;
  if (!is_whole) {
    // Put aside; its replacement begins at origin's head.
    const bool is_excused = tree.is_damaged || tree.is_excused;
    tree = {.is_excused = is_excused};
    tree.head = origin != 0 ? origin : fetched_head({.repo = request.repo, .branch = {}}).commit;
  } else if (story_.strikes(Hostility::branches, 1)) {
    tree.is_damaged = tree.is_excused = true;
  } else if (has_diverged(tree, origin) && !request.branch.empty()) {
    story_.mark(Mark::diverged);
    tree.boot.clear();
    Worktree apart = told_of(request, tree);
    apart.barred = "diverged: ours " + apart.head + ", origin " + apart.origin_head;
    return apart;
  } else if (origin != 0 && !request.branch.empty() && !story_.branches.has(tree.head, origin)) {
    if (!story_.branches.has(origin, tree.head)) story_.mark(Mark::branch_followed);
    tree.head = origin;
    tree.is_own = false;
  }
  tree.boot = request.boot;
  return told_of(request, tree);
}

Result<Worktree> HostileSystem::existing_worktree(const WorkRequest& request) {
  breathe();
  const bool has_origin = story_.origins.contains(request.repo);
  if (!has_origin) story_.folder.worktrees.try_emplace(request.task, Tree{.boot = request.boot});
  const auto found = story_.folder.worktrees.find(request.task);
  const bool is_there = found != story_.folder.worktrees.end() && !(has_origin && found->second.head == 0);
  if (!is_there) return Error{ErrorCode::missing, "no worktree"};
  Worktree tree = told_of(request, found->second);
  // It is put aside, so that this is reported once.
  if (found->second.is_damaged) found->second = {.is_excused = true};
  if (!has_origin) tree.is_of_boot = true;
  return tree;
}

Result<Worktree> HostileSystem::take_side(const WorkRequest& request, Side side) {
  breathe();
  const auto found = story_.folder.worktrees.find(request.task);
  if (found == story_.folder.worktrees.end()) return Error{ErrorCode::missing, "no worktree"};
  Tree& tree = found->second;
  const Commit origin = fetched_head(request).commit;
  if (has_diverged(tree, origin)) {
    story_.mark(Mark::side_taken);
    // With `ours`, origin's commits count as seen: later commits go on top of them.
    tree.head = side == Side::origin ? origin : story_.branches.commit_on(origin);
    tree.is_own = side == Side::ours;
  }
  return told_of(request, tree);
}

/// A step of the daemon begins. If its crossing is not committed yet, it works on what was judged, and on what origin
/// has as far as that is known.
void HostileSystem::check_tree(const StepKey& key, const std::string& repo) {
  const Task* task = story_.witness().state().tasks.find(key.task);
  const auto found = story_.folder.worktrees.find(key.task);
  if (!task || found == story_.folder.worktrees.end() || !story_.origins.contains(repo)) return;
  const Tree& tree = found->second;
  // With ownership off, a path goes on as if it were alone, even after the task has moved on.
  if (tree.is_excused || story_.witness().was_unchecked(key.task) ||
      !story_.witness().state().settings().ownership_checked(repo))
    return;
  const std::string head = "c" + std::to_string(tree.head);
  const bool was_judged =
      task->gate && task->gate->version == key.version && task->gate->head && is_before_commit(*task, task->gate->seq);
  if (was_judged && *task->gate->head != head) {
    story_.broken("step '" + key.step + "' of task " + std::to_string(raw(key.task)) + " begins at " + head +
                  ", and the gate judged " + *task->gate->head);
  }
  const bool was_committed = std::any_of(task->steps.begin(), task->steps.end(), [&](const StepRow& row) {
    return row.version == key.version && row.irreversible && (row.step != key.step || row.is_in_doubt());
  });
  const Mirrored::Head origin = fetched_head({.repo = repo, .branch = task->branch});
  const bool is_known_since =
      origin.commit != 0 && !task->branch.empty() && scheduler_.now() - origin.since > 5 * minute;
  if (was_judged && !was_committed && is_known_since && !story_.branches.has(tree.head, origin.commit)) {
    story_.broken("step '" + key.step + "' of task " + std::to_string(raw(key.task)) + " begins at " + head +
                  ", and origin has stood at c" + std::to_string(origin.commit) + " for long");
  }
}

/// An agent has finished: its commits are only its own until it has pushed them.
void HostileSystem::note_work(TaskId task, const std::string& repo, const std::string& branch) {
  const auto tree = story_.folder.worktrees.find(task);
  const auto origin = story_.origins.find(repo);
  if (tree == story_.folder.worktrees.end() || origin == story_.origins.end() || branch.empty()) return;
  Tree& at = tree->second;
  if (at.head == 0 || at.is_damaged) return;
  if (!story_.script() && !story_.strikes(Hostility::branches, 40)) return;
  at.head = story_.branches.commit_on(at.head);
  at.is_own = true;
  const Commit there = story_.branches.head({origin->second, branch});
  if (!story_.branches.has(at.head, there) || story_.dice.one_in(3)) return;
  story_.branches.set({origin->second, branch}, at.head);
  at.is_own = false;
}

/// The live tasks that work on that branch, of one repository under several names.
std::set<TaskId> HostileSystem::on_branch(const WorkRequest& request) const {
  std::set<TaskId> tasks;
  for (const auto& [id, task] : story_.witness().state().tasks.rows()) {
    const auto origin = story_.origins.find(task.repo);
    if (is_terminal(task.stage) || task.branch != request.branch || origin == story_.origins.end()) continue;
    if (origin->second == story_.origins.at(request.repo)) tasks.insert(id);
  }
  return tasks;
}

Result<BranchDeletion> HostileSystem::delete_branch(const WorkRequest& request, const std::function<bool()>& in_use) {
  const auto ask = [this]() -> Result<void> {
    if (remote(deletion_hangs_max, forever, nullptr) == Answer::answers) return {};
    return Error{ErrorCode::io, "git: origin does not answer"};
  };
  PAWL_TRY(ask());
  const Branch branch{story_.origins.at(request.repo), request.branch};
  if (story_.branches.head(branch) == 0) return BranchDeletion{};
  const std::set<TaskId> before = on_branch(request);
  if (in_use()) {
    story_.mark(Mark::branch_in_use);
    return BranchDeletion{.end = BranchEnd::in_use};
  }
  std::set<TaskId> robbed;
  for (const TaskId task : on_branch(request)) {
    if (before.contains(task)) robbed.insert(task);
  }
  if (!robbed.empty()) {
    story_.broken("the branch " + request.branch + " is deleted although task " + std::to_string(raw(*robbed.begin())) +
                  " works on it");
  }
  PAWL_TRY(ask());
  if (story_.branches.head(branch) != fetched_head(request).commit) {
    story_.mark(Mark::branch_kept_moved);
    return BranchDeletion{.end = BranchEnd::moved, .head = "head"};
  }
  const bool deletes_created = story_.witness().state().settings().stop.delete_branch == "created";
  if (deletes_created && !story_.witness().has_begun_branch(request.task)) {
    story_.broken("the branch " + request.branch + " is deleted although it existed before task " +
                  std::to_string(raw(request.task)));
  }
  story_.branches.remove(branch);
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
    story_.broken("the worktree of task " + std::to_string(raw(task)) +
                  " is removed although the task is not finished");
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
  for (const auto& [task, tree] : story_.folder.worktrees) tasks.push_back(task);
  return tasks;
}

void HostileSystem::stop_git() {
  git_stopped_ = true;
  for (const ActorId actor : in_git_) scheduler_.wake(actor);
}

}  // namespace pawl::hostile
