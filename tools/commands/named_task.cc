#include "tools/commands/named_task.h"

#include <boost/json/array.hpp>
#include <boost/json/value.hpp>

#include <algorithm>

#include "tools/commands/answers.h"
#include "tools/commands/output.h"

namespace pawl {
namespace {

namespace json = boost::json;

struct Found {
  std::uint64_t id = 0;
  std::string repo;
  std::string stage;

  bool is_live() const { return stage != "done" && stage != "cancelled"; }
};

bool is_number(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

/// An empty `repo` means any.
Result<std::vector<Found>> find(Client& client, const std::string& item, const std::string& repo) {
  std::string path = "/v1/tasks?work_item=" + percent_encoded(item);
  if (!repo.empty()) path += "&repo=" + percent_encoded(repo);
  std::vector<Found> found;
  const json::array tasks = PAWL_TRY(call_list(client, path));
  for (const json::value& task : tasks) {
    const std::uint64_t id = PAWL_TRY(read_number(cell(task, "id"), "the task's id"));
    found.push_back({id, cell(task, "repo"), cell(task, "stage")});
  }
  return found;
}

Result<std::uint64_t> choose(const std::string& item, const std::string& repo, std::vector<Found> found) {
  if (found.empty()) {
    const std::string of = repo.empty() ? "" : " of " + printable(repo);
    return Error{ErrorCode::busy,
                 "no task" + of + " has the work item '" + printable(item) + "'; 'pawl task' lists them"};
  }
  const bool has_live = std::any_of(found.begin(), found.end(), [](const Found& each) { return each.is_live(); });
  if (has_live) std::erase_if(found, [](const Found& each) { return !each.is_live(); });
  const bool is_of_one =
      std::all_of(found.begin(), found.end(), [&](const Found& each) { return each.repo == found.front().repo; });
  if (is_of_one) {
    return std::max_element(found.begin(), found.end(), [](const Found& a, const Found& b) { return a.id < b.id; })->id;
  }
  std::string message = "several repositories have the work item '" + printable(item) + "':";
  for (const Found& each : found) {
    message +=
        "\n  task " + std::to_string(each.id) + "  " + printable(each.repo) + '/' + printable(item) + "  " + each.stage;
  }
  return Error{ErrorCode::malformed, message + "\nname one as REPO/WORK_ITEM, with --repo REPO, or by its number"};
}

Result<std::uint64_t> task_of_item(Client& client, const std::string& item, const std::string& repo) {
  std::vector<Found> found = PAWL_TRY(find(client, item, repo));
  // Names of repositories and of work items may contain slashes.
  for (std::size_t slash = item.find('/'); repo.empty() && found.empty() && slash != std::string::npos;
       slash = item.find('/', slash + 1)) {
    if (slash == 0 || slash + 1 == item.size()) continue;
    found = PAWL_TRY(find(client, item.substr(slash + 1), item.substr(0, slash)));
  }
  return choose(item, repo, std::move(found));
}

}  // namespace

std::vector<OptionSpec> with_task_options(std::vector<OptionSpec> own) {
  own.push_back({"work-item", "ITEM", "the task of that work item, instead of TASK: for a work item that is a number"});
  own.push_back({"repo", "REPO", "the repository of the work item, if several have it"});
  return with_daemon_options(std::move(own));
}

Result<std::uint64_t> task_of_word(Client& client, const std::string& word, const std::string& repo) {
  if (is_number(word)) return read_number(word, "TASK");
  return task_of_item(client, word, repo);
}

Result<NamedTask> named_task(Client& client, const Arguments& arguments, std::size_t words_behind) {
  NamedTask named{.id = 0, .rest = arguments.positional()};
  const auto item = arguments.value("work-item");
  const std::string repo = arguments.value_or("repo", "");
  const std::size_t wanted = words_behind + (item ? 0 : 1);
  if (named.rest.size() < wanted) return Error{ErrorCode::malformed, "too few arguments; give TASK or --work-item"};
  if (named.rest.size() > wanted) {
    return Error{ErrorCode::malformed, "too many arguments: '" + named.rest[wanted] + "'"};
  }
  if (item) {
    named.id = PAWL_TRY(task_of_item(client, *item, repo));
    return named;
  }
  named.id = PAWL_TRY(task_of_word(client, named.rest.front(), repo));
  named.rest.erase(named.rest.begin());
  return named;
}

}  // namespace pawl
