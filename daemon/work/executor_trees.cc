// Prepares worktrees for jobs before the claim (SPEC §7): while an origin is unreachable its jobs stay queued, and hold
// no slot, lease or thread.
#include <algorithm>
#include <utility>

#include "daemon/work/executor_impl.h"
#include "engine/rules/proposals.h"

namespace pawl {
namespace {

using std::chrono::seconds;

/// If a fetch takes longer, the next preparation waits for it; meanwhile the job shows that it waits for origin.
constexpr seconds fetch_within{120};
/// How long a prepared worktree counts as up to date.
constexpr seconds fresh_for{30};
constexpr seconds path_again{1};
constexpr std::size_t at_once_max = 32;
/// Per repository: one whose origin does not answer must not take all preparations.
constexpr std::size_t of_repo_max = 4;

}  // namespace

std::optional<OriginTrouble> Executor::origin_trouble(const std::string& repo) const {
  return impl_->weather.trouble(repo);
}

std::map<std::string, OriginTrouble> Executor::origin_troubles() const {
  return impl_->weather.troubles();
}

std::optional<TimeUs> Executor::fetching_since(TaskId task) const {
  return impl_->world.fetching_since(task);
}

std::vector<JobId> Executor::being_prepared() const {
  const MutexLock lock(impl_->mutex);
  std::vector<JobId> jobs;
  for (const auto& [job, entry] : impl_->preparations) jobs.push_back(job);
  return jobs;
}

bool Executor::Impl::is_prepared(const Claimable& next) {
  if (!options.origins->has(next.repo)) return true;
  const Deadline now = system.now();
  const bool is_away = weather.trouble(next.repo).has_value();
  const Deadline next_try = weather.next_try(next.repo);
  const MutexLock lock(mutex);
  const auto found = preparations.find(next.job);
  if (found != preparations.end()) {
    const Preparation& entry = found->second;
    if (entry.state == Preparation::State::working || !entry.ended || entry.thread) return false;
    if (entry.state == Preparation::State::waits && now < entry.until) return false;
    if (entry.state == Preparation::State::ready && now < entry.until && entry.attempts == next.attempts) return true;
    preparations.erase(found);
  }
  std::size_t at_work = 0;
  std::size_t of_repo = 0;
  for (const auto& [job, entry] : preparations) {
    if (entry.state == Preparation::State::waits) continue;
    ++at_work;
    if (entry.repo == next.repo) ++of_repo;
  }
  if (at_work >= std::min(next.room, at_once_max)) return false;
  // If the origin is unreachable, one job asks on behalf of all.
  if (of_repo >= (next.is_serial || is_away ? 1 : of_repo_max)) return false;
  Preparation& entry = preparations[next.job];
  entry.attempts = next.attempts;
  entry.task = next.task;
  entry.repo = next.repo;
  entry.off = system.make_cancel_token();
  if (now < next_try) {
    entry.state = Preparation::State::waits;
    entry.until = next_try;
    entry.ended = true;
    return false;
  }
  entry.thread = system.start_thread([this, &entry, next] { prepare(entry, next); });
  return false;
}

void Executor::Impl::prepare(Preparation& entry, const Claimable& next) {
  const Fetched fetched = [&] {
    const RealWorld::Fetching fetching(world, next.task);
    return weather.fetch(next.repo, fetch_within, entry.off.get());
  }();
  Preparation::State state = Preparation::State::waits;
  Deadline until = weather.next_try(next.repo);
  std::optional<Worktree> tree;
  std::string no_tree;
  if (fetched.end == FetchEnd::fetched) {
    until = system.now() + path_again;
    // Holding the path keeps gates and steps out of the worktree meanwhile.
    if (const std::unique_ptr<PathHold> hold = world.enter_path(next.task); hold && !entry.off->called()) {
      const Result<Worktree> made =
          system.prepare_worktree({next.task, next.repo, next.branch, options.boot_id, next.begins_branch});
      if (made && !made->barred.empty()) {
        bar(next, made->barred);
      } else {
        state = Preparation::State::ready;
        until = system.now() + fresh_for;
        if (made) note_branch(next, *made);
        if (made) tree = *made;
        if (!made) no_tree = made.error().message;
      }
    }
    // If the task ended meanwhile, its folder was removed, and this may just have recreated it.
    if (is_finished(next.task)) workers->post([this, task = next.task] { clean_up(task); });
  }
  const MutexLock lock(mutex);
  entry.state = entry.is_outdated ? Preparation::State::waits : state;
  entry.until = entry.is_outdated ? system.now() : until;
  entry.tree = std::move(tree);
  entry.no_tree = std::move(no_tree);
  entry.ended = true;
  jobs_changed = true;
  wake->notify();
}

/// Records who began the branch: this decides what a cancel does with it.
void Executor::Impl::note_branch(const Claimable& next, const Worktree& tree) {
  const std::string& head = tree.origin_head.empty() ? tree.head : tree.origin_head;
  if (next.branch.empty() || head.empty()) return;
  const bool begun = tree.origin_head.empty() && tree.is_begun_here;
  const bool is_known = desk.ask([&](const State& state) {
    const Task* task = state.tasks.find(next.task);
    return !task || (task->branch_head == head && (!begun || task->branch_begun.value_or(false)));
  });
  if (is_known) return;
  fb::BranchSeenT event;
  event.task = raw(next.task);
  event.head = head;
  event.begun = begun;
  machine.propose(propose_group(requester("executor"), event));
}

/// Blocks the task: nothing may work there until a person decides how to go on.
void Executor::Impl::bar(const Claimable& next, const std::string& reason) {
  fb::TaskBlockedT event;
  event.task = raw(next.task);
  event.version = raw(next.version);
  event.reason = reason;
  machine.propose(propose_group(requester("executor"), event));
}

void Executor::Impl::take_tree(JobId job, Claim& claim) {
  const auto found = preparations.find(job);
  if (found == preparations.end()) return;
  claim.tree = std::move(found->second.tree);
  claim.no_tree = std::move(found->second.no_tree);
  preparations.erase(found);
  jobs_changed = true;  // another job may have been waiting for the place
}

/// Prepares the worktree again later: the path may change its contents.
void Executor::Impl::wait_for_path(const Claimable& next) {
  const MutexLock lock(mutex);
  Preparation& entry = preparations[next.job];
  entry.attempts = next.attempts;
  entry.task = next.task;
  entry.repo = next.repo;
  entry.state = Preparation::State::waits;
  entry.until = system.now() + path_again;
  entry.off = system.make_cancel_token();
  entry.ended = true;
}

void Executor::Impl::call_off_preparations(TaskId task) {
  for (auto& [job, entry] : preparations) {
    if (entry.task == task) entry.off->call();
  }
}

/// Requires the mutex. Collects the ended threads for joining, and drops stale preparations.
void Executor::Impl::drop_preparations(std::vector<std::unique_ptr<RunningThread>>& threads) {
  const Deadline now = system.now();
  for (auto at = preparations.begin(); at != preparations.end();) {
    Preparation& entry = at->second;
    if (entry.ended && entry.thread) threads.push_back(std::move(entry.thread));
    const bool is_stale = entry.ended && (now >= entry.until || entry.off->called());
    if (is_stale) jobs_changed = true;
    at = is_stale ? preparations.erase(at) : std::next(at);
  }
}

}  // namespace pawl
