#include "daemon/outside/webhooks.h"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>

#include <algorithm>
#include <span>

#include "schema/hex.h"
#include "schema/json/json_text.h"
#include "schema/json/read_json.h"
#include "schema/limits.h"

namespace pawl {
namespace {

namespace json = boost::json;

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

/// An id may be of any length and bytes; a key has neither freedom.
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

// --- WebhookReading ---

Error bad_delivery(const std::string& what) {
  return {ErrorCode::malformed, what};
}

/// Null if the path leads nowhere, or to null. An index into no object is nowhere: what is read here is somebody
/// else's format, of whatever version.
const json::value* value_at(const json::value& root, std::initializer_list<std::string_view> path) {
  const json::value* value = &root;
  for (const std::string_view name : path) {
    if (!value->is_object()) return nullptr;
    value = value->get_object().if_contains(json::string_view(name.data(), name.size()));
    if (!value) return nullptr;
  }
  return value->is_null() ? nullptr : value;
}

/// Empty if it is absent or no text.
std::string text_at(const json::value& root, std::initializer_list<std::string_view> path) {
  const json::value* value = value_at(root, path);
  if (!value || !value->is_string()) return {};
  return std::string(value->get_string().data(), value->get_string().size());
}

std::optional<std::int64_t> integer_at(const json::value& root, std::initializer_list<std::string_view> path) {
  const json::value* value = value_at(root, path);
  if (!value || !value->is_int64()) return std::nullopt;
  return value->get_int64();
}

bool is_true_at(const json::value& root, std::initializer_list<std::string_view> path) {
  const json::value* value = value_at(root, path);
  return value && value->is_bool() && value->get_bool();
}

Result<std::string> needed_text(const json::value& root, std::initializer_list<std::string_view> path) {
  std::string text = text_at(root, path);
  if (!text.empty()) return text;
  std::string field;
  for (const std::string_view name : path) field += (field.empty() ? "" : ".") + std::string(name);
  return bad_delivery("field \"" + field + "\" is missing, or no text");
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

bool is_among(const std::vector<std::string>& wanted, const std::vector<std::string>& found) {
  return std::any_of(wanted.begin(), wanted.end(), [&](const std::string& want) {
    return std::any_of(found.begin(), found.end(), [&](const std::string& one) { return lower(one) == lower(want); });
  });
}

/// Somebody else's text in a sentence of ours: bounded, so that no note outgrows its record.
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

using Action = decltype(WebhookCall::action);

/// What a payload comes to, before it gets its key.
struct WebhookReading {
  std::string what;
  Action action;
  std::string event_id = {};  // of the event rather than of the delivery, where the source tells it
};

// --- Gitea ---

Result<std::vector<std::string>> gitea_repos(const json::value& body, const WebhookConfig& config) {
  const std::string full_name = PAWL_TRY(needed_text(body, {"repository", "full_name"}));
  if (const auto mapped = config.gitea_repos.find(full_name); mapped != config.gitea_repos.end()) {
    return std::vector<std::string>{mapped->second};
  }
  std::vector<std::string> repos{full_name};
  if (const std::size_t slash = full_name.rfind('/'); slash != std::string::npos) {
    repos.push_back(full_name.substr(slash + 1));
  }
  return repos;
}

Result<WebhookReading> read_push(const json::value& body, const WebhookConfig& config) {
  constexpr std::string_view heads = "refs/heads/";
  const std::string ref = PAWL_TRY(needed_text(body, {"ref"}));
  const std::string commit = PAWL_TRY(needed_text(body, {"after"}));
  const std::vector<std::string> repos = PAWL_TRY(gitea_repos(body, config));
  WebhookAdvance advance{.repos = repos, .branch = {}, .commit = commit};
  if (!ref.starts_with(heads)) {
    return WebhookReading{"gitea: push to " + short_text(ref), WebhookIgnored{"no branch was pushed to"}};
  }
  advance.branch = ref.substr(heads.size());
  if (commit.find_first_not_of('0') == std::string::npos) {
    return WebhookReading{"gitea: removal of " + short_text(advance.branch), WebhookIgnored{"the branch was removed"}};
  }
  return WebhookReading{"gitea: push of " + short_commit(commit) + " to " + short_text(advance.branch),
                        std::move(advance)};
}

Result<WebhookReading> read_status(const json::value& body, const WebhookConfig& config) {
  const std::string state = PAWL_TRY(needed_text(body, {"state"}));
  const std::string commit = PAWL_TRY(needed_text(body, {"sha"}));
  const std::vector<std::string> repos = PAWL_TRY(gitea_repos(body, config));
  WebhookAdvance advance{.repos = repos, .branch = {}, .commit = commit};
  const std::string context = short_text(text_at(body, {"context"}));
  const std::string what = "gitea: status " + short_text(state) + " of " + short_commit(commit) + " (" + context + ")";
  if (state != "success") return WebhookReading{what, WebhookIgnored{"only a success lets a task go on"}};
  return WebhookReading{what, std::move(advance)};
}

Result<WebhookReading> read_pull_request(const json::value& body, const WebhookConfig& config) {
  const std::string action = PAWL_TRY(needed_text(body, {"action"}));
  const std::string branch = PAWL_TRY(needed_text(body, {"pull_request", "head", "ref"}));
  const std::vector<std::string> repos = PAWL_TRY(gitea_repos(body, config));
  const std::string number = std::to_string(integer_at(body, {"number"}).value_or(0));
  const std::string what = "gitea: pull request " + number + " (" + short_text(branch) + ") " + short_text(action);
  const auto home = integer_at(body, {"repository", "id"});
  const auto head = integer_at(body, {"pull_request", "head", "repo_id"});
  // A fork's branch may bear any name, that of a task's branch too.
  if (home && head && *home != *head)
    return WebhookReading{what, WebhookIgnored{"its branch is in another repository"}};
  if (action == "synchronized") {
    const std::string commit = text_at(body, {"pull_request", "head", "sha"});
    return WebhookReading{what, WebhookAdvance{.repos = repos, .branch = branch, .commit = commit}};
  }
  if (action == "closed" && is_true_at(body, {"pull_request", "merged"})) {
    const std::string by = short_text(text_at(body, {"pull_request", "merged_by", "login"}));
    const std::string commit = short_commit(text_at(body, {"pull_request", "merge_commit_sha"}));
    return WebhookReading{"gitea: pull request " + number + " (" + short_text(branch) +
                              ") was merged outside of pawl, by " + (by.empty() ? "somebody" : by) +
                              (commit.empty() ? "" : ", as " + commit),
                          WebhookNote{.repos = repos, .branch = branch}};
  }
  return WebhookReading{what, WebhookIgnored{"only 'synchronized' and a merge mean anything here"}};
}

Result<WebhookReading> read_gitea(std::string_view event, const json::value& body, const WebhookConfig& config) {
  if (event.empty()) return bad_delivery("header X-Gitea-Event is missing");
  if (event == "push") return read_push(body, config);
  if (event == "status") return read_status(body, config);
  if (event == "pull_request") return read_pull_request(body, config);
  return WebhookReading{"gitea: " + short_text(event), WebhookIgnored{"events of this kind mean nothing here"}};
}

// --- Plane ---

/// An update to a work item that is not about its state means nothing, else each edit of a started item would start it
/// again. The first form says which field, one delivery each; the second says what the changed fields were before.
/// Old servers say neither: there each update counts.
bool is_about_state(const json::value& body) {
  constexpr std::array<std::string_view, 3> fields = {"state", "state_id", "state_group"};
  if (const json::value* before = value_at(body, {"previous_attributes"})) {
    return std::any_of(fields.begin(), fields.end(), [&](std::string_view field) {
      return before->is_object() && before->get_object().contains(json::string_view(field.data(), field.size()));
    });
  }
  const std::string field = text_at(body, {"activity", "field"});
  return field.empty() || std::find(fields.begin(), fields.end(), field) != fields.end();
}

enum class PlaneVerb { created, updated, other };

PlaneVerb plane_verb(std::string_view event, std::string_view action) {
  const std::string_view verb = event.starts_with("workitem.") ? event.substr(sizeof("workitem.") - 1) : action;
  if (verb == "created" || verb == "create") return PlaneVerb::created;
  if (verb == "updated" || verb == "update") return PlaneVerb::updated;
  return PlaneVerb::other;
}

/// By what a state may be named in the options: its group, name and id, in the places that the versions put them.
std::vector<std::string> plane_states(const json::value& item) {
  std::vector<std::string> states;
  const auto add = [&](std::string text) {
    if (!text.empty()) states.push_back(std::move(text));
  };
  for (const std::string_view object : {"state", "state_detail"}) {
    for (const std::string_view field : {"group", "name", "id"}) add(text_at(item, {object, field}));
  }
  for (const std::string_view field : {"state_group", "state__group", "state_name", "state_id", "state"}) {
    add(text_at(item, {field}));
  }
  return states;
}

const PlaneProject* named_project(const json::value& item, const WebhookConfig& config) {
  for (const std::string& candidate :
       {text_at(item, {"project"}), text_at(item, {"project_id"}), text_at(item, {"project", "id"}),
        text_at(item, {"project_detail", "id"}), text_at(item, {"project", "identifier"}),
        text_at(item, {"project_detail", "identifier"})}) {
    if (candidate.empty()) continue;
    if (const auto found = config.plane_projects.find(candidate); found != config.plane_projects.end()) {
      return &found->second;
    }
  }
  return nullptr;
}

/// "SHOP-42" where that can be told, else the item's id.
Result<std::string> plane_work_item(const json::value& item, const PlaneProject& project) {
  const auto number = integer_at(item, {"sequence_id"});
  if (number && !project.prefix.empty()) return project.prefix + "-" + std::to_string(*number);
  if (std::string identifier = text_at(item, {"identifier"}); !identifier.empty()) return identifier;
  for (const std::string_view object : {"project", "project_detail"}) {
    const std::string prefix = text_at(item, {object, "identifier"});
    if (number && !prefix.empty()) return prefix + "-" + std::to_string(*number);
  }
  return needed_text(item, {"id"});
}

Result<WebhookReading> read_plane(std::string_view event_header, const json::value& body, const WebhookConfig& config) {
  // The body is signed, the header is not.
  std::string event = text_at(body, {"event"});
  if (event.empty()) event = std::string(event_header);
  if (event.empty()) return bad_delivery("field \"event\" and header X-Plane-Event are missing");
  const std::string what = "plane: " + short_text(event);
  const std::string event_id = text_at(body, {"event_id"});
  const auto ignored = [&](std::string why) { return WebhookReading{what, WebhookIgnored{std::move(why)}, event_id}; };

  const bool is_item = event == "issue" || event == "workitem.created" || event == "workitem.updated";
  if (!is_item) return ignored("events of this kind mean nothing here");
  const PlaneVerb verb = plane_verb(event, text_at(body, {"action"}));
  if (verb == PlaneVerb::other) return ignored("only a new work item or a new state of one means anything here");
  if (verb == PlaneVerb::updated && !is_about_state(body)) return ignored("the work item's state was not changed");

  const json::value* item = value_at(body, {"data"});
  if (!item || !item->is_object()) return bad_delivery("field \"data\" is missing, or no object");
  const PlaneProject* project = named_project(*item, config);
  if (!project) return ignored("no repository is configured for the work item's project");
  const std::string work_item = PAWL_TRY(plane_work_item(*item, *project));
  const std::vector<std::string> states = plane_states(*item);
  if (states.empty()) return bad_delivery("field \"data.state\" is missing");
  // A state that was put on both lists stops: what is called off by mistake can be started again.
  if (is_among(config.plane_stop_states, states)) {
    const std::string reason = "plane: " + short_text(work_item) + " became " + short_text(states.front());
    return WebhookReading{reason, WebhookStop{.repo = project->repo, .work_item = work_item, .reason = reason},
                          event_id};
  }
  if (is_among(config.plane_start_states, states)) {
    return WebhookReading{"plane: " + short_text(work_item) + " became " + short_text(states.front()),
                          WebhookStart{.repo = project->repo,
                                       .work_item = work_item,
                                       .branch = config.plane_branch_prefix + lower(work_item),
                                       .pipeline = config.plane_pipeline},
                          event_id};
  }
  return ignored("its state starts and stops nothing");
}

using Words = std::vector<std::string>;

Words with(Words words, const std::string& more) {
  words.push_back(more);
  return words;
}

Words words_of(const WebhookAdvance& call) {
  return with(with(call.repos, call.branch), call.commit);
}

Words words_of(const WebhookStart& call) {
  return {call.repo, call.work_item, call.branch, call.pipeline};
}

Words words_of(const WebhookStop& call) {
  return {call.repo, call.work_item, call.reason};
}

Words words_of(const WebhookNote& call) {
  return with(call.repos, call.branch);
}

Words words_of(const WebhookIgnored& call) {
  return {call.why};
}

/// What makes two requests with one key the same. Not the body: a second try of Plane differs in its `delivery_id`.
std::uint64_t request_of(const Action& action) {
  std::string text = std::to_string(action.index());
  for (const std::string& word : std::visit([](const auto& call) { return words_of(call); }, action)) {
    text += '\n';
    append_json_text(text, word);
  }
  return hash_of(text);
}

}  // namespace

std::string webhook_signature(std::string_view secret, std::string_view body) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int bytes = 0;
  const unsigned char* made =
      HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()),
           reinterpret_cast<const unsigned char*>(body.data()), body.size(), digest.data(), &bytes);
  PAWL_ASSERT(made != nullptr && bytes == SHA256_DIGEST_LENGTH);
  return hex({digest.data(), bytes});
}

