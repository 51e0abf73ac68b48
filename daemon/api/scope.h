// The limits of a narrow token: repositories, agents, lease keys (docs/SECURITY.md). The token can neither see nor
// change anything outside.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "schema/result.h"

namespace pawl {

/// An empty list does not limit.
struct Scope {
  std::vector<std::string> repos = {};   // names, or prefixes followed by `*`
  std::vector<std::string> agents = {};  // names
  std::vector<std::string> leases = {};  // prefixes of keys

  bool is_narrow() const { return !repos.empty() || !agents.empty() || !leases.empty(); }
  bool has_repo(std::string_view repo) const;
  bool has_agent(std::string_view agent) const;
  /// For a key that does not itself name a task or repository, or if the scope names no repositories.
  bool has_key(std::string_view key) const;
  /// For any key; `repo`: that of the task in a `task:` key, empty: none.
  bool has_key(std::string_view key, std::string_view repo) const;
};

/// Null: no limits.
using SharedScope = std::shared_ptr<const Scope>;

/// Whether a word begins like one that read_limit() takes.
bool is_limit(std::string_view word);
/// `repos=a,b*`, `agents=x` or `leases=deploy:` into the scope. `malformed` says what is wrong, for appending to the
/// file and line; it shows only the limit's name. Requires: is_limit().
Result<void> read_limit(std::string_view word, Scope& scope);
/// The text that read_limit() reads, for people and for the token file: "repos=a,b* agents=x". Empty: no limits.
std::string text_of(const Scope& scope);

}  // namespace pawl
