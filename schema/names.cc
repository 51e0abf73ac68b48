#include "schema/names.h"

#include <algorithm>

#include "schema/printable.h"

namespace pawl {
namespace {

Error must_not(std::string message) {
  return {ErrorCode::malformed, std::move(message)};
}

/// Characters that git forbids anywhere in a name: each has a meaning in gitrevisions(7).
constexpr std::string_view taken_by_git = " ~^:?*[\\";
constexpr std::string_view allowed =
    "; a branch name must be valid for git: no blanks, no ~ ^ : ? * [ \\, no control characters, no '..' or '@{'; not "
    "'@', 'HEAD' or HEAD/anything; not ending with '.'; and no part between slashes may be empty, begin with '.' or "
    "end with "
    "'.lock'";

Error no_branch(const std::string& what) {
  return must_not(what + std::string(allowed));
}

}  // namespace

Result<void> check_seen(std::string_view name) {
  const auto unseen = unseen_in(name);
  if (!unseen) return {};
  return must_not("contain " + *unseen +
                  ": control characters, invisible characters and characters that change text direction are not "
                  "allowed in a name, so that people can tell it from other names");
}

Result<void> check_branch_name(std::string_view name) {
  if (name.empty()) return no_branch("be empty");
  if (name.starts_with('-')) return no_branch("begin with '-'");
  if (name == "@" || name == "HEAD") return no_branch("be '" + std::string(name) + "'");
  if (name.starts_with("HEAD/")) return no_branch("begin with 'HEAD/'");
  PAWL_TRY(check_seen(name));
  if (const std::size_t at = name.find_first_of(taken_by_git); at != std::string_view::npos) {
    return no_branch(name[at] == ' ' ? "contain a blank" : std::string("contain '") + name[at] + "'");
  }
  for (const std::string_view pair : {"..", "@{"}) {
    if (name.find(pair) != std::string_view::npos) return no_branch("contain '" + std::string(pair) + "'");
  }
  if (name.ends_with('.')) return no_branch("end with '.'");
  for (std::size_t begin = 0; begin <= name.size();) {
    const std::size_t end = std::min(name.find('/', begin), name.size());
    const std::string_view part = name.substr(begin, end - begin);
    if (part.empty()) return no_branch("begin or end with '/', or contain '//'");
    if (part.starts_with('.')) return no_branch("have a part that begins with '.'");
    if (part.ends_with(".lock")) return no_branch("have a part that ends with '.lock'");
    begin = end + 1;
  }
  return {};
}

}  // namespace pawl
