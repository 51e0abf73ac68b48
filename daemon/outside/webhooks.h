// Webhooks: turns what a git forge, an issue tracker or the user's own program sends into ordinary calls.
//
// This is the pure part: did the sender know the secret, and what does the delivery ask for. Nothing here sees the
// state; daemon/api/routes_webhooks.cc carries the calls out over the same routes as a person's request. Each source
// has its own reader (webhook_SOURCE.cc). All readers produce the same type, and the code after them does not know
// where a delivery came from. docs/WEBHOOKS.md has the formats, their sources, and the table of what leads to what.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "schema/limits.h"
#include "schema/result.h"

namespace pawl {

enum class WebhookSource { gitea, plane, github, gitlab, generic };
constexpr std::array webhook_sources = {WebhookSource::gitea, WebhookSource::plane, WebhookSource::github,
                                        WebhookSource::gitlab, WebhookSource::generic};

constexpr std::string_view name(WebhookSource source) {
  constexpr std::array<std::string_view, webhook_sources.size()> names = {"gitea", "plane", "github", "gitlab",
                                                                          "generic"};
  return names[static_cast<std::size_t>(source)];
}

/// The actor of everything that webhooks cause.
constexpr std::string_view webhook_actor = "webhook";

/// What identifies a delivery. Empty if not sent. Only GitLab's signature covers any of them.
struct WebhookHeaders {
  std::string_view event;           // its kind; GitLab and the generic source send it in the body
  std::string_view delivery;        // its id
  std::string_view signature;       // GitLab: if the secret is a signing token
  std::string_view token = {};      // GitLab: the secret itself, if it is a plain token
  std::string_view timestamp = {};  // GitLab; signed
};
/// Reads the headers, whose names depend on the source.
WebhookHeaders webhook_headers(WebhookSource source,
                               const std::function<std::string_view(std::string_view name)>& header);

/// The repository of a project's work items, and the prefix of their names.
struct WorkPlace {
  std::string repo;
  std::string prefix;  // "SHOP": item 42 is SHOP-42; empty: named as in the payload
};

/// The configuration of a forge whose labels and comments start and stop tasks.
struct ForgeConfig {
  std::optional<std::string> secret = std::nullopt;  // never empty, never logged
  /// "acme/shop" → our name for it. A repository not listed here goes by its full name or, if no task works on that, by
  /// the last part, unless a listed one has that name; nothing can be started in it.
  std::map<std::string, WorkPlace, std::less<>> repos = {};
  /// The login names of users with write access.
  std::vector<std::string> members = {};
};

struct WebhookConfig {
  std::optional<std::string> gitea_secret = std::nullopt;
  std::optional<std::string> plane_secret = std::nullopt;
  std::optional<std::string> generic_secret = std::nullopt;
  ForgeConfig github = {};
  ForgeConfig gitlab = {};
  /// As in ForgeConfig.
  std::map<std::string, std::string, std::less<>> gitea_repos = {};
  /// By the project's id or identifier. Items of other projects are ignored.
  std::map<std::string, WorkPlace, std::less<>> plane_projects = {};
  /// A state's group, name or id, in any case.
  std::vector<std::string> plane_start_states = {"started"};
  std::vector<std::string> plane_stop_states = {"cancelled"};
  std::string plane_branch_prefix = {};  // of the branch of a new task: prefix, then the work item in lower case
  std::string plane_pipeline = {};       // of a new task; empty: the default pipeline
  // Of GitHub and GitLab:
  std::string start_label = "pawl:start";  // in any case
  std::string stop_label = "pawl:stop";
  std::string issue_branch_prefix = {};  // as plane_branch_prefix
  std::string issue_pipeline = {};       // of a task that a label or comment starts
  /// The maximum size of a delivery's body.
  std::size_t body_bytes_max = limits::delivery_bytes_max;
};
const std::optional<std::string>& secret_of(WebhookSource source, const WebhookConfig& config);

/// Something happened to a commit or branch, so the task that works there may be able to advance.
struct WebhookAdvance {
  std::vector<std::string> repos;  // the names that pawl may know the repository by, in the order to try
  std::string branch;              // empty: not sent; only for a commit's status
  std::string commit;
  std::string pull = {};  // "#17", if it is a pull request's: later comments on it do not name the branch
  friend bool operator==(const WebhookAdvance&, const WebhookAdvance&) = default;
};

/// A work item was started.
struct WebhookStart {
  std::string repo;
  std::string work_item;  // empty: named like its branch, and not created if a live task works there
  std::string branch;
  std::string pipeline;
  std::string pull = {};  // if the branch is not sent: the pull request it belongs to
  std::optional<std::int64_t> priority = std::nullopt;
  std::string not_before = {};  // a time; empty: at once
  friend bool operator==(const WebhookStart&, const WebhookStart&) = default;
};

/// A work item was called off.
struct WebhookStop {
  enum class Why {
    asked,
    closed,  // its pull request was closed without a merge, which pawl's own steps cannot have caused
  };
  std::vector<std::string> repos;
  std::string work_item;  // empty: the work item of the live task on `branch`
  std::string branch = {};
  std::string pull = {};  // as in WebhookStart
  std::string reason = {};
  Why why = Why::asked;
  friend bool operator==(const WebhookStop&, const WebhookStop&) = default;
};

/// A note for people, added to the task that works on that branch.
struct WebhookNote {
  std::vector<std::string> repos;
  std::string branch;
  friend bool operator==(const WebhookNote&, const WebhookNote&) = default;
};

struct WebhookIgnored {
  std::string why;
  friend bool operator==(const WebhookIgnored&, const WebhookIgnored&) = default;
};

/// A request by a user without permission.
struct WebhookRefused {
  std::string why;
  std::string stop_of = {};  // what the request would have stopped; empty: it would have started something
  friend bool operator==(const WebhookRefused&, const WebhookRefused&) = default;
};

using WebhookAction =
    std::variant<WebhookAdvance, WebhookStart, WebhookStop, WebhookNote, WebhookIgnored, WebhookRefused>;

struct WebhookCall {
  /// Idempotency key: of the delivery, ≤ limits::idempotency_key_bytes_max. Empty: the delivery has no id.
  std::string key;
  std::uint64_t request = 0;  // hash of what it asks for: the same in each delivery of one event
  std::string what;           // for people and the log: "gitea: push of 411acbb to w-1"
  WebhookAction action;
};

enum class SignatureCheck { right, missing, wrong, not_configured };

/// Whether the sender of `body`, byte for byte as received, knew the secret. In constant time.
SignatureCheck check_signature(WebhookSource source, std::string_view body, const WebhookHeaders& headers,
                               const WebhookConfig& config);

/// Lower-case hex HMAC-SHA256.
std::string webhook_signature(std::string_view secret, std::string_view body);
/// GitLab's newer form, of the Standard Webhooks: "v1," and base64. None if `secret` is not "whsec_" followed by
/// base64.
std::optional<std::string> standard_signature(std::string_view secret, std::string_view id, std::string_view timestamp,
                                              std::string_view body);
/// Whether a secret has the form of such a signing token.
bool is_signing_token(std::string_view secret);

/// What a delivery asks for. `malformed` names the header or field. Events that pawl does not act on are
/// WebhookIgnored. Requires: check_signature() accepted it.
Result<WebhookCall> parse_webhook(WebhookSource source, const WebhookHeaders& headers, std::string_view body,
                                  const WebhookConfig& config);

}  // namespace pawl
