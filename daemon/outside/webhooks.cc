#include "daemon/outside/webhooks.h"

#include <boost/json/value.hpp>
#include <openssl/sha.h>

#include <algorithm>

#include "daemon/outside/webhook_reading.h"
#include "schema/hex.h"
#include "schema/json/json_text.h"
#include "schema/json/read_json.h"

namespace pawl {
namespace {

// --- Hashes ---

std::array<unsigned char, SHA256_DIGEST_LENGTH> sha256(std::string_view text) {
  std::array<unsigned char, SHA256_DIGEST_LENGTH> digest{};
  SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data());
  return digest;
}

std::uint64_t hash_of(std::string_view text) {
  const auto digest = sha256(text);
  std::uint64_t hash = 0;
  for (std::size_t i = 0; i < sizeof hash; ++i) hash = hash << 8 | digest[i];
  return hash;
}

/// An id may have any length and bytes; a key may not.
std::string delivery_key(WebhookSource source, std::string_view delivery) {
  std::string key = std::string(name(source)) + ":";
  const bool is_plain =
      std::all_of(delivery.begin(), delivery.end(), [](unsigned char c) { return c > 0x20 && c < 0x7F; });
  if (is_plain && key.size() + delivery.size() <= limits::idempotency_key_bytes_max) {
    key += delivery;
  } else {
    key += hex(sha256(delivery)).substr(0, 48);
  }
  return key;
}

// --- Fields that are read ---

/// Every name that a reader of any source looks up, at any level.
constexpr std::array<std::string_view, 71> read_names = {
    "action",
    "activity",
    "after",
    "author_association",
    "body",
    "branch",
    "by",
    "changes",
    "comment",
    "commit",
    "context",
    "current",
    "data",
    "event",
    "event_id",
    "field",
    "full_name",
    "group",
    "head",
    "id",
    "identifier",
    "iid",
    "issue",
    "label",
    "labels",
    "last_commit",
    "login",
    "merge_commit_sha",
    "merge_request",
    "merged",
    "merged_by",
    "name",
    "not_before",
    "note",
    "noteable_type",
    "number",
    "object_attributes",
    "object_kind",
    "oldrev",
    "owner",
    "path_with_namespace",
    "pipeline",
    "previous",
    "previous_attributes",
    "priority",
    "project",
    "project_detail",
    "project_id",
    "pull_request",
    "ref",
    "repo",
    "repo_id",
    "repository",
    "sender",
    "sequence_id",
    "sha",
    "source_branch",
    "source_project_id",
    "state",
    "state__group",
    "state_detail",
    "state_group",
    "state_id",
    "state_name",
    "system",
    "target_project_id",
    "title",
    "type",
    "user",
    "username",
    "work_item",
};
static_assert(std::is_sorted(read_names.begin(), read_names.end()));

Result<WebhookReading> read(WebhookSource source, const WebhookHeaders& headers, const boost::json::value& body,
                            const WebhookConfig& config) {
  switch (source) {
    case WebhookSource::gitea:
      return read_gitea(headers.event, body, config);
    case WebhookSource::plane:
      return read_plane(headers.event, body, config);
    case WebhookSource::github:
      return read_github(headers.event, body, config);
    case WebhookSource::gitlab:
      return read_gitlab(body, config);
    case WebhookSource::generic:
      break;
  }
  return read_generic(body);
}

/// The header with the delivery's id; empty: the id is optional.
std::string_view delivery_header(WebhookSource source) {
  switch (source) {
    case WebhookSource::gitea:
      return "X-Gitea-Delivery";
    case WebhookSource::plane:
      return "X-Plane-Delivery";
    case WebhookSource::github:
      return "X-GitHub-Delivery";
    case WebhookSource::gitlab:
    case WebhookSource::generic:
      break;
  }
  return "";
}

/// Prefers the event's own id: a retry by Plane has a new delivery id. GitLab before 17.4 sends no id: there the same
/// body is the same delivery. Empty: the user's own program need not send one for a push or a merge.
std::string key_of(WebhookSource source, const WebhookHeaders& headers, std::string_view body,
                   const WebhookReading& reading) {
  if (!reading.event_id.empty()) return delivery_key(source, reading.event_id);
  if (!headers.delivery.empty()) return delivery_key(source, headers.delivery);
  if (source == WebhookSource::gitlab) return delivery_key(source, hex(sha256(body)));
  return {};
}

// --- What makes two requests with one key the same ---

using Words = std::vector<std::string>;

/// Leaves out empty words: a field added by a later version must not turn an earlier delivery into a different request.
Words with(Words words, const Words& more) {
  for (const std::string& word : more) {
    if (!word.empty()) words.push_back(word);
  }
  return words;
}

Words words_of(const WebhookAdvance& call) {
  Words words = call.repos;
  words.push_back(call.branch);
  words.push_back(call.commit);
  return words;
}

Words words_of(const WebhookStart& call) {
  const std::string priority = call.priority ? "priority=" + std::to_string(*call.priority) : std::string();
  const std::string not_before = call.not_before.empty() ? std::string() : "not_before=" + call.not_before;
  return with({call.repo, call.work_item, call.branch, call.pipeline}, {call.pull, priority, not_before});
}

Words words_of(const WebhookStop& call) {
  Words words = call.repos;
  words.push_back(call.work_item);
  words.push_back(call.reason);
  return with(std::move(words), {call.branch, call.pull});
}

Words words_of(const WebhookNote& call) {
  Words words = call.repos;
  words.push_back(call.branch);
  return words;
}

Words words_of(const WebhookIgnored& call) {
  return {call.why};
}

Words words_of(const WebhookRefused& call) {
  return {call.why};
}

/// Not the body: a retry by Plane differs in its `delivery_id`.
std::uint64_t request_of(const WebhookAction& action) {
  std::string text = std::to_string(action.index());
  for (const std::string& word : std::visit([](const auto& call) { return words_of(call); }, action)) {
    text += '\n';
    append_json_text(text, word);
  }
  return hash_of(text);
}

}  // namespace

