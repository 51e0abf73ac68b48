// Which repositories tasks may name (SPEC §3).
#include "engine/rules/rules.h"
#include "schema/limits.h"

namespace pawl {
namespace {

bool is_named_by_live_task(const State& state, const std::string& repo) {
  const auto& live = state.indexes.live_work_items;
  const auto first = live.lower_bound({repo, std::string()});
  return first != live.end() && first->first.first == repo;
}

}  // namespace

Outcome apply_event(Turn& turn, const fb::RepoDeclared& event) {
  State& state = turn.state;
  const std::string repo = event.repo()->str();
  const std::string url = text_or_empty(event.url());
  const RepoRow* known = state.repos.find(repo);
  if (!known && state.repos.size() >= limits::repos_max) return Outcome::limit;

  RepoRow& row = known ? state.repos.edit(repo) : state.repos.insert(repo, {.repo = repo});
  row.declared = true;
  row.url = url;
  if (event.given()) row.given = url;
  return Outcome::accepted;
}

Outcome apply_event(Turn& turn, const fb::RepoRemoved& event) {
  State& state = turn.state;
  const std::string repo = event.repo()->str();
  const RepoRow* known = state.repos.find(repo);
  if (!known || !known->declared) return Outcome::unknown_repo;
  if (is_named_by_live_task(state, repo)) return Outcome::repo_in_use;

  if (!known->given) {
    state.repos.erase(repo);
    return Outcome::accepted;
  }
  // What the daemon's start gave stays known: the same option at the next start declares nothing.
  RepoRow& row = state.repos.edit(repo);
  row.declared = false;
  row.url.clear();
  return Outcome::accepted;
}

}  // namespace pawl
