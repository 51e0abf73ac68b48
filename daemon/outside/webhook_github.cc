// GitHub: pushes, pull requests, and requests by label or comment on an issue or pull request.
#include <boost/json/value.hpp>

#include <algorithm>

#include "daemon/outside/webhook_reading.h"

namespace pawl {
namespace {

namespace json = boost::json;

/// The user who labels or comments, as far as the payload says.
struct GithubUser {
  std::string login;
  std::string type;         // "User", "Bot"
  std::string association;  // with the repository; empty: not sent
};

/// Whether the user certainly has write access. GitHub sends only the user's association with the repository, not the
/// permission. In an organization, neither membership nor collaboration implies write access, and the triage role is
/// enough to label. In a personal account's repository every collaborator can write.
bool may_write(const json::value& body, const GithubUser& user, const WebhookConfig& config) {
  if (user.login.empty()) return false;
  const auto is_user = [&](const std::string& login) { return lower(login) == lower(user.login); };
  const auto& members = config.github.members;
  if (std::any_of(members.begin(), members.end(), is_user) || user.association == "OWNER") return true;
  if (text_at(body, {"repository", "owner", "type"}) != "User") return false;
  return is_user(text_at(body, {"repository", "owner", "login"})) || user.association == "COLLABORATOR";
}

/// The user who added a label. The association sent is the author's; anyone else must be a collaborator to label, where
/// there is no triage role. An author may get a label from the issue template without any permission.
GithubUser labeller(const json::value& body, std::string_view labelled) {
  GithubUser user{.login = text_at(body, {"sender", "login"}),
                  .type = text_at(body, {"sender", "type"}),
                  .association = text_at(body, {labelled, "author_association"})};
  const bool is_author = user.login == text_at(body, {labelled, "user", "login"});
  if (!is_author) user.association = user.type == "User" ? "COLLABORATOR" : "";
  return user;
}

/// The branch belongs to another repository, or to a deleted one.
bool is_of_fork(const json::value& body) {
  const auto home = integer_at(body, {"repository", "id"});
  const auto head = integer_at(body, {"pull_request", "head", "repo", "id"});
  return !home || home != head;
}

Result<WebhookReading> read_github_push(const json::value& body, const WebhookConfig& config) {
  const std::string full_name = PAWL_TRY(needed_text(body, {"repository", "full_name"}));
  const std::string ref = PAWL_TRY(needed_text(body, {"ref"}));
  const std::string commit = PAWL_TRY(needed_text(body, {"after"}));
  return reading_of_push(WebhookSource::github, repos_of(config.github, full_name), ref, commit);
}

/// None if pawl does not use the label.
Result<std::optional<WebhookReading>> read_github_label(const json::value& body, std::string_view labelled,
                                                        const WebhookConfig& config) {
  const std::string label = PAWL_TRY(needed_text(body, {"label", "name"}));
  const auto verb = verb_of_label(label, config);
  if (!verb) return std::optional<WebhookReading>();
  const std::string full_name = PAWL_TRY(needed_text(body, {"repository", "full_name"}));
  const GithubUser user = labeller(body, labelled);
  ForgeOrder order{.source = WebhookSource::github,
                   .verb = *verb,
                   .how = "labelled " + short_text(label),
                   .by = user.login,
                   .may_write = may_write(body, user, config),
                   .repos = repos_of(config.github, full_name),
                   .place = place_of(config.github, full_name)};
  const std::string number = PAWL_TRY(needed_number(body, {labelled, "number"}));
  if (labelled == "issue") {
    order.subject = "issue " + number;
    order.issue = number;
  } else {
    order.branch = PAWL_TRY(needed_text(body, {"pull_request", "head", "ref"}));
    order.subject = "pull request " + number + " (" + short_text(order.branch) + ")";
    order.is_of_fork = is_of_fork(body);
  }
  return std::optional(reading_of(order, config));
}

Result<WebhookReading> read_github_pull(const json::value& body, const WebhookConfig& config) {
  const std::string action = PAWL_TRY(needed_text(body, {"action"}));
  if (action == "labeled") {
    if (auto order = PAWL_TRY(read_github_label(body, "pull_request", config))) return *std::move(order);
  }
  PullRequest pull{
      .source = WebhookSource::github,
      .action = action,
      .repos = repos_of(config.github, PAWL_TRY(needed_text(body, {"repository", "full_name"}))),
      .number = number_at(body, {"pull_request", "number"}),
      .branch = PAWL_TRY(needed_text(body, {"pull_request", "head", "ref"})),
      .commit = text_at(body, {"pull_request", "head", "sha"}),
      .merge_commit = text_at(body, {"pull_request", "merge_commit_sha"}),
      .is_of_fork = is_of_fork(body),
  };
  if (action == "opened" || action == "reopened" || action == "synchronize" || action == "ready_for_review") {
    pull.what = PullRequest::What::updated;
  } else if (action == "closed") {
    const bool is_merged = is_true_at(body, {"pull_request", "merged"});
    pull.what = is_merged ? PullRequest::What::merged : PullRequest::What::closed;
    pull.by = is_merged ? text_at(body, {"pull_request", "merged_by", "login"}) : text_at(body, {"sender", "login"});
  }
  return reading_of(pull);
}

Result<WebhookReading> read_github_issue(const json::value& body, const WebhookConfig& config) {
  const std::string action = PAWL_TRY(needed_text(body, {"action"}));
  if (action == "labeled") {
    if (auto order = PAWL_TRY(read_github_label(body, "issue", config))) return *std::move(order);
  }
  return WebhookReading{"github: issue " + number_at(body, {"issue", "number"}) + " " + short_text(action),
                        WebhookIgnored{"pawl acts on an issue only when the start or stop label is added"}};
}

/// A comment on a pull request does not name the branch; the pull request's own events do.
Result<WebhookReading> read_github_comment(const json::value& body, const WebhookConfig& config) {
  const std::string action = PAWL_TRY(needed_text(body, {"action"}));
  const std::string comment = text_at(body, {"comment", "body"});
  const auto verb = verb_of_comment(comment);
  if (action != "created" || !verb) {
    return WebhookReading{"github: comment on " + number_at(body, {"issue", "number"}) + " " + short_text(action),
                          WebhookIgnored{"pawl acts only on a new comment that begins with /pawl"}};
  }
  const std::string number = PAWL_TRY(needed_number(body, {"issue", "number"}));
  const std::string full_name = PAWL_TRY(needed_text(body, {"repository", "full_name"}));
  const GithubUser user{.login = text_at(body, {"comment", "user", "login"}),
                        .type = text_at(body, {"comment", "user", "type"}),
                        .association = text_at(body, {"comment", "author_association"})};
  const bool is_of_pull = value_at(body, {"issue", "pull_request"}) != nullptr;
  ForgeOrder order{.source = WebhookSource::github,
                   .verb = *verb,
                   .how = *verb == ForgeOrder::Verb::start ? "told /pawl start" : "told /pawl stop",
                   .subject = (is_of_pull ? "pull request " : "issue ") + number,
                   .by = user.login,
                   .may_write = may_write(body, user, config),
                   .repos = repos_of(config.github, full_name),
                   .place = place_of(config.github, full_name)};
  (is_of_pull ? order.pull : order.issue) = (is_of_pull ? "#" : "") + number;
  return reading_of(order, config);
}

}  // namespace

Result<WebhookReading> read_github(std::string_view event, const json::value& body, const WebhookConfig& config) {
  if (event.empty()) return bad_delivery("header X-GitHub-Event is missing");
  if (event == "push") return read_github_push(body, config);
  if (event == "pull_request") return read_github_pull(body, config);
  if (event == "issues") return read_github_issue(body, config);
  if (event == "issue_comment") return read_github_comment(body, config);
  return WebhookReading{"github: " + short_text(event), WebhookIgnored{"pawl does not act on events of this kind"}};
}

}  // namespace pawl
