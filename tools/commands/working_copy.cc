#include "tools/commands/working_copy.h"

#include <sys/wait.h>

#include <array>
#include <cstdio>

#include "schema/repository.h"

namespace pawl {
namespace {

constexpr int exit_not_found = 127;

struct GitAnswer {
  int exit_code = -1;
  std::string line;  // the first line of its output
};

/// Runs `command` in a shell: no part of it may come from outside.
GitAnswer ask_git(const char* command) {
  GitAnswer answer;
  std::FILE* const output = ::popen(command, "re");
  if (!output) return answer;
  std::string text;
  std::array<char, 4096> piece{};
  while (const std::size_t bytes = std::fread(piece.data(), 1, piece.size(), output)) text.append(piece.data(), bytes);
  const int status = ::pclose(output);
  if (WIFEXITED(status)) answer.exit_code = WEXITSTATUS(status);
  answer.line = text.substr(0, text.find('\n'));
  return answer;
}

Error missing(std::string message) {
  return {ErrorCode::missing, std::move(message)};
}

Result<void> check_working_copy() {
  const GitAnswer answer = ask_git("git rev-parse --is-inside-work-tree 2>/dev/null");
  if (answer.exit_code == exit_not_found) return missing("git is not installed");
  if (answer.exit_code != 0 || answer.line != "true") return missing("this folder is not in a git working copy");
  return {};
}

/// An http(s) URL without its user name and password, which pawld does not show.
std::string without_user(std::string_view url) {
  const std::size_t host = url.starts_with("https://") ? 8 : url.starts_with("http://") ? 7 : 0;
  const std::size_t at = host == 0 ? std::string_view::npos : url.substr(0, url.find('/', host)).rfind('@');
  return at == std::string_view::npos ? std::string(url)
                                      : std::string(url.substr(0, host)) + std::string(url.substr(at + 1));
}

std::string_view without_ending(std::string_view url) {
  while (url.ends_with('/')) url.remove_suffix(1);
  if (url.ends_with(".git")) url.remove_suffix(sizeof(".git") - 1);
  return url;
}

}  // namespace

bool is_same_url(std::string_view one, std::string_view other) {
  return without_ending(without_user(one)) == without_ending(without_user(other));
}

std::string repo_name_of(std::string_view url) {
  url = without_ending(url);
  const std::size_t end = url.find_last_of("/:");
  return std::string(end == std::string_view::npos ? url : url.substr(end + 1));
}

Result<std::string> working_copy_origin() {
  PAWL_TRY(check_working_copy());
  const GitAnswer answer = ask_git("git remote get-url origin 2>/dev/null");
  if (answer.exit_code != 0) return missing("this working copy has no remote named origin");
  if (repo_name_of(answer.line).empty()) {
    return missing("the URL of origin, '" + answer.line + "', does not end with a name");
  }
  // As `pawl repos add` declared it. git takes a relative path from the top of the working copy.
  return from_folder(answer.line, ask_git("git rev-parse --show-toplevel 2>/dev/null").line);
}

Result<std::string> working_copy_branch() {
  PAWL_TRY(check_working_copy());
  const GitAnswer answer = ask_git("git symbolic-ref --quiet --short HEAD 2>/dev/null");
  if (answer.exit_code != 0 || answer.line.empty()) {
    return missing("no branch is checked out in this working copy (detached HEAD)");
  }
  return answer.line;
}

}  // namespace pawl
