// Gitea: pushes, commit statuses and pull requests.
#include <boost/json/value.hpp>

#include <algorithm>

#include "daemon/outside/webhook_reading.h"

namespace pawl {
namespace {

namespace json = boost::json;

Result<std::vector<std::string>> gitea_repos(const json::value& body, const WebhookConfig& config) {
  const std::string full_name = PAWL_TRY(needed_text(body, {"repository", "full_name"}));
  const auto& all = config.gitea_repos;
  if (const auto mapped = all.find(full_name); mapped != all.end()) return std::vector{mapped->second};
  return repo_names(full_name, [&](const std::string& name) {
    return std::any_of(all.begin(), all.end(), [&](const auto& listed) { return listed.second == name; });
  });
}

Result<WebhookReading> read_gitea_push(const json::value& body, const WebhookConfig& config) {
  const std::string ref = PAWL_TRY(needed_text(body, {"ref"}));
  const std::string commit = PAWL_TRY(needed_text(body, {"after"}));
  const std::vector<std::string> repos = PAWL_TRY(gitea_repos(body, config));
  return reading_of_push(WebhookSource::gitea, repos, ref, commit);
}

Result<WebhookReading> read_gitea_status(const json::value& body, const WebhookConfig& config) {
  const std::string state = PAWL_TRY(needed_text(body, {"state"}));
  const std::string commit = PAWL_TRY(needed_text(body, {"sha"}));
  const std::vector<std::string> repos = PAWL_TRY(gitea_repos(body, config));
  WebhookAdvance advance{.repos = repos, .branch = {}, .commit = commit};
  const std::string context = short_text(text_at(body, {"context"}));
  const std::string what = "gitea: status " + short_text(state) + " of " + short_commit(commit) + " (" + context + ")";
  if (state != "success") return WebhookReading{what, WebhookIgnored{"only a successful status advances a task"}};
  return WebhookReading{what, std::move(advance)};
}

/// While the branch exists, `head.ref` is its name. Once it is deleted, for instance by a merge, `head.ref` is
/// "refs/pull/17/head", and only `head.label` has the name.
Result<std::string> gitea_branch(const json::value& body) {
  std::string ref = PAWL_TRY(needed_text(body, {"pull_request", "head", "ref"}));
  if (!ref.starts_with("refs/")) return ref;
  return text_at(body, {"pull_request", "head", "label"});
}

Result<WebhookReading> read_gitea_pull(const json::value& body, const WebhookConfig& config) {
  const std::string action = PAWL_TRY(needed_text(body, {"action"}));
  const std::string branch = PAWL_TRY(gitea_branch(body));
  PullRequest pull{.source = WebhookSource::gitea,
                   .action = action,
                   .repos = PAWL_TRY(gitea_repos(body, config)),
                   .number = number_at(body, {"number"}),
                   .branch = branch,
                   .commit = text_at(body, {"pull_request", "head", "sha"}),
                   .merge_commit = text_at(body, {"pull_request", "merge_commit_sha"})};
  const auto home = integer_at(body, {"repository", "id"});
  const auto head = integer_at(body, {"pull_request", "head", "repo_id"});
  pull.is_of_fork = home && head && *home != *head;
  if (pull.action == "opened" || pull.action == "reopened" || pull.action == "synchronized") {
    pull.what = PullRequest::What::updated;
  } else if (pull.action == "closed") {
    const bool is_merged = is_true_at(body, {"pull_request", "merged"});
    pull.what = is_merged ? PullRequest::What::merged : PullRequest::What::closed;
    pull.by = is_merged ? text_at(body, {"pull_request", "merged_by", "login"}) : text_at(body, {"sender", "login"});
  }
  return reading_of(pull);
}

}  // namespace

Result<WebhookReading> read_gitea(std::string_view event, const json::value& body, const WebhookConfig& config) {
  if (event.empty()) return bad_delivery("header X-Gitea-Event is missing");
  if (event == "push") return read_gitea_push(body, config);
  if (event == "status") return read_gitea_status(body, config);
  if (event == "pull_request") return read_gitea_pull(body, config);
  return WebhookReading{"gitea: " + short_text(event), WebhookIgnored{"pawl does not act on events of this kind"}};
}

}  // namespace pawl
