// Webhooks: what a git forge, an issue tracker or a program of one's own tells us, turned into calls like everybody's.
//
// Here is the pure part: is the delivery signed by who knows the secret, and what does it ask for. Nothing here sees
// the state; daemon/api/routes_webhooks.cc carries the calls out over the same routes that a person's request takes.
// Each source has a reader of its own (webhook_SOURCE.cc); what it makes is the same for all of them, and nothing
// behind it knows where a delivery came from. docs/WEBHOOKS.md has the formats, where they were looked up, and the
// table of what leads to what.
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

/// The actor of everything that a webhook leads to.
constexpr std::string_view webhook_actor = "webhook";

/// What identifies a delivery. Empty when not sent. Only GitLab's signature covers any of them.
struct WebhookHeaders {
  std::string_view event;           // which kind; GitLab and the generic source say it in the body
  std::string_view delivery;        // its id
  std::string_view signature;       // of GitLab: where the secret is a signing token
  std::string_view token = {};      // of GitLab: the secret itself, where it is a plain token
  std::string_view timestamp = {};  // of GitLab, and signed
};
/// Reads them by their names, which differ from source to source.
WebhookHeaders webhook_headers(WebhookSource source,
                               const std::function<std::string_view(std::string_view name)>& header);

/// Where work items are worked on, and what they are called.
struct WorkPlace {
  std::string repo;
  std::string prefix;  // "SHOP": item 42 is SHOP-42; empty: as the payload calls it
};

/// What is configured of a forge whose labels and comments start and stop.
struct ForgeConfig {
  std::optional<std::string> secret = std::nullopt;  // never empty, never logged
  /// "acme/shop" → our name of it. One that is not here goes by its full name or, if nobody works on that, its last
  /// part; and nothing can be started in it.
  std::map<std::string, WorkPlace, std::less<>> repos = {};
  /// Who may write, by the name that they log in with.
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
  /// By the project's id or identifier. Items of others are ignored.
  std::map<std::string, WorkPlace, std::less<>> plane_projects = {};
  /// A state's group, name or id, in whatever case.
  std::vector<std::string> plane_start_states = {"started"};
  std::vector<std::string> plane_stop_states = {"cancelled"};
  std::string plane_branch_prefix = {};  // of the branch of a new task: prefix, then the work item in lower case
  std::string plane_pipeline = {};       // of a new task; empty: the default one
  // Of GitHub and GitLab:
  std::string start_label = "pawl:start";  // in whatever case
  std::string stop_label = "pawl:stop";
  std::string issue_branch_prefix = {};  // as plane_branch_prefix
  std::string issue_pipeline = {};       // of a task that a label or comment starts
  /// The longest body of a delivery.
  std::size_t body_bytes_max = limits::delivery_bytes_max;
};
const std::optional<std::string>& secret_of(WebhookSource source, const WebhookConfig& config);

/// Something happened to a commit or branch: the task that works there may be able to go on.
struct WebhookAdvance {
  std::vector<std::string> repos;  // names that we may know the repository by, in the order to try
  std::string branch;              // empty: not told; only a commit's status has none
  std::string commit;
  std::string pull = {};  // "#17", if it is a pull request's: later comments on that do not name the branch
  friend bool operator==(const WebhookAdvance&, const WebhookAdvance&) = default;
};

/// A work item was started.
struct WebhookStart {
  std::string repo;
  std::string work_item;  // empty: it is called as its branch, and is none if a live task works there
  std::string branch;
  std::string pipeline;
  std::string pull = {};  // where the branch is not told: that of this pull request
  friend bool operator==(const WebhookStart&, const WebhookStart&) = default;
};

/// A work item was called off.
struct WebhookStop {
  enum class Why {
    asked,
    closed,  // its pull request was closed without a merge: nothing that pawl's own steps may have caused
  };
  std::vector<std::string> repos;
  std::string work_item;  // empty: that of the live task on `branch`
  std::string branch = {};
  std::string pull = {};  // as in WebhookStart
  std::string reason = {};
  Why why = Why::asked;
  friend bool operator==(const WebhookStop&, const WebhookStop&) = default;
};

/// Something that people should know: for the task that works on that branch.
struct WebhookNote {
  std::vector<std::string> repos;
  std::string branch;
  friend bool operator==(const WebhookNote&, const WebhookNote&) = default;
};

struct WebhookIgnored {
  std::string why;
  friend bool operator==(const WebhookIgnored&, const WebhookIgnored&) = default;
};

/// Asked for by somebody who may not.
struct WebhookRefused {
  std::string why;
  std::string stop_of = {};  // what was to be stopped; empty: something was to be started
  friend bool operator==(const WebhookRefused&, const WebhookRefused&) = default;
};

using WebhookAction =
    std::variant<WebhookAdvance, WebhookStart, WebhookStop, WebhookNote, WebhookIgnored, WebhookRefused>;

struct WebhookCall {
  /// Idempotency key: of the delivery, ≤ limits::idempotency_key_bytes_max. Empty: it has no id.
  std::string key;
  std::uint64_t request = 0;  // hash of what is asked for: the same in each delivery of one event
  std::string what;           // for people and the log: "gitea: push of 411acbb to w-1"
  WebhookAction action;
};

enum class SignatureCheck { right, missing, wrong, not_configured };

/// Whether `body`, byte for byte as it came, comes from who knows the secret. In constant time.
SignatureCheck check_signature(WebhookSource source, std::string_view body, const WebhookHeaders& headers,
                               const WebhookConfig& config);

/// Lower-case hex HMAC-SHA256.
std::string webhook_signature(std::string_view secret, std::string_view body);
/// GitLab's newer form, of the Standard Webhooks: "v1," and base64. None if `secret` is not "whsec_" and base64.
std::optional<std::string> standard_signature(std::string_view secret, std::string_view id, std::string_view timestamp,
                                              std::string_view body);
/// Whether a secret is one of those.
bool is_signing_token(std::string_view secret);

/// What a delivery asks for. `malformed` names the header or field. Events that we have no use for are WebhookIgnored.
/// Requires: its signature was found right.
Result<WebhookCall> parse_webhook(WebhookSource source, const WebhookHeaders& headers, std::string_view body,
                                  const WebhookConfig& config);

}  // namespace pawl
