#include "daemon/outside/forge_call.h"

#include <algorithm>
#include <array>
#include <utility>

#include "schema/json/json_text.h"

namespace pawl {
namespace {

/// Comments that a page has at most, and pages looked at: beyond that a repeated comment is possible.
constexpr int comments_per_page = 100;
constexpr int comment_pages_max = 10;
constexpr std::size_t comments_bytes_max = std::size_t{8} << 20;
/// How far a forge's clock may be ahead of ours, when it is asked for the comments since a record.
constexpr std::int64_t clock_slack_s = 3600;
/// When GitHub does not say how long to wait.
constexpr std::chrono::seconds limited_pause{60};

std::vector<std::string> headers_for(const ForgeTarget& target) {
  std::vector<std::string> headers = {"Content-Type: application/json"};
  switch (target.kind) {
    case ForgeKind::github:
      headers.push_back("Authorization: Bearer " + target.token);
      headers.emplace_back("Accept: application/vnd.github+json");
      headers.emplace_back("X-GitHub-Api-Version: 2022-11-28");
      break;
    case ForgeKind::gitlab:
      headers.push_back("PRIVATE-TOKEN: " + target.token);
      break;
    case ForgeKind::gitea:
      headers.push_back("Authorization: token " + target.token);
      break;
  }
  return headers;
}

/// GitLab names a project by its path as one component.
std::string place_of(const ForgeTarget& target) {
  if (target.kind != ForgeKind::gitlab) return target.api + "/repos/" + target.project;
  std::string encoded;
  for (const char byte : target.project) encoded += byte == '/' ? std::string("%2F") : std::string(1, byte);
  return target.api + "/projects/" + encoded;
}

std::string comments_place(const ForgeTarget& target, const ForgeWord& word) {
  return place_of(target) + "/issues/" + word.issue + (target.kind == ForgeKind::gitlab ? "/notes" : "/comments");
}

void add_text(std::string& body, std::string_view member, std::string_view text) {
  append_json_member(body, member);
  append_json_text(body, text);
}

std::string status_body(const ForgeTarget& target, const ForgeWord& word, const std::string& page) {
  std::string body = "{";
  add_text(body, "state", state_name(target.kind, word.state));
  add_text(body, target.kind == ForgeKind::gitlab ? "name" : "context", "pawl/" + word.stage);
  add_text(body, "description", word.text);
  if (!page.empty()) add_text(body, "target_url", page + "/#/task/" + std::to_string(raw(word.task)));
  return body + '}';
}

/// GitHub answers 403 to those who ask too much, too.
bool is_limited(const WebAnswer& answer) {
  return answer.status == 403 && (answer.not_before.count() > 0 || answer.body.find("rate limit") != std::string::npos);
}

/// GitLab moves a status along a path of its own, and refuses a move that leads nowhere: to where the status is, or
/// from running back to pending. Either way it stands as unfinished.
bool stands_already(const ForgeTarget& target, const WebAnswer& answer) {
  return target.kind == ForgeKind::gitlab && answer.status == 400 &&
         answer.body.find("Cannot transition status") != std::string::npos;
}

/// Whether a comment with the mark is there; none: `answer` says why it is not known.
std::optional<bool> find_comment(WebCaller& caller, const ForgeTarget& target, const ForgeWord& word,
                                 const CancelToken& cancel_token, WebAnswer& answer) {
  // Without its brackets, which some forges escape in JSON.
  const std::size_t begin = word.mark.find("pawl");
  const std::string core = word.mark.substr(begin, word.mark.rfind(" -->") - begin);
  for (int page = 1; page <= comment_pages_max; ++page) {
    answer = caller.call(comments_request(target, word, page), cancel_token, comments_bytes_max);
    if (!answer.is_success()) return std::nullopt;
    if (answer.body.find(core) != std::string::npos) return true;
    const std::size_t first = answer.body.find_first_not_of(" \r\n\t");
    const bool is_last = first == std::string::npos || answer.body.compare(first, 2, "[]") == 0;
    if (is_last || target.kind == ForgeKind::gitea) return false;  // Gitea's list has no pages
  }
  return false;
}

}  // namespace

std::string_view state_name(ForgeKind kind, ForgeState state) {
  const bool is_gitlab = kind == ForgeKind::gitlab;
  switch (state) {
    case ForgeState::waiting:
      return "pending";
    case ForgeState::running:
      return is_gitlab ? "running" : "pending";
    case ForgeState::passed:
      return "success";
    case ForgeState::failed:
      return is_gitlab ? "failed" : "failure";
    case ForgeState::error:
      return is_gitlab ? "failed" : "error";
    case ForgeState::cancelled:
      return is_gitlab ? "canceled" : "error";
  }
  return "";
}

WebRequest request_of(const ForgeTarget& target, const ForgeWord& word, const std::string& page) {
  WebRequest request{.url = {}, .headers = headers_for(target)};
  if (word.kind == ForgeWord::Kind::status) {
    request.url = place_of(target) + "/statuses/" + word.commit;
    request.body = status_body(target, word, page);
  } else {
    request.url = comments_place(target, word);
    request.body = "{";
    add_text(request.body, "body", word.text);
    request.body += '}';
    request.is_sent_once = true;
  }
  return request;
}

WebRequest comments_request(const ForgeTarget& target, const ForgeWord& word, int page) {
  std::string query = "?per_page=" + std::to_string(comments_per_page) + "&page=" + std::to_string(page);
  if (target.kind == ForgeKind::gitlab) {
    query += "&order_by=created_at&sort=desc";
  } else {
    const std::string since = rfc3339(TimeUs{word.time.us - clock_slack_s * us_per_s});
    query += "&since=" + since.substr(0, since.find('.')) + 'Z';
  }
  return {.method = "GET", .url = comments_place(target, word) + query, .headers = headers_for(target)};
}

ForgeAnswer judge(const ForgeTarget& target, const WebAnswer& answer) {
  if (answer.is_success() || stands_already(target, answer)) return {};
  ForgeAnswer judged{.how = ForgeAnswer::How::refused, .why = without(words_of(answer), {target.token})};
  if (!answer.may_pass() && !is_limited(answer)) return judged;
  judged.how = ForgeAnswer::How::later;
  judged.not_before = answer.not_before;
  if (is_limited(answer)) judged.not_before = std::max<std::chrono::milliseconds>(judged.not_before, limited_pause);
  return judged;
}

ForgeAnswer tell_forge(WebCaller& caller, const ForgeTarget& target, const ForgeWord& word, const std::string& page,
                       bool may_be_there, const CancelToken& cancel_token) {
  constexpr std::size_t answer_bytes_max = 1000;
  if (word.kind == ForgeWord::Kind::comment && may_be_there) {
    WebAnswer seen;
    const std::optional<bool> is_there = find_comment(caller, target, word, cancel_token, seen);
    if (!is_there) return judge(target, seen);
    if (*is_there) return {};
  }
  return judge(target, caller.call(request_of(target, word, page), cancel_token, answer_bytes_max));
}

}  // namespace pawl
