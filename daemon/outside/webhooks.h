// Webhooks: what a git forge (Gitea) or an issue tracker (Plane) tells us, turned into calls like everybody's.
//
// Here is the pure part: is the body signed by who knows the secret, and what does it ask for. Nothing here sees the
// state; daemon/api/routes_webhooks.cc carries the calls out over the same routes that a person's request takes.
// docs/WEBHOOKS.md has the formats, where they were looked up, and the table of what leads to what.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "schema/ids.h"
#include "schema/result.h"

namespace pawl {

enum class WebhookSource { gitea, plane };

constexpr std::string_view name(WebhookSource source) {
  return source == WebhookSource::gitea ? "gitea" : "plane";
}

/// The actor of everything that a webhook leads to.
constexpr std::string_view webhook_actor = "webhook";

/// What identifies a delivery. Empty when not sent. They are not under the signature: only the body is.
struct WebhookHeaders {
  std::string_view event;      // X-Gitea-Event, X-Plane-Event
  std::string_view delivery;   // X-Gitea-Delivery, X-Plane-Delivery
  std::string_view signature;  // X-Gitea-Signature, X-Plane-Signature
};

/// Where the work items of a Plane project are worked on, and what they are called.
struct PlaneProject {
  std::string repo;
  std::string prefix;  // "SHOP": item 42 is SHOP-42; empty: as the payload calls it
};

struct WebhookConfig {
  std::optional<std::string> gitea_secret = std::nullopt;  // never empty, never logged
  std::optional<std::string> plane_secret = std::nullopt;
  /// "acme/shop" → our name of it. One that is not here goes by its full name or, if nobody works on that, its last
  /// part.
  std::map<std::string, std::string, std::less<>> gitea_repos = {};
  /// By the project's id or identifier. Items of others are ignored.
  std::map<std::string, PlaneProject, std::less<>> plane_projects = {};
  /// A state's group, name or id, in whatever case.
  std::vector<std::string> plane_start_states = {"started"};
  std::vector<std::string> plane_stop_states = {"cancelled"};
  std::string plane_branch_prefix = {};  // of the branch of a new task: prefix, then the work item in lower case
  std::string plane_pipeline = {};       // of a new task; empty: the default one
};

/// Something happened to a commit or branch: the task that works there may be able to go on.
struct WebhookAdvance {
  std::vector<std::string> repos;  // names that we may know the repository by, in the order to try
  std::string branch;              // empty: not told; only a commit's status has none
  std::string commit;
  friend bool operator==(const WebhookAdvance&, const WebhookAdvance&) = default;
};

/// A work item was started.
struct WebhookStart {
  std::string repo;
  std::string work_item;
  std::string branch;
  std::string pipeline;
  friend bool operator==(const WebhookStart&, const WebhookStart&) = default;
};

/// A work item was called off.
struct WebhookStop {
  std::string repo;
  std::string work_item;
  std::string reason;
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

struct WebhookCall {
  std::string key;            // idempotency key: of the delivery, ≤ limits::idempotency_key_bytes_max
  std::uint64_t request = 0;  // hash of what is asked for: the same in each delivery of one event
  std::string what;           // for people and the log: "gitea: push of 411acbb to w-1"
  std::variant<WebhookAdvance, WebhookStart, WebhookStop, WebhookNote, WebhookIgnored> action;
};

enum class SignatureCheck { right, missing, wrong, not_configured };

/// Whether `body`, byte for byte as it came, was signed with the secret: hex HMAC-SHA256. In constant time.
SignatureCheck check_signature(WebhookSource source, std::string_view body, std::string_view signature,
                               const WebhookConfig& config);

/// Lower-case hex HMAC-SHA256.
std::string webhook_signature(std::string_view secret, std::string_view body);

/// What a delivery asks for. `malformed` names the header or field. Events that we have no use for are WebhookIgnored.
/// Requires: its signature was found right.
Result<WebhookCall> parse_webhook(WebhookSource source, const WebhookHeaders& headers, std::string_view body,
                                  const WebhookConfig& config);

/// Which branch a commit was last seen at the head of. Gitea's status event names the commit and no branch, its push
/// and pull request events name both. Only a shortcut: what was forgotten is left to the reconciler. Threads: any.
class CommitBranches {
 public:
  void learn(const std::string& repo, const std::string& commit, const std::string& branch);
  /// Empty: not known.
  std::string find(const std::string& repo, const std::string& commit) const;

  static constexpr std::size_t remembered_max = 1024;

 private:
  using Commit = std::pair<std::string, std::string>;  // repo, commit

  mutable std::mutex mutex_;
  std::map<Commit, std::string> branches_;
  std::deque<Commit> order_;  // oldest first
};

/// The tasks that a webhook's advance is under way for: one at a time each, or a flood of pushes would be a flood of
/// gates. Threads: any.
class UnderWay {
 public:
  /// False if one is under way already.
  bool begin(TaskId task);
  void end(TaskId task);

 private:
  std::mutex mutex_;
  std::set<TaskId> tasks_;
};

/// What became of the deliveries since the daemon's start.
struct WebhookTotals {
  std::atomic<std::uint64_t> received{0};
  std::atomic<std::uint64_t> bad_signatures{0};  // wrong or missing
  std::atomic<std::uint64_t> not_configured{0};
  std::atomic<std::uint64_t> malformed{0};
  std::atomic<std::uint64_t> ignored{0};
  std::atomic<std::uint64_t> deferred{0};  // a live lease was met
  std::atomic<std::uint64_t> calls{0};     // passed on
};

/// What the webhook routes own.
struct Webhooks {
  explicit Webhooks(WebhookConfig config_) : config(std::move(config_)) {}

  const WebhookConfig config;
  WebhookTotals of_gitea;
  WebhookTotals of_plane;
  CommitBranches branches;
  UnderWay under_way;

  WebhookTotals& totals(WebhookSource source) { return source == WebhookSource::gitea ? of_gitea : of_plane; }
};

}  // namespace pawl