SignatureCheck check_signature(WebhookSource source, std::string_view body, std::string_view signature,
                               const WebhookConfig& config) {
  const std::optional<std::string>& secret = source == WebhookSource::gitea ? config.gitea_secret : config.plane_secret;
  if (!secret || secret->empty()) return SignatureCheck::not_configured;
  if (signature.empty()) return SignatureCheck::missing;
  const std::string right = webhook_signature(*secret, body);
  // The length is no secret; where the first wrong digit stands must stay one.
  if (signature.size() != right.size()) return SignatureCheck::wrong;
  const bool same = CRYPTO_memcmp(signature.data(), right.data(), right.size()) == 0;
  return same ? SignatureCheck::right : SignatureCheck::wrong;
}

Result<WebhookCall> parse_webhook(WebhookSource source, const WebhookHeaders& headers, std::string_view body,
                                  const WebhookConfig& config) {
  const bool is_gitea = source == WebhookSource::gitea;
  if (headers.delivery.empty()) {
    return bad_delivery(std::string("header ") + (is_gitea ? "X-Gitea-Delivery" : "X-Plane-Delivery") + " is missing");
  }
  const json::value value = PAWL_TRY(parse_json(body));
  if (!value.is_object()) return bad_delivery("the body must be a JSON object");
  WebhookReading reading =
      PAWL_TRY(is_gitea ? read_gitea(headers.event, value, config) : read_plane(headers.event, value, config));
  // A second try of Plane has a delivery id of its own, but the event's.
  const std::string_view id = reading.event_id.empty() ? headers.delivery : std::string_view(reading.event_id);
  return WebhookCall{.key = delivery_key(source, id),
                     .request = request_of(reading.action),
                     .what = std::move(reading.what),
                     .action = std::move(reading.action)};
}

void CommitBranches::learn(const std::string& repo, const std::string& commit, const std::string& branch) {
  if (commit.empty() || branch.empty()) return;
  const std::lock_guard lock(mutex_);
  const Commit key{repo, commit};
  const auto [at, is_new] = branches_.insert_or_assign(key, branch);
  if (!is_new) return;
  order_.push_back(key);
  if (order_.size() <= remembered_max) return;
  branches_.erase(order_.front());
  order_.pop_front();
}

std::string CommitBranches::find(const std::string& repo, const std::string& commit) const {
  const std::lock_guard lock(mutex_);
  const auto found = branches_.find({repo, commit});
  return found == branches_.end() ? std::string() : found->second;
}

bool UnderWay::begin(TaskId task) {
  const std::lock_guard lock(mutex_);
  return tasks_.insert(task).second;
}

void UnderWay::end(TaskId task) {
  const std::lock_guard lock(mutex_);
  tasks_.erase(task);
}

}  // namespace pawl
