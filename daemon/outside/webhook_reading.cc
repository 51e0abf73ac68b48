#include "daemon/outside/webhook_reading.h"

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include <algorithm>
#include <utility>

namespace pawl {
namespace {

namespace json = boost::json;

std::string_view verb_name(ForgeOrder::Verb verb) {
  return verb == ForgeOrder::Verb::start ? "start" : "stop";
}

/// The option that names users with write access.
std::string_view member_option(WebhookSource source) {
  return source == WebhookSource::github ? "--github-member" : "--gitlab-member";
}

std::string dotted(JsonPath path) {
  std::string field;
  for (const std::string_view name : path) field += (field.empty() ? "" : ".") + std::string(name);
  return field;
}

std::string_view repo_option(WebhookSource source) {
  return source == WebhookSource::github ? "--github-repo" : "--gitlab-repo";
}

}  // namespace

const json::value* value_at(const json::value& root, JsonPath path) {
  const json::value* value = &root;
  for (const std::string_view name : path) {
    if (!value->is_object()) return nullptr;
    value = value->get_object().if_contains(json::string_view(name.data(), name.size()));
    if (!value) return nullptr;
  }
  return value->is_null() ? nullptr : value;
}

std::string text_at(const json::value& root, JsonPath path) {
  const json::value* value = value_at(root, path);
  if (!value || !value->is_string()) return {};
  return std::string(value->get_string().data(), value->get_string().size());
}

std::optional<std::int64_t> integer_at(const json::value& root, JsonPath path) {
  const json::value* value = value_at(root, path);
  if (!value || !value->is_int64()) return std::nullopt;
  return value->get_int64();
}

bool is_true_at(const json::value& root, JsonPath path) {
  const json::value* value = value_at(root, path);
  return value && value->is_bool() && value->get_bool();
}

Result<std::string> needed_text(const json::value& root, JsonPath path) {
  std::string text = text_at(root, path);
  if (!text.empty()) return text;
  return bad_delivery("field \"" + dotted(path) + "\" is missing or is not a string");
}

std::string number_at(const json::value& root, JsonPath path) {
  return std::to_string(integer_at(root, path).value_or(0));
}

Result<std::string> needed_number(const json::value& root, JsonPath path) {
  const auto number = integer_at(root, path);
  if (number && *number > 0) return std::to_string(*number);
  return bad_delivery("field \"" + dotted(path) + "\" is missing or is not a whole number above 0");
}

Error bad_delivery(const std::string& what) {
  return {ErrorCode::malformed, what};
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

std::string short_text(std::string_view text) {
  constexpr std::size_t bytes_max = 100;
  if (text.size() <= bytes_max) return std::string(text);
  std::size_t end = bytes_max;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;  // not within a character
  return std::string(text.substr(0, end)) + "…";
}

std::string short_commit(std::string_view commit) {
  return std::string(commit.substr(0, 10));
}

std::vector<std::string> repo_names(const std::string& full_name,
                                    const std::function<bool(const std::string& name)>& is_listed) {
  std::vector<std::string> repos{full_name};
  const std::size_t slash = full_name.rfind('/');
  std::string last = slash == std::string::npos ? std::string() : full_name.substr(slash + 1);
  if (!last.empty() && !is_listed(last)) repos.push_back(std::move(last));
  return repos;
}

WebhookReading reading_of_push(WebhookSource source, std::vector<std::string> repos, const std::string& ref,
                               const std::string& commit) {
  constexpr std::string_view heads = "refs/heads/";
  const std::string by(name(source));
  if (!ref.starts_with(heads))
    return {by + ": push to " + short_text(ref), WebhookIgnored{"the push was not to a branch"}};
  std::string branch = ref.substr(heads.size());
  if (commit.find_first_not_of('0') == std::string::npos) {
    return {by + ": removal of " + short_text(branch), WebhookIgnored{"the branch was removed"}};
  }
  return {by + ": push of " + short_commit(commit) + " to " + short_text(branch),
          WebhookAdvance{.repos = std::move(repos), .branch = std::move(branch), .commit = commit}};
}

WebhookReading reading_of(const PullRequest& pull) {
  const std::string subject = std::string(name(pull.source)) + ": " + std::string(pull.noun) + " " + pull.number +
                              " (" + short_text(pull.branch) + ")";
  const std::string what = subject + " " + short_text(pull.action);
  const std::string by = ", by " + (pull.by.empty() ? "somebody" : short_text(pull.by));
  // A fork's branch can have any name, including that of a task's branch.
  if (pull.is_of_fork) return {what, WebhookIgnored{"its branch is in another repository"}};
  if (pull.branch.empty()) return {what, WebhookIgnored{"it has no branch"}};
  switch (pull.what) {
    case PullRequest::What::updated:
      return {what, WebhookAdvance{
                        .repos = pull.repos, .branch = pull.branch, .commit = pull.commit, .pull = "#" + pull.number}};
    case PullRequest::What::merged:
      return {subject + " was merged outside of pawl" + by +
                  (pull.merge_commit.empty() ? "" : ", as " + short_commit(pull.merge_commit)),
              WebhookNote{.repos = pull.repos, .branch = pull.branch}};
    case PullRequest::What::closed: {
      const std::string reason = subject + " was closed without a merge" + by;
      return {reason, WebhookStop{.repos = pull.repos,
                                  .work_item = {},
                                  .branch = pull.branch,
                                  .reason = reason,
                                  .why = WebhookStop::Why::closed}};
    }
    case PullRequest::What::other:
      break;
  }
  return {what, WebhookIgnored{"of a " + std::string(pull.noun) +
                               " only its opening, new commits, a merge and a close mean anything here"}};
}

WebhookReading reading_of(const ForgeOrder& order, const WebhookConfig& config) {
  const std::string by = order.by.empty() ? "somebody" : short_text(order.by);
  const std::string what = std::string(name(order.source)) + ": " + order.subject + " was " + order.how + ", by " + by;
  if (order.is_of_fork) return {what, WebhookIgnored{"its branch is in another repository"}};
  const bool is_start = order.verb == ForgeOrder::Verb::start;
  const bool is_of_issue = !order.issue.empty();
  if (!order.place && (is_start || is_of_issue)) {
    return {what, WebhookIgnored{"the repository is not listed in " + std::string(repo_option(order.source))}};
  }
  if (!order.may_write) {
    const std::string_view instead = is_start ? "submit" : "cancel";
    return {
        what,
        WebhookRefused{
            .why = what +
                   ": pawl does not know whether this user may write to the repository; if so, name the user with " +
                   std::string(member_option(order.source)) + ", or run `pawl " + std::string(instead) + "`",
            .stop_of = is_start ? std::string() : order.repos.front() + "\n" + order.subject}};
  }
  std::string work_item;
  std::string branch = order.branch;
  if (is_of_issue) {
    work_item = (order.place->prefix.empty() ? "issue" : order.place->prefix) + "-" + order.issue;
    branch = config.issue_branch_prefix + lower(work_item);
  }
  if (is_start) {
    return {what, WebhookStart{.repo = order.place->repo,
                               .work_item = std::move(work_item),
                               .branch = std::move(branch),
                               .pipeline = config.issue_pipeline,
                               .pull = order.pull}};
  }
  return {what, WebhookStop{.repos = order.place ? std::vector{order.place->repo} : order.repos,
                            .work_item = std::move(work_item),
                            .branch = is_of_issue ? std::string() : std::move(branch),
                            .pull = order.pull,
                            .reason = what}};
}

const WorkPlace* place_of(const ForgeConfig& forge, const std::string& full_name) {
  const auto found = forge.repos.find(full_name);
  return found == forge.repos.end() ? nullptr : &found->second;
}

std::vector<std::string> repos_of(const ForgeConfig& forge, const std::string& full_name) {
  if (const WorkPlace* place = place_of(forge, full_name)) return {place->repo};
  return repo_names(full_name, [&](const std::string& name) {
    return std::any_of(forge.repos.begin(), forge.repos.end(),
                       [&](const auto& listed) { return listed.second.repo == name; });
  });
}

std::optional<ForgeOrder::Verb> verb_of_label(std::string_view label, const WebhookConfig& config) {
  if (lower(label) == lower(config.stop_label)) return ForgeOrder::Verb::stop;
  if (lower(label) == lower(config.start_label)) return ForgeOrder::Verb::start;
  return std::nullopt;
}

/// People write "/pawl stop!", "/pawl  stop" and " /pawl stop, please": a stop that is not read would be lost.
std::optional<ForgeOrder::Verb> verb_of_comment(std::string_view comment) {
  comment.remove_prefix(std::min(comment.find_first_not_of(" \t\r\n"), comment.size()));
  const std::string line = lower(comment.substr(0, comment.find_first_of("\r\n")));
  constexpr std::string_view addressed = "/pawl";
  if (!line.starts_with(addressed)) return std::nullopt;
  const std::size_t begin = line.find_first_not_of(" \t", addressed.size());
  if (begin == std::string::npos || begin == addressed.size()) return std::nullopt;
  const auto is_of_word = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  };
  const auto end = std::find_if_not(line.begin() + static_cast<std::ptrdiff_t>(begin), line.end(), is_of_word);
  const std::string word(line.begin() + static_cast<std::ptrdiff_t>(begin), end);
  for (const auto verb : {ForgeOrder::Verb::stop, ForgeOrder::Verb::start}) {
    if (word == verb_name(verb)) return verb;
  }
  return std::nullopt;
}

}  // namespace pawl
