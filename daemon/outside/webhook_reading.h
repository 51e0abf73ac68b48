// What the readers of the sources share: looking into a payload that is somebody else's format, of whatever version;
// and what a push, a pull request, a label or a comment comes to, wherever it happened.
#pragma once

#include <boost/json/fwd.hpp>

#include <initializer_list>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/outside/webhooks.h"
#include "schema/result.h"

namespace pawl {

/// What a payload comes to, before it gets its key.
struct WebhookReading {
  std::string what;
  WebhookAction action;
  std::string event_id = {};  // of the event rather than of the delivery, where the source tells it
};

// The readers, one for each source.
Result<WebhookReading> read_gitea(std::string_view event, const boost::json::value& body, const WebhookConfig& config);
Result<WebhookReading> read_plane(std::string_view event, const boost::json::value& body, const WebhookConfig& config);
Result<WebhookReading> read_github(std::string_view event, const boost::json::value& body, const WebhookConfig& config);
Result<WebhookReading> read_gitlab(const boost::json::value& body, const WebhookConfig& config);
Result<WebhookReading> read_generic(const boost::json::value& body);

using JsonPath = std::initializer_list<std::string_view>;

/// Null if the path leads nowhere, or to null.
const boost::json::value* value_at(const boost::json::value& root, JsonPath path);
/// Empty if it is absent or not a text.
std::string text_at(const boost::json::value& root, JsonPath path);
std::optional<std::int64_t> integer_at(const boost::json::value& root, JsonPath path);
bool is_true_at(const boost::json::value& root, JsonPath path);
/// `malformed` names the field.
Result<std::string> needed_text(const boost::json::value& root, JsonPath path);
/// "17"; "0" if it is absent.
std::string number_at(const boost::json::value& root, JsonPath path);

Error bad_delivery(const std::string& what);
std::string lower(std::string_view text);
/// Somebody else's text in a sentence of ours: bounded, so that no note outgrows its record.
std::string short_text(std::string_view text);
std::string short_commit(std::string_view commit);

/// The names that we may know a repository by, in the order to try: its full name, and the last part of that.
std::vector<std::string> repo_names(const std::string& full_name);

/// A push to `ref`, at whose head `commit` is now.
WebhookReading reading_of_push(WebhookSource source, std::vector<std::string> repos, const std::string& ref,
                               const std::string& commit);

/// What happened to a pull or merge request.
struct PullRequest {
  enum class What { updated, merged, closed, other };
  WebhookSource source;
  std::string_view noun = "pull request";
  What what = What::other;
  std::string action;  // as its sender calls it
  std::vector<std::string> repos;
  std::string number;
  std::string branch;  // empty: it has none
  std::string commit = {};
  std::string merge_commit = {};
  std::string by = {};
  bool is_of_fork = false;
};
WebhookReading reading_of(const PullRequest& pull);

/// What a label or comment asks for. It is about an issue, or about a pull request: then about its branch.
struct ForgeOrder {
  enum class Verb { start, stop };
  WebhookSource source;
  Verb verb = Verb::start;
  std::string how;      // "labelled pawl:start", "told '/pawl stop'"
  std::string subject;  // "issue 42"
  std::string by;
  bool may_write = false;
  std::vector<std::string> repos;
  const WorkPlace* place = nullptr;  // null: the repository is not configured
  std::string issue = {};            // its number; empty: it is about a pull request
  std::string branch = {};
  std::string pull = {};  // where the branch is not told
  bool is_of_fork = false;
};
WebhookReading reading_of(const ForgeOrder& order, const WebhookConfig& config);

/// Our place for a forge's repository; null if it is not configured.
const WorkPlace* place_of(const ForgeConfig& forge, const std::string& full_name);
std::vector<std::string> repos_of(const ForgeConfig& forge, const std::string& full_name);

/// The verb of a label, or none.
std::optional<ForgeOrder::Verb> verb_of_label(std::string_view label, const WebhookConfig& config);
/// The verb of a comment: its first line begins with "/pawl start" or "/pawl stop", in whatever case.
std::optional<ForgeOrder::Verb> verb_of_comment(std::string_view comment);

}  // namespace pawl
