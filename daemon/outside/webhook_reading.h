// Shared by the readers of all sources: access to payloads in foreign formats of any version, and the meaning of a
// push, a pull request, a label or a comment at any forge.
#pragma once

#include <boost/json/fwd.hpp>

#include <functional>
#include <initializer_list>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/outside/webhooks.h"
#include "schema/result.h"

namespace pawl {

/// What a payload asks for, before the call gets its key.
struct WebhookReading {
  std::string what;
  WebhookAction action;
  std::string event_id = {};  // of the event rather than the delivery, if the source sends one
};

// One reader per source.
Result<WebhookReading> read_gitea(std::string_view event, const boost::json::value& body, const WebhookConfig& config);
Result<WebhookReading> read_plane(std::string_view event, const boost::json::value& body, const WebhookConfig& config);
Result<WebhookReading> read_github(std::string_view event, const boost::json::value& body, const WebhookConfig& config);
Result<WebhookReading> read_gitlab(const boost::json::value& body, const WebhookConfig& config);
Result<WebhookReading> read_generic(const boost::json::value& body);

using JsonPath = std::initializer_list<std::string_view>;

/// Null if the path does not exist, or if its value is null.
const boost::json::value* value_at(const boost::json::value& root, JsonPath path);
/// Empty if it is absent or not a string.
std::string text_at(const boost::json::value& root, JsonPath path);
std::optional<std::int64_t> integer_at(const boost::json::value& root, JsonPath path);
bool is_true_at(const boost::json::value& root, JsonPath path);
/// `malformed` names the field.
Result<std::string> needed_text(const boost::json::value& root, JsonPath path);
/// "17"; "0" if it is absent.
std::string number_at(const boost::json::value& root, JsonPath path);
/// "17", of what is to be started or stopped. `malformed` names the field.
Result<std::string> needed_number(const boost::json::value& root, JsonPath path);

Error bad_delivery(const std::string& what);
std::string lower(std::string_view text);
/// Foreign text for use in a sentence of ours: bounded, so that no note outgrows its record.
std::string short_text(std::string_view text);
std::string short_commit(std::string_view commit);

/// The names that pawl may know an unlisted repository by, in the order to try: its full name, then the last part of
/// it. Not that part if it is the name of a listed one: on the same forge anybody may have a fork that is called so.
std::vector<std::string> repo_names(const std::string& full_name,
                                    const std::function<bool(const std::string& name)>& is_listed);

/// A push to `ref`, whose head is now `commit`.
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

/// What a label or comment asks for: about an issue, or about a pull request's branch.
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
  std::string issue = {};            // its number; empty: a pull request's
  std::string branch = {};
  std::string pull = {};  // if the payload does not name the branch
  bool is_of_fork = false;
};
WebhookReading reading_of(const ForgeOrder& order, const WebhookConfig& config);

/// The place configured for a forge's repository, or null.
const WorkPlace* place_of(const ForgeConfig& forge, const std::string& full_name);
std::vector<std::string> repos_of(const ForgeConfig& forge, const std::string& full_name);

/// The verb of a label, if it has one.
std::optional<ForgeOrder::Verb> verb_of_label(std::string_view label, const WebhookConfig& config);
/// The verb of a comment: its first line that is not blank begins with "/pawl start" or "/pawl stop", in any case.
std::optional<ForgeOrder::Verb> verb_of_comment(std::string_view comment);

}  // namespace pawl
