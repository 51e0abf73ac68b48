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

/// A URL, or what stands for one.
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

/// Where a repository is cloned from by now; empty: from nowhere, or it is not declared.
Result<std::string> url_declared(const Arguments& arguments, const std::string& repo) {
  auto caller = PAWL_TRY(caller_of(arguments));
  for (const json::value& row : PAWL_TRY(call_list(caller.client, "/v1/repos"))) {
    if (cell(row, "repo") == repo && !row.at("url").is_null()) return cell(row, "url");
  }
  return std::string();
}

Exit add_repo(const Arguments& arguments) {
  const std::vector<std::string>& words = arguments.positional();
  if (words.size() < 2) return fail(Exit::usage, "repos add: say which, and where it is cloned from: NAME [URL]");
  if (words.size() == 2) {
    // Typed to see what there is, it would send the commands of all its tasks into empty folders.
    const auto url = url_declared(arguments, words[1]);
    if (!url) return fail(url.error());
    if (!url->empty()) {
      return fail(Exit::usage, "repos add: " + printable(words[1]) + " is declared, cloned from " + *url +
                                   ": say its new URL, or '' for none");
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
  if (words.size() != 2) return fail(Exit::usage, "repos remove: say which one: NAME");
  // In the query, so that no proxy takes a name with a slash apart.
  return run_call(arguments, {.method = "DELETE", .path = "/v1/repos?repo=" + percent_encoded(words[1])},
                  [&](const json::value& answer) {
                    return "removed " + printable(words[1]) + ", seq " + cell(answer, "seq") + "\n";
                  });
}

Exit run_repos(const Arguments& arguments) {
  const std::vector<std::string>& words = arguments.positional();
  if (words.empty() || (words[0] == "list" && words.size() == 1)) return run_list(arguments, "/v1/repos", show_repos);
  if (words[0] == "list") return fail(Exit::usage, "repos list: what is '" + words[1] + "'? It takes no more words");
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
        "As long as none is declared, tasks may name any. `add` of one that is declared says where it is cloned from\n"
        "from now on; without a URL ('' where it has one) its commands run in an empty folder. Credentials have no "
        "place in a URL: leave\n"
        "them to a key, or to one of git's credential helpers. What is said here stays over a restart of pawld, as\n"
        "long as its --repo is the same as before.\n",
    .options = with_daemon_options({}),
    .positional_max = 3,
    .run = run_repos};

}  // namespace pawl
