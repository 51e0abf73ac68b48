#include "daemon/api/scope.h"

#include <algorithm>
#include <array>

#include "schema/ids.h"
#include "schema/limits.h"
#include "schema/repository.h"

namespace pawl {
namespace {

struct Limit {
  std::string_view name;
  std::vector<std::string> Scope::*list;
};

constexpr std::array<Limit, 3> all_limits{{
    {"repos", &Scope::repos},
    {"agents", &Scope::agents},
    {"leases", &Scope::leases},
}};

const Limit* limit_of(std::string_view word) {
  for (const Limit& limit : all_limits) {
    if (word.starts_with(limit.name) && word.substr(limit.name.size()).starts_with('=')) return &limit;
  }
  return nullptr;
}

bool begins_with_one(const std::vector<std::string>& beginnings, std::string_view key) {
  return std::any_of(beginnings.begin(), beginnings.end(),
                     [key](const std::string& beginning) { return key.starts_with(beginning); });
}

/// Refuses a name that no repository can have: such a typo would exclude everything.
Result<void> check_repo(std::string_view word) {
  const bool is_beginning = word.ends_with('*');
  if (is_beginning) word.remove_suffix(1);
  if (word.find('*') != std::string_view::npos) {
    return Error{ErrorCode::malformed, "repos= takes a '*' only at the end of a name"};
  }
  if (word.empty())
    return Error{ErrorCode::malformed, "repos= does not take a lone '*': for all repositories, omit repos="};
  // A prefix may end in a way that a name cannot: `team/*`.
  const std::string name = std::string(word) + (is_beginning ? "x" : "");
  if (const auto checked = check_repo_name(name); !checked) {
    return Error{ErrorCode::malformed, "a name in repos= must not " + checked.error().message};
  }
  return {};
}

}  // namespace

bool Scope::has_repo(std::string_view repo) const {
  return repos.empty() || std::any_of(repos.begin(), repos.end(), [repo](const std::string& each) {
           return each.ends_with('*') ? repo.starts_with(std::string_view(each).substr(0, each.size() - 1))
                                      : repo == each;
         });
}

bool Scope::has_agent(std::string_view agent) const {
  return agents.empty() || std::find(agents.begin(), agents.end(), agent) != agents.end();
}

bool Scope::has_key(std::string_view key) const {
  return leases.empty() ? repos.empty() : begins_with_one(leases, key);
}

bool Scope::has_key(std::string_view key, std::string_view repo) const {
  if (repos.empty()) return has_key(key);
  if (task_of_key(key)) return !repo.empty() && has_repo(repo);
  if (key.starts_with(repo_prefix)) return has_repo(key.substr(repo_prefix.size()));
  return has_key(key);
}

bool is_limit(std::string_view word) {
  return limit_of(word) != nullptr;
}

Result<void> read_limit(std::string_view word, Scope& scope) {
  const auto wrong = [](const std::string& what) { return Error{ErrorCode::malformed, what}; };
  const Limit* limit = limit_of(word);
  PAWL_ASSERT(limit);
  const std::string_view name = limit->name;
  std::vector<std::string>& list = scope.*limit->list;
  if (!list.empty()) return wrong(std::string(name) + "= is given twice");
  std::string_view rest = word.substr(name.size() + 1);
  for (bool more = true; more;) {
    const std::size_t comma = rest.find(',');
    const std::string_view one = rest.substr(0, comma);
    more = comma != std::string_view::npos;
    if (more) rest.remove_prefix(comma + 1);
    if (one.empty()) return wrong(std::string(name) + "= takes comma-separated names, none of them empty");
    if (limit->list == &Scope::repos) PAWL_TRY(check_repo(one));
    if (list.size() == limits::names_per_limit_max) {
      return wrong(std::string(name) + "= takes " + std::to_string(limits::names_per_limit_max) + " names at most");
    }
    list.emplace_back(one);
  }
  return {};
}

std::string text_of(const Scope& scope) {
  std::string text;
  for (const Limit& limit : all_limits) {
    const std::vector<std::string>& list = scope.*limit.list;
    if (list.empty()) continue;
    text += (text.empty() ? "" : " ") + std::string(limit.name);
    for (const std::string& one : list) text += (&one == list.data() ? "=" : ",") + one;
  }
  return text;
}

}  // namespace pawl
