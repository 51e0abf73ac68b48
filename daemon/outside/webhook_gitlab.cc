// GitLab: pushes, merge requests, and requests by label or comment on an issue or merge request.
#include <boost/json/array.hpp>
#include <boost/json/value.hpp>

#include <algorithm>

#include "daemon/outside/webhook_reading.h"

namespace pawl {
namespace {

namespace json = boost::json;

/// A payload names the user but not the user's permissions: only configured users count.
bool is_member(const std::string& username, const WebhookConfig& config) {
  const auto& members = config.gitlab.members;
  return !username.empty() && std::any_of(members.begin(), members.end(),
                                          [&](const std::string& member) { return lower(member) == lower(username); });
}

std::vector<std::string> label_titles(const json::value* labels) {
  std::vector<std::string> titles;
  if (!labels || !labels->is_array()) return titles;
  for (const json::value& label : labels->get_array()) titles.push_back(text_at(label, {"title"}));
  return titles;
}

/// The labels that this event added. When a merge request gets new commits, `changes` also lists labels that were there
/// before (GitLab's issues 22023 and 216874), so it is ignored then.
std::vector<std::string> added_labels(const json::value& body) {
  if (value_at(body, {"object_attributes", "oldrev"})) return {};
  if (text_at(body, {"object_attributes", "action"}) == "open") return label_titles(value_at(body, {"labels"}));
  std::vector<std::string> added = label_titles(value_at(body, {"changes", "labels", "current"}));
  const std::vector<std::string> before = label_titles(value_at(body, {"changes", "labels", "previous"}));
  std::erase_if(
      added, [&](const std::string& title) { return std::find(before.begin(), before.end(), title) != before.end(); });
  return added;
}

/// None if the event added neither of our labels. If it added both, stop wins.
std::optional<std::pair<ForgeOrder::Verb, std::string>> label_put_on(const json::value& body,
                                                                     const WebhookConfig& config) {
  std::optional<std::pair<ForgeOrder::Verb, std::string>> found;
  for (const std::string& title : added_labels(body)) {
    const auto verb = verb_of_label(title, config);
    if (verb && (!found || *verb == ForgeOrder::Verb::stop)) found = {*verb, title};
  }
  return found;
}

Result<ForgeOrder> gitlab_order(const json::value& body, const WebhookConfig& config) {
  const std::string full_name = PAWL_TRY(needed_text(body, {"project", "path_with_namespace"}));
  std::string by = text_at(body, {"user", "username"});
  const bool may_write = is_member(by, config);
  return ForgeOrder{.source = WebhookSource::gitlab,
                    .by = std::move(by),
                    .may_write = may_write,
                    .repos = repos_of(config.gitlab, full_name),
                    .place = place_of(config.gitlab, full_name)};
}

/// Fills in the merge request that `pull` holds: `object_attributes` in its own event, `merge_request` in a comment's.
Result<void> set_merge_request(ForgeOrder& order, const json::value& body, std::string_view pull) {
  order.branch = PAWL_TRY(needed_text(body, {pull, "source_branch"}));
  order.subject = "merge request " + number_at(body, {pull, "iid"}) + " (" + short_text(order.branch) + ")";
  const auto source = integer_at(body, {pull, "source_project_id"});
  order.is_of_fork = !source || source != integer_at(body, {pull, "target_project_id"});
  return {};
}

Result<void> set_issue(ForgeOrder& order, const json::value& body, std::string_view issue) {
  order.issue = PAWL_TRY(needed_number(body, {issue, "iid"}));
  order.subject = "issue " + order.issue;
  return {};
}

Result<WebhookReading> read_merge_request(const json::value& body, const WebhookConfig& config) {
  ForgeOrder order = PAWL_TRY(gitlab_order(body, config));
  PAWL_TRY(set_merge_request(order, body, "object_attributes"));
  if (const auto label = label_put_on(body, config)) {
    order.verb = label->first;
    order.how = "labelled " + short_text(label->second);
    return reading_of(order, config);
  }
  PullRequest pull{.source = WebhookSource::gitlab,
                   .noun = "merge request",
                   .action = PAWL_TRY(needed_text(body, {"object_attributes", "action"})),
                   .repos = order.repos,
                   .number = number_at(body, {"object_attributes", "iid"}),
                   .branch = order.branch,
                   .commit = text_at(body, {"object_attributes", "last_commit", "id"}),
                   .merge_commit = text_at(body, {"object_attributes", "merge_commit_sha"}),
                   .by = order.by,
                   .is_of_fork = order.is_of_fork};
  const bool has_new_commits = value_at(body, {"object_attributes", "oldrev"}) != nullptr;
  if (pull.action == "open" || pull.action == "reopen" || (pull.action == "update" && has_new_commits)) {
    pull.what = PullRequest::What::updated;
  } else if (pull.action == "merge") {
    pull.what = PullRequest::What::merged;
  } else if (pull.action == "close") {
    pull.what = PullRequest::What::closed;
  }
  return reading_of(pull);
}

Result<WebhookReading> read_gitlab_issue(const json::value& body, const WebhookConfig& config) {
  const auto label = label_put_on(body, config);
  if (!label) {
    return WebhookReading{"gitlab: issue " + number_at(body, {"object_attributes", "iid"}),
                          WebhookIgnored{"pawl acts on an issue only when the start or stop label is added"}};
  }
  // An epic may belong to a group alone.
  if (!value_at(body, {"project"})) return WebhookReading{"gitlab: work item", WebhookIgnored{"it is of no project"}};
  ForgeOrder order = PAWL_TRY(gitlab_order(body, config));
  PAWL_TRY(set_issue(order, body, "object_attributes"));
  order.verb = label->first;
  order.how = "labelled " + short_text(label->second);
  return reading_of(order, config);
}

Result<WebhookReading> read_gitlab_comment(const json::value& body, const WebhookConfig& config) {
  const std::string action = text_at(body, {"object_attributes", "action"});
  const std::string noteable = text_at(body, {"object_attributes", "noteable_type"});
  const auto verb = verb_of_comment(text_at(body, {"object_attributes", "note"}));
  const bool is_new =
      action.empty() || action == "create";  // before 16.11 there was no action, and every comment was new
  const bool is_of_issue = noteable == "Issue";
  if (!verb || !is_new || is_true_at(body, {"object_attributes", "system"}) ||
      (!is_of_issue && noteable != "MergeRequest")) {
    return WebhookReading{
        "gitlab: comment",
        WebhookIgnored{"pawl acts only on a new comment on an issue or merge request that begins with /pawl"}};
  }
  ForgeOrder order = PAWL_TRY(gitlab_order(body, config));
  order.verb = *verb;
  order.how = *verb == ForgeOrder::Verb::start ? "told /pawl start" : "told /pawl stop";
  if (is_of_issue) {
    PAWL_TRY(set_issue(order, body, "issue"));
  } else {
    PAWL_TRY(set_merge_request(order, body, "merge_request"));
  }
  return reading_of(order, config);
}

}  // namespace

Result<WebhookReading> read_gitlab(const json::value& body, const WebhookConfig& config) {
  // The body may be signed; the unsigned header X-Gitlab-Event adds nothing.
  const std::string kind = PAWL_TRY(needed_text(body, {"object_kind"}));
  if (kind == "push") {
    const std::string full_name = PAWL_TRY(needed_text(body, {"project", "path_with_namespace"}));
    const std::string ref = PAWL_TRY(needed_text(body, {"ref"}));
    const std::string commit = PAWL_TRY(needed_text(body, {"after"}));
    return reading_of_push(WebhookSource::gitlab, repos_of(config.gitlab, full_name), ref, commit);
  }
  if (kind == "merge_request") return read_merge_request(body, config);
  // A task, an incident and the like: they share their numbers with the project's issues.
  if (kind == "issue" || kind == "work_item") return read_gitlab_issue(body, config);
  if (kind == "note") return read_gitlab_comment(body, config);
  return WebhookReading{"gitlab: " + short_text(kind), WebhookIgnored{"pawl does not act on events of this kind"}};
}

}  // namespace pawl
