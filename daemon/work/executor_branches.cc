// Repositories as the log has them, and the questions to their origins before a task is accepted (SPEC §7).
#include <algorithm>
#include <utility>

#include "daemon/work/executor_impl.h"
#include "schema/nearest.h"

namespace pawl {
namespace {

using std::chrono::seconds;

FoundBranch look_for(const std::string& branch, const std::vector<std::string>& branches) {
  if (std::find(branches.begin(), branches.end(), branch) != branches.end()) return {.is = FoundBranch::Is::there};
  const std::vector<std::string_view> names(branches.begin(), branches.end());
  return {.is = FoundBranch::Is::absent, .nearest = std::string(nearest_of(branch, names).value_or(""))};
}

}  // namespace

void Executor::Impl::learn_origins() {
  std::optional<std::string> from = "";
  while (from) {
    // Declared within the request, so that an older state cannot overwrite a later record.
    from = desk.ask([&](const State& state) -> std::optional<std::string> {
      std::size_t rows = 0;
      for (auto at = state.repos.rows().lower_bound(*from); at != state.repos.rows().end(); ++at) {
        if (++rows > options.rows_per_look) return at->first;
        if (at->second.declared) options.origins->declare(at->first, at->second.url);
      }
      return std::nullopt;
    });
  }
}

void Executor::Impl::note_repo(const fb::Record& record) {
  std::string repo;
  if (const auto* declared = record.event_as_RepoDeclared()) {
    repo = declared->repo()->str();
    options.origins->declare(repo, declared->url() ? declared->url()->str() : std::string());
  } else if (const auto* removed = record.event_as_RepoRemoved()) {
    repo = removed->repo()->str();
    options.origins->remove(repo);
  }
  weather.forget(repo);
  const Deadline now = system.now();
  for (auto& [job, entry] : preparations) {
    if (entry.repo != repo) continue;
    entry.is_outdated = true;
    entry.until = std::min(entry.until, now);
  }
  alarms.ring_all();
}

void Executor::find_branch(const std::string& repo, const std::string& branch, std::function<void(FoundBranch)> done) {
  Impl& impl = *impl_;
  const Deadline now = impl.system.now();
  const bool is_away = impl.weather.trouble(repo) && now < impl.weather.next_try(repo);
  if (!impl.options.origins->has(repo) || is_away) return done({});
  const MutexLock lock(impl.mutex);
  std::vector<Impl::BranchAsk>& asks = impl.branch_asks[repo];
  asks.push_back({.branch = branch, .until = now + branch_within, .done = std::move(done)});
  if (asks.size() == 1) impl.branch_askers->post([&impl, repo] { impl.answer_branch_asks(repo); });
}

void Executor::Impl::answer_branch_asks(const std::string& repo) {
  std::vector<BranchAsk> asks;
  {
    const MutexLock lock(mutex);
    asks = std::exchange(branch_asks[repo], {});
    branch_asks.erase(repo);
  }
  // The first request has waited longest.
  const auto left = std::chrono::duration_cast<seconds>(asks.front().until - system.now());
  const Result<std::vector<std::string>> branches =
      left < seconds(1) ? Error{ErrorCode::busy, "no time is left"} : system.origin_branches(repo, left);
  for (BranchAsk& ask : asks) ask.done(branches ? look_for(ask.branch, *branches) : FoundBranch{});
}

}  // namespace pawl
