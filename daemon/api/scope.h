// What a narrow token is limited to: repositories, agents, keys of leases (docs/SECURITY.md). What is outside it
// neither sees nor moves.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "schema/result.h"

namespace pawl {

/// Each list that is empty limits nothing.
struct Scope {
  std::vector<std::string> repos = {};   // names, or beginnings with a `*` behind them
  std::vector<std::string> agents = {};  // names
  std::vector<std::string> leases = {};  // beginnings of keys

  bool is_narrow() const { return !repos.empty() || !agents.empty() || !leases.empty(); }
  bool has_repo(std::string_view repo) const;
  bool has_agent(std::string_view agent) const;
  /// Of a key that names neither a task nor a repository by itself, or where no repositories are named.
  bool has_key(std::string_view key) const;
  /// Of any key; `repo`: of the task that a `task:` key names, empty: there is none.
  bool has_key(std::string_view key, std::string_view repo) const;
};

/// Null: it limits nothing.
using SharedScope = std::shared_ptr<const Scope>;

/// Whether a word begins as one that read_limit() takes.
bool is_limit(std::string_view word);
/// `repos=a,b*`, `agents=x` or `leases=deploy:` into the scope. `malformed` says what is wrong, to stand behind the
/// place; it shows the limit's name, and none of what follows. Requires: is_limit().
Result<void> read_limit(std::string_view word, Scope& scope);
/// What read_limit() reads, for people and for a line: "repos=a,b* agents=x". Empty: it is not narrow.
std::string text_of(const Scope& scope);

}  // namespace pawl
