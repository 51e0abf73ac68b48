// The repositories that tasks may name.
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include <array>
#include <filesystem>

#include "schema/json/json_text.h"
#include "schema/nearest.h"
#include "schema/repository.h"
#include "tools/commands/answers.h"
#include "tools/commands/output.h"

namespace pawl {
namespace {

namespace json = boost::json;

constexpr std::array<std::string_view, 3> repo_actions{"list", "add", "remove"};

/// A URL, or a placeholder.
std::string url_of_repo(const json::value& repo) {
  const std::string url = cell(repo, "url");
  return url == "-" ? "(no URL)" : url;
}

std::string trouble_of_repo(const json::value& repo) {
  const json::value* trouble = repo.get_object().if_contains("trouble");
  if (!trouble || !trouble->is_object()) return {};
  return cell(*trouble, "reason") + ": " + cell(*trouble, "words");
}

std::string show_repos(const json::array& repos) {
  if (repos.empty()) return "no repositories are declared: tasks may name any\n";
  TextTable table({"repository", "url", "declared", "live tasks", "trouble"});
  for (const json::value& repo : repos) {
    table.add(
        {cell(repo, "repo"), url_of_repo(repo), "by " + cell(repo, "by"), cell(repo, "tasks"), trouble_of_repo(repo)});
  }
  return table.text();
}

std::string show_declared_repo(const json::value& answer) {
  const json::value& repo = part_of(answer, "repo");
  return "declared " + cell(repo, "repo") + ", " + url_of_repo(repo) + "\n";
}

/// The URL that a repository is cloned from at present; empty: none, or the repository is not declared.
Result<std::string> url_declared(const Arguments& arguments, const std::string& repo) {
  auto caller = PAWL_TRY(caller_of(arguments));
  for (const json::value& row : PAWL_TRY(call_list(caller.client, "/v1/repos"))) {
    if (cell(row, "repo") == repo && !row.at("url").is_null()) return cell(row, "url");
  }
  return std::string();
}

Exit add_repo(const Arguments& arguments) {
  const std::vector<std::string>& words = arguments.positional();
  if (words.size() < 2) return fail(Exit::usage, "repos add: give NAME [URL] (where to clone it from)");
  if (words.size() == 2) {
    // Typed just to look, this would make all its tasks' commands run in empty folders.
    const auto url = url_declared(arguments, words[1]);
    if (!url) return fail(url.error());
    if (!url->empty()) {
      return fail(Exit::usage, "repos add: " + printable(words[1]) + " is already declared, cloned from " + *url +
                                   "; give its new URL, or '' for none");
    }
  }
  std::string body = "{\"repo\":";
  append_json_text(body, words[1]);
  if (words.size() > 2 && !words[2].empty()) {
    std::error_code gone;
    body += ",\"url\":";
    append_json_text(body, from_folder(words[2], std::filesystem::current_path(gone)));
  }
  return run_call(arguments, {.method = "POST", .path = "/v1/repos", .body = body + '}'}, show_declared_repo);
}

Exit remove_repo(const Arguments& arguments) {
  const std::vector<std::string>& words = arguments.positional();
  if (words.size() != 2) return fail(Exit::usage, "repos remove: give the repository's NAME");
  // In the query, so that no proxy splits a name with a slash.
  return run_call(arguments, {.method = "DELETE", .path = "/v1/repos?repo=" + percent_encoded(words[1])},
                  [&](const json::value& answer) {
                    return "removed " + printable(words[1]) + ", seq " + cell(answer, "seq") + "\n";
                  });
}

Exit run_repos(const Arguments& arguments) {
  const std::vector<std::string>& words = arguments.positional();
  if (words.empty() || (words[0] == "list" && words.size() == 1)) return run_list(arguments, "/v1/repos", show_repos);
  if (words[0] == "list") return fail(Exit::usage, "repos list: too many arguments: '" + words[1] + "'");
  if (words[0] == "add") return add_repo(arguments);
  if (words[0] == "remove") return remove_repo(arguments);
  const auto meant = nearest_of(words[0], repo_actions);
  return fail(Exit::usage, "repos: '" + words[0] + "' is not list, add or remove" +
                               (meant ? "; did you mean '" + std::string(*meant) + "'?" : ""));
}

}  // namespace

const Command repos_command = {
    .name = "repos",
    .arguments = "[list | add NAME [URL] | remove NAME]",
    .summary = "Lists the repositories that tasks may name, declares one, or removes one",
    .details =
        "While no repository is declared, tasks may name any. `add` for a declared one changes where it is cloned\n"
        "from; without a URL ('' if it already has one), its tasks' commands run in an empty folder. Do not put\n"
        "credentials into a URL: use a key, or one of git's credential helpers. A declaration survives a restart of\n"
        "pawld, as long as its --repo option stays the same.\n",
    .options = with_daemon_options({}),
    .positional_max = 3,
    .run = run_repos};

}  // namespace pawl
