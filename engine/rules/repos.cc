// Which repositories tasks may name (SPEC §4).
#include "engine/rules/rules.h"
#include "schema/limits.h"

namespace pawl {
namespace {

constexpr std::size_t told_max = 10;

/// "task 3, task 7 and more": the live tasks of a repository; empty if there are none.
std::string live_tasks_on(const State& state, const std::string& repo) {
  const auto& live = state.indexes.live_work_items;
  std::string tasks;
  std::size_t told = 0;
  for (auto at = live.lower_bound({repo, std::string()}); at != live.end() && at->first.first == repo; ++at) {
    if (told++ == told_max) return tasks + " and more";
    tasks += (tasks.empty() ? "task " : ", task ") + std::to_string(raw(at->second));
  }
  return tasks;
}

}  // namespace

Outcome apply_event(RuleContext& context, const fb::RepoDeclared& event) {
  State& state = context.state;
  const std::string repo = event.repo()->str();
  const std::string url = text_or_empty(event.url());
  const RepoRow* known = state.repos.find(repo);
  if (!known && state.repos.size() >= limits::repos_max) {
    context.applied.detail =
        std::to_string(limits::repos_max) + " repositories are known, which is the limit; remove one first";
    return Outcome::limit;
  }

  RepoRow& row = known ? state.repos.edit(repo) : state.repos.insert(repo, {.repo = repo});
  row.declared = true;
  row.url = url;
  if (event.given()) row.given = url;
  return Outcome::accepted;
}

Outcome apply_event(RuleContext& context, const fb::RepoRemoved& event) {
  State& state = context.state;
  const std::string repo = event.repo()->str();
  const RepoRow* known = state.repos.find(repo);
  if (!known || !known->declared) {
    context.applied.detail = no_repo_named(state, repo);
    return Outcome::unknown_repo;
  }
  if (std::string tasks = live_tasks_on(state, repo); !tasks.empty()) {
    context.applied.detail = std::move(tasks);
    return Outcome::repo_in_use;
  }

  if (!known->given) {
    state.repos.erase(repo);
    return Outcome::accepted;
  }
  // A repository given at the daemon's start stays known, so that the same option at the next start does not declare it
  // again.
  RepoRow& row = state.repos.edit(repo);
  row.declared = false;
  row.url.clear();
  return Outcome::accepted;
}

}  // namespace pawl