WebhookHeaders webhook_headers(WebhookSource source,
                               const std::function<std::string_view(std::string_view name)>& header) {
  switch (source) {
    case WebhookSource::gitea:
      return {.event = header("X-Gitea-Event"),
              .delivery = header("X-Gitea-Delivery"),
              .signature = header("X-Gitea-Signature")};
    case WebhookSource::plane:
      return {.event = header("X-Plane-Event"),
              .delivery = header("X-Plane-Delivery"),
              .signature = header("X-Plane-Signature")};
    case WebhookSource::github:
      return {.event = header("X-GitHub-Event"),
              .delivery = header("X-GitHub-Delivery"),
              .signature = header("X-Hub-Signature-256")};
    case WebhookSource::gitlab: {
      // If both are sent they are equal; only the first is signed. X-Gitlab-Event-UUID does not help: events caused by
      // a webhook's own answer share it.
      const std::string_view id = header("webhook-id");
      return {.event = header("X-Gitlab-Event"),
              .delivery = id.empty() ? header("Idempotency-Key") : id,
              .signature = header("webhook-signature"),
              .token = header("X-Gitlab-Token"),
              .timestamp = header("webhook-timestamp")};
    }
    case WebhookSource::generic:
      break;
  }
  return {.event = {}, .delivery = header("X-Pawl-Delivery"), .signature = header("X-Pawl-Signature")};
}

Result<WebhookCall> parse_webhook(WebhookSource source, const WebhookHeaders& headers, std::string_view body,
                                  const WebhookConfig& config) {
  const std::string_view id_header = delivery_header(source);
  if (headers.delivery.empty() && !id_header.empty()) {
    return bad_delivery("header " + std::string(id_header) + " is missing");
  }
  if (body.starts_with("payload=")) {
    return bad_delivery("the body is a form: choose application/json as the webhook's content type");
  }
  const boost::json::value value =
      PAWL_TRY(parse_json(body, {.depth_max = limits::delivery_depth_max, .names = read_names}));
  if (!value.is_object()) return bad_delivery("the body must be a JSON object");
  WebhookReading reading = PAWL_TRY(read(source, headers, value, config));
  return WebhookCall{.key = key_of(source, headers, body, reading),
                     .request = request_of(reading.action),
                     .what = std::move(reading.what),
                     .action = std::move(reading.action)};
}

}  // namespace pawl
