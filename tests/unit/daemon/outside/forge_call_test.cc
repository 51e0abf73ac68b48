// What forges are sent, and how their answers are taken.
#include "daemon/outside/forge_call.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace pawl {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

ForgeTarget target_at(ForgeKind kind) {
  return {.repo = "shop", .kind = kind, .project = "acme/shop", .api = "https://f/api", .token = "secret-token"};
}

ForgeWord told_status(ForgeState state) {
  return {.kind = ForgeWord::Kind::status,
          .repo = "shop",
          .task = TaskId{12},
          .seq = Seq{345},
          .time = TimeUs{1'767'225'600 * us_per_s},
          .commit = "c0ffee",
          .stage = "build",
          .state = state,
          .text = "the gate is \"green\""};
}

ForgeWord told_comment() {
  ForgeWord word = told_status({});
  word.kind = ForgeWord::Kind::comment;
  word.issue = "42";
  word.text = "a\nb";
  return word;
}

bool has_header(const WebRequest& request, const std::string& header) {
  return std::find(request.headers.begin(), request.headers.end(), header) != request.headers.end();
}

TEST(ForgeCall, a_status_for_github_and_gitea) {
  for (const ForgeKind kind : {ForgeKind::github, ForgeKind::gitea}) {
    const WebRequest request = request_of(target_at(kind), told_status(ForgeState::running), "https://pawl.example");
    EXPECT_EQ(request.method, "POST");
    EXPECT_EQ(request.url, "https://f/api/repos/acme/shop/statuses/c0ffee");
    EXPECT_EQ(request.body, R"({"state":"pending","context":"pawl/build","description":"the gate is \"green\"",)"
                            R"("target_url":"https://pawl.example/#/task/12"})");
    const bool is_github = kind == ForgeKind::github;
    EXPECT_TRUE(
        has_header(request, is_github ? "Authorization: Bearer secret-token" : "Authorization: token secret-token"));
  }
}

TEST(ForgeCall, a_status_for_gitlab) {
  ForgeTarget target = target_at(ForgeKind::gitlab);
  target.project = "acme/deep/shop";
  const WebRequest request = request_of(target, told_status(ForgeState::failed), "");
  EXPECT_EQ(request.url, "https://f/api/projects/acme%2Fdeep%2Fshop/statuses/c0ffee");
  EXPECT_EQ(request.body, R"({"state":"failed","name":"pawl/build","description":"the gate is \"green\""})");
  EXPECT_TRUE(has_header(request, "PRIVATE-TOKEN: secret-token"));
}

TEST(ForgeCall, each_state_has_a_name_at_each_forge) {
  using enum ForgeState;
  struct Row {
    ForgeState state;
    const char* github;
    const char* gitlab;
  };
  for (const Row& row :
       {Row{waiting, "pending", "pending"}, Row{running, "pending", "running"}, Row{passed, "success", "success"},
        Row{failed, "failure", "failed"}, Row{error, "error", "failed"}, Row{cancelled, "error", "canceled"}}) {
    EXPECT_EQ(state_name(ForgeKind::github, row.state), row.github);
    EXPECT_EQ(state_name(ForgeKind::gitea, row.state), row.github);
    EXPECT_EQ(state_name(ForgeKind::gitlab, row.state), row.gitlab);
  }
}

TEST(ForgeCall, comments_and_where_to_look_for_them) {
  const WebRequest github = request_of(target_at(ForgeKind::github), told_comment(), "");
  EXPECT_EQ(github.url, "https://f/api/repos/acme/shop/issues/42/comments");
  EXPECT_EQ(github.body, R"({"body":"a\nb"})");
  EXPECT_TRUE(github.is_sent_once);
  EXPECT_EQ(request_of(target_at(ForgeKind::gitlab), told_comment(), "").url,
            "https://f/api/projects/acme%2Fshop/issues/42/notes");
  const WebRequest seen = comments_request(target_at(ForgeKind::github), told_comment(), 2);
  EXPECT_EQ(seen.method, "GET");
  EXPECT_EQ(seen.url, github.url + "?per_page=100&page=2&since=2025-12-31T23:00:00Z");
  EXPECT_EQ(comments_request(target_at(ForgeKind::gitlab), told_comment(), 1).url,
            "https://f/api/projects/acme%2Fshop/issues/42/notes?per_page=100&page=1&order_by=created_at&sort=desc");
}

ForgeAnswer judged(ForgeKind kind, int status, const std::string& body = {}, milliseconds not_before = {}) {
  return judge(target_at(kind), {.status = status, .why = "no route", .body = body, .not_before = not_before});
}

TEST(ForgeCall, what_answers_mean) {
  for (const int status : {200, 201, 204})
    EXPECT_EQ(judged(ForgeKind::github, status).how, ForgeAnswer::How::told) << status;
  for (const int status : {0, 408, 425, 429, 500, 502, 503}) {
    EXPECT_EQ(judged(ForgeKind::github, status).how, ForgeAnswer::How::later) << status;
  }
  for (const int status : {301, 400, 401, 403, 404, 410, 422}) {
    EXPECT_EQ(judged(ForgeKind::github, status).how, ForgeAnswer::How::refused) << status;
  }
  EXPECT_EQ(judged(ForgeKind::github, 429, "", seconds(7)).not_before, seconds(7));
  EXPECT_EQ(judged(ForgeKind::github, 0).why, "no route");
}

TEST(ForgeCall, a_limit_on_requests_is_not_a_refusal) {
  const ForgeAnswer limited = judged(ForgeKind::github, 403, "You have exceeded a secondary rate limit");
  EXPECT_EQ(limited.how, ForgeAnswer::How::later);
  EXPECT_EQ(limited.not_before, seconds(60));
  EXPECT_EQ(judged(ForgeKind::github, 403, "", seconds(90)).not_before, seconds(90));
}

TEST(ForgeCall, a_status_that_stands_already_is_told) {
  const std::string body = R"({"message":"Cannot transition status via :enqueue from :pending"})";
  EXPECT_EQ(judged(ForgeKind::gitlab, 400, body).how, ForgeAnswer::How::told);
  EXPECT_EQ(judged(ForgeKind::gitea, 400, body).how, ForgeAnswer::How::refused);
  EXPECT_EQ(judged(ForgeKind::gitlab, 400, "bad").how, ForgeAnswer::How::refused);
}

TEST(ForgeCall, an_answer_that_repeats_the_token_is_shown_without_it) {
  EXPECT_EQ(judged(ForgeKind::github, 401, "bad secret-token").why, "HTTP 401: bad (secret)");
}

}  // namespace
}  // namespace pawl
