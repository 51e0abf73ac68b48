// GitHub, GitLab and custom programs: authentication, and the outcome of each kind of delivery.
#include <gtest/gtest.h>

#include <string>
#include <tuple>
#include <vector>

#include "daemon/outside/webhooks.h"
#include "tests/unit/daemon/api/forge_payloads.h"
#include "tests/unit/daemon/api/webhook_payloads.h"

namespace pawl {
namespace {

using payloads::with;

constexpr std::string_view head = "bffeb74224043ba2feb48d137756c8a9331c449a";
constexpr std::string_view signing_token = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

/// Grace may write; nothing is known of other users.
WebhookConfig forges() {
  return {.generic_secret = "our own secret",
          .github = {.secret = "github's secret",
                     .repos = {{"acme/shop", {.repo = "shop", .prefix = "SHOP"}}},
                     .members = {"Grace"}},
          .gitlab = {.secret = "gitlab's token",
                     .repos = {{"acme/tools/shop", {.repo = "shop", .prefix = "SHOP"}}},
                     .members = {"grace"}}};
}

Result<WebhookCall> github(std::string_view event, std::string_view body, const WebhookConfig& config = forges()) {
  return parse_webhook(WebhookSource::github, {.event = event, .delivery = "72d3162e-cc78"}, body, config);
}

Result<WebhookCall> gitlab(std::string_view body, const WebhookConfig& config = forges()) {
  return parse_webhook(WebhookSource::gitlab, {.delivery = "f5e5f430-f57b"}, body, config);
}

Result<WebhookCall> generic(std::string_view body) {
  return parse_webhook(WebhookSource::generic, {}, body, forges());
}

template <class Action>
Action came_to(const Result<WebhookCall>& call) {
  EXPECT_TRUE(call.has_value()) << (call ? "" : call.error().message);
  if (!call) return {};
  EXPECT_TRUE(std::holds_alternative<Action>(call->action)) << call->what << ": kind " << call->action.index();
  const Action* action = std::get_if<Action>(&call->action);
  return action ? *action : Action{};
}

/// A payload with the value of its only member of that name replaced.
std::string having(std::string_view body, std::string_view member, std::string_view value) {
  const std::string key = '"' + std::string(member) + "\": ";
  const std::size_t at = body.find(key);
  EXPECT_NE(at, std::string_view::npos) << member;
  const std::size_t begin = at + key.size();
  const std::size_t end = body.find_first_of(",}\n", begin);
  return std::string(body.substr(0, begin)) + std::string(value) + std::string(body.substr(end));
}

std::vector<std::string> shop() {
  return {"shop"};
}

// --- Signatures ---

SignatureCheck github_signed(std::string_view signature, std::string_view body = "{}") {
  return check_signature(WebhookSource::github, body, {.signature = signature}, forges());
}

TEST(WebhookSignature, githubs_is_a_hash_with_its_name_before_it) {
  const std::string hash = webhook_signature("github's secret", "{}");
  EXPECT_EQ(github_signed("sha256=" + hash), SignatureCheck::right);
  std::string upper = hash;
  for (char& c : upper) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  for (const std::string& wrong :
       {hash, "SHA256=" + hash, "sha256=" + upper, "sha256=" + hash.substr(1), "sha256=" + hash + " ", "sha1=" + hash,
        std::string("sha256="), "sha256=" + webhook_signature("another", "{}")}) {
    EXPECT_EQ(github_signed(wrong), SignatureCheck::wrong) << wrong;
  }
  EXPECT_EQ(github_signed("sha256=" + hash, "{ }"), SignatureCheck::wrong);
  EXPECT_EQ(github_signed(""), SignatureCheck::missing);
}

TEST(WebhookSignature, gitlabs_token_is_the_secret_itself) {
  const auto check = [](std::string_view token) {
    return check_signature(WebhookSource::gitlab, "{}", {.token = token}, forges());
  };
  EXPECT_EQ(check("gitlab's token"), SignatureCheck::right);
  EXPECT_EQ(check("Gitlab's token"), SignatureCheck::wrong);
  EXPECT_EQ(check("gitlab's toke"), SignatureCheck::wrong);
  EXPECT_EQ(check("gitlab's token2"), SignatureCheck::wrong);
  EXPECT_EQ(check(""), SignatureCheck::missing);
}

TEST(WebhookSignature, gitlabs_signing_token_signs_id_time_and_body) {
  WebhookConfig config = forges();
  config.gitlab.secret = std::string(signing_token);
  const std::string right = *standard_signature(signing_token, "id-1", "1781517600", "{}");
  // Computed with openssl: HMAC-SHA256 of "id-1.1781517600.{}" under the 32 bytes of the token.
  EXPECT_EQ(right, "v1,sz+iFODuOHteb9YwlhPbB35BktFz5VJWaR/n4J2r908=");
  const auto check = [&](WebhookHeaders headers, std::string_view body = "{}") {
    return check_signature(WebhookSource::gitlab, body, headers, config);
  };
  const WebhookHeaders sent{.delivery = "id-1", .signature = right, .timestamp = "1781517600"};
  EXPECT_EQ(check(sent), SignatureCheck::right);
  EXPECT_EQ(check(sent, "{ }"), SignatureCheck::wrong);
  EXPECT_EQ(check({.delivery = "id-2", .signature = right, .timestamp = "1781517600"}), SignatureCheck::wrong);
  EXPECT_EQ(check({.delivery = "id-1", .signature = right, .timestamp = "1781517601"}), SignatureCheck::wrong);
  EXPECT_EQ(check({.delivery = "id-1", .token = signing_token, .timestamp = "1781517600"}), SignatureCheck::missing)
      << "a signing token is never accepted as a plain one";
  const std::string several = "v1,AAAA " + right;
  EXPECT_EQ(check({.delivery = "id-1", .signature = several, .timestamp = "1781517600"}), SignatureCheck::right);
  const std::string bare = right.substr(3);
  EXPECT_EQ(check({.delivery = "id-1", .signature = bare, .timestamp = "1781517600"}), SignatureCheck::wrong);
  EXPECT_FALSE(standard_signature("whsec_not base64", "", "", "").has_value());
  EXPECT_FALSE(standard_signature("whsec_", "", "", "").has_value());
}

TEST(WebhookSignature, each_source_has_headers_of_its_own) {
  const auto sent = [](std::string_view header) { return header; };
  EXPECT_EQ(webhook_headers(WebhookSource::github, sent).signature, "X-Hub-Signature-256");
  EXPECT_EQ(webhook_headers(WebhookSource::github, sent).event, "X-GitHub-Event");
  EXPECT_EQ(webhook_headers(WebhookSource::github, sent).delivery, "X-GitHub-Delivery");
  EXPECT_EQ(webhook_headers(WebhookSource::gitlab, sent).token, "X-Gitlab-Token");
  EXPECT_EQ(webhook_headers(WebhookSource::gitlab, sent).signature, "webhook-signature");
  EXPECT_EQ(webhook_headers(WebhookSource::gitlab, sent).delivery, "webhook-id");
  const auto plain = [](std::string_view header) { return header.starts_with("webhook") ? "" : header; };
  EXPECT_EQ(webhook_headers(WebhookSource::gitlab, plain).delivery, "Idempotency-Key");
  EXPECT_EQ(webhook_headers(WebhookSource::generic, sent).signature, "X-Pawl-Signature");
}

// --- GitHub ---

TEST(GithubWebhook, a_push_lets_the_task_of_its_branch_advance) {
  const auto call = github("push", payloads::github_push);
  EXPECT_EQ(came_to<WebhookAdvance>(call),
            (WebhookAdvance{.repos = shop(), .branch = "shop-42", .commit = std::string(head)}));
  EXPECT_EQ(call->what, "github: push of bffeb74224 to shop-42");
  EXPECT_EQ(call->key, "github:72d3162e-cc78");
  WebhookConfig none = forges();
  none.github.repos.clear();
  EXPECT_EQ(came_to<WebhookAdvance>(github("push", payloads::github_push, none)).repos,
            (std::vector<std::string>{"acme/shop", "shop"}));
  came_to<WebhookIgnored>(github("push", having(payloads::github_push, "ref", R"("refs/tags/v1")")));
  came_to<WebhookIgnored>(github("push", having(payloads::github_push, "after", '"' + std::string(40, '0') + '"')));
}

std::string pull(std::string_view action, std::string_view merged = "false") {
  const std::string body = having(payloads::github_pull_request, "action", '"' + std::string(action) + '"');
  return having(body, "merged", merged);
}

TEST(GithubWebhook, a_pull_request_that_is_opened_or_updated_lets_its_task_advance) {
  for (const std::string_view action : {"opened", "reopened", "synchronize", "ready_for_review"}) {
    EXPECT_EQ(came_to<WebhookAdvance>(github("pull_request", pull(action))),
              (WebhookAdvance{.repos = shop(), .branch = "shop-42", .commit = std::string(head), .pull = "#17"}))
        << action;
  }
  for (const std::string_view action : {"edited", "assigned", "unlabeled", "converted_to_draft", "locked", "new"}) {
    came_to<WebhookIgnored>(github("pull_request", pull(action)));
  }
}

TEST(GithubWebhook, a_repository_of_the_same_last_part_is_not_the_listed_one) {
  WebhookConfig other = forges();
  other.github.repos = {{"upstream/shop", {.repo = "shop", .prefix = "SHOP"}}};
  EXPECT_EQ(came_to<WebhookAdvance>(github("push", payloads::github_push, other)).repos,
            std::vector<std::string>{"acme/shop"});
  EXPECT_EQ(came_to<WebhookStop>(github("pull_request", pull("closed"), other)).repos,
            std::vector<std::string>{"acme/shop"});
}

TEST(GithubWebhook, a_merge_is_noted_and_a_close_without_one_stops) {
  const auto merged = github("pull_request", with(pull("closed", "true"), R"("merged_by": null)",
                                                  R"("merged_by": {"login": "grace", "id": 4})"));
  EXPECT_EQ(came_to<WebhookNote>(merged), (WebhookNote{.repos = shop(), .branch = "shop-42"}));
  EXPECT_EQ(merged->what, "github: pull request 17 (shop-42) was merged outside of pawl, by grace, as 411acbb509");
  const std::string reason = "github: pull request 17 (shop-42) was closed without a merge, by grace";
  EXPECT_EQ(
      came_to<WebhookStop>(github("pull_request", pull("closed"))),
      (WebhookStop{
          .repos = shop(), .work_item = "", .branch = "shop-42", .reason = reason, .why = WebhookStop::Why::closed}));
}

TEST(GithubWebhook, a_fork_starts_and_stops_nothing) {
  const std::string other = R"("repo": {"id": 141, "name": "shop", "full_name": "mallory/shop", "fork": true})";
  const std::string_view ours = R"("repo": {"id": 140, "name": "shop", "full_name": "acme/shop", "fork": false})";
  for (const std::string& fork : {other, std::string(R"("repo": null)")}) {
    for (const std::string_view action : {"opened", "synchronize", "closed", "labeled"}) {
      std::string body = with(pull(action), ours, fork);
      for (const std::string_view label : {"pawl:start", "pawl:stop"}) {
        const std::string labelled =
            with(body, R"("number": 17,)", R"("number": 17, "label": {"name": ")" + std::string(label) + R"("},)");
        came_to<WebhookIgnored>(github("pull_request", labelled));
      }
    }
  }
  const std::string no_id =
      with(payloads::github_pull_request, R"("id": 140, "name": "shop", "full_name": "acme/shop", "private")",
           R"("name": "shop", "full_name": "acme/shop", "private")");
  came_to<WebhookIgnored>(github("pull_request", no_id));
}

TEST(GithubWebhook, a_label_on_an_issue_starts_and_stops_it) {
  const auto call = github("issues", payloads::github_issue_labeled);
  EXPECT_EQ(came_to<WebhookStart>(call),
            (WebhookStart{.repo = "shop", .work_item = "SHOP-42", .branch = "shop-42", .pipeline = ""}));
  EXPECT_EQ(call->what, "github: issue 42 was labelled pawl:start, by grace");
  const std::string stop = with(payloads::github_issue_labeled, R"("LA_kwDOABCDEF", "name": "pawl:start")",
                                R"("LA_kwDOABCDEF", "name": "Pawl:Stop")");
  EXPECT_EQ(
      came_to<WebhookStop>(github("issues", stop)),
      (WebhookStop{
          .repos = shop(), .work_item = "SHOP-42", .reason = "github: issue 42 was labelled Pawl:Stop, by grace"}));
  came_to<WebhookIgnored>(github("issues", with(stop, "Pawl:Stop", "bug")));
  came_to<WebhookIgnored>(github("issues", having(payloads::github_issue_labeled, "action", R"("unlabeled")")));
  came_to<WebhookIgnored>(github("issues", having(payloads::github_issue_labeled, "action", R"("opened")")));
}

TEST(GithubWebhook, names_of_issues_and_labels_follow_the_options) {
  WebhookConfig other = forges();
  other.github.repos["acme/shop"].prefix.clear();
  other.start_label = "go";
  other.issue_branch_prefix = "feature/";
  other.issue_pipeline = "hotfix";
  const std::string go = with(payloads::github_issue_labeled, R"("LA_kwDOABCDEF", "name": "pawl:start")",
                              R"("LA_kwDOABCDEF", "name": "go")");
  EXPECT_EQ(
      came_to<WebhookStart>(github("issues", go, other)),
      (WebhookStart{.repo = "shop", .work_item = "issue-42", .branch = "feature/issue-42", .pipeline = "hotfix"}));
  other.github.repos.clear();
  came_to<WebhookIgnored>(github("issues", go, other));
}

TEST(GithubWebhook, a_label_on_a_pull_request_is_about_its_branch) {
  const auto labelled = [](std::string_view label) {
    return with(pull("labeled"), R"("number": 17,)",
                R"("number": 17, "label": {"id": 12, "name": ")" + std::string(label) + R"("},)");
  };
  EXPECT_EQ(came_to<WebhookStart>(github("pull_request", labelled("pawl:start"))),
            (WebhookStart{.repo = "shop", .work_item = "", .branch = "shop-42", .pipeline = ""}));
  const WebhookStop stop{.repos = shop(),
                         .work_item = "",
                         .branch = "shop-42",
                         .reason = "github: pull request 17 (shop-42) was labelled pawl:stop, by grace"};
  EXPECT_EQ(came_to<WebhookStop>(github("pull_request", labelled("pawl:stop"))), stop);
  came_to<WebhookIgnored>(github("pull_request", labelled("bug")));
}

TEST(GithubWebhook, a_comment_starts_and_stops) {
  EXPECT_EQ(came_to<WebhookStart>(github("issue_comment", payloads::github_issue_comment)),
            (WebhookStart{.repo = "shop", .work_item = "SHOP-42", .branch = "shop-42", .pipeline = ""}));
  const auto saying = [](std::string_view text) {
    return with(payloads::github_issue_comment, R"("body": "/pawl start")", R"("body": ")" + std::string(text) + '"');
  };
  for (const std::string_view text :
       {"/pawl stop", "/PAWL STOP", "/pawl stop at once", R"(/pawl stop\r\nwe were wrong)", "/pawl stop!",
        "/pawl stop.", "/pawl stop, please", "/pawl  stop", R"(/pawl\tstop)", "  /pawl stop", R"(\n/pawl stop)",
        "/pawl stop\u2026"}) {
    EXPECT_EQ(came_to<WebhookStop>(github("issue_comment", saying(text))).work_item, "SHOP-42") << text;
  }
  for (const std::string_view text :
       {"> /pawl stop", "please /pawl stop", "/pawl stopping", "/pawl stop-gap", "/pawlstop", "/pawl", "/pawl ",
        R"(/pawl\nstop)", "", " ", R"(so\n/pawl stop)", "/pawl restart", "/pawl/stop"}) {
    came_to<WebhookIgnored>(github("issue_comment", saying(text)));
  }
  for (const std::string_view action : {R"("edited")", R"("deleted")"}) {
    came_to<WebhookIgnored>(github("issue_comment", having(payloads::github_issue_comment, "action", action)));
  }
}

/// Otherwise a stop would be about an issue 0 that never was, and be ignored.
TEST(ForgeWebhook, a_start_or_stop_without_the_number_of_its_issue_is_malformed) {
  for (const std::string_view number : {"null", "0", "-42", "42.5", R"("42")", "100000000000000000000"}) {
    for (const auto& call :
         {github("issues",
                 with(payloads::github_issue_labeled, R"("number": 42)", R"("number": )" + std::string(number))),
          github("issue_comment",
                 with(payloads::github_issue_comment, R"("number": 42)", R"("number": )" + std::string(number))),
          gitlab(with(payloads::gitlab_issue, R"("iid": 42)", R"("iid": )" + std::string(number))),
          gitlab(with(payloads::gitlab_note_on_issue, R"("iid": 42)", R"("iid": )" + std::string(number)))}) {
      ASSERT_FALSE(call.has_value()) << number << ": " << call->what;
      EXPECT_NE(call.error().message.find("whole number above 0"), std::string::npos) << call.error().message;
    }
  }
}

TEST(GithubWebhook, a_comment_on_a_pull_request_is_about_the_branch_that_its_events_told) {
  const std::string body =
      with(payloads::github_issue_comment, R"("labels": [])",
           R"("labels": [], "pull_request": {"url": "https://api.github.example.org/repos/acme/shop/pulls/42"})");
  EXPECT_EQ(came_to<WebhookStart>(github("issue_comment", body)),
            (WebhookStart{.repo = "shop", .work_item = "", .branch = "", .pipeline = "", .pull = "#42"}));
}

// Who may write. A payload identifies a repository's owner; a member of an organization may lack write access.
TEST(GithubWebhook, only_those_who_are_known_to_write_count) {
  WebhookConfig unknown = forges();
  unknown.github.members = {"ada"};
  const auto association = [](std::string_view text) {
    return with(payloads::github_issue_comment, R"("author_association": "MEMBER")",
                R"("author_association": ")" + std::string(text) + '"');
  };
  for (const std::string_view text :
       {"MEMBER", "COLLABORATOR", "CONTRIBUTOR", "FIRST_TIME_CONTRIBUTOR", "FIRST_TIMER", "MANNEQUIN", "NONE", ""}) {
    const auto refused = came_to<WebhookRefused>(github("issue_comment", association(text), unknown));
    EXPECT_NE(refused.why.find("--github-member"), std::string::npos) << refused.why;
  }
  came_to<WebhookStart>(github("issue_comment", association("OWNER"), unknown));
  came_to<WebhookRefused>(github("issues", payloads::github_issue_labeled, unknown));
  came_to<WebhookRefused>(
      github("pull_request",
             with(pull("labeled"), R"("number": 17,)", R"("number": 17, "label": {"name": "pawl:stop"},)"), unknown));

  // In a personal account's repository all collaborators may write, and only they can add labels.
  const auto personal = [](std::string body) {
    return with(body, R"("type": "Organization", "site)", R"("type": "User", "site)");
  };
  came_to<WebhookStart>(github("issue_comment", personal(association("COLLABORATOR")), unknown));
  came_to<WebhookRefused>(github("issue_comment", personal(association("CONTRIBUTOR")), unknown));
  const std::string labelled = personal(std::string(payloads::github_issue_labeled));
  came_to<WebhookStart>(github("issues", labelled, unknown));
  const std::string by_bot =
      with(labelled, R"("grace", "id": 4, "type": "User")", R"("fixer[bot]", "id": 9, "type": "Bot")");
  came_to<WebhookRefused>(github("issues", by_bot, unknown));
  // An issue template adds labels for anyone who opens an issue.
  WebhookConfig nobody = forges();
  nobody.github.members.clear();
  const std::string by_author = with(labelled, R"("sender": {"login": "grace")", R"("sender": {"login": "ada")");
  came_to<WebhookRefused>(github("issues", by_author, nobody));
}

TEST(GithubWebhook, other_events_are_ignored) {
  for (const std::string_view event : {"ping", "star", "fork", "release", "workflow_run", "discussion_comment"}) {
    came_to<WebhookIgnored>(github(event, R"({"zen":"Keep it logically awesome.","hook_id":1})"));
  }
}

// --- GitLab ---

TEST(GitlabWebhook, a_push_lets_the_task_of_its_branch_advance) {
  const auto call = gitlab(payloads::gitlab_push);
  EXPECT_EQ(came_to<WebhookAdvance>(call),
            (WebhookAdvance{.repos = shop(), .branch = "shop-42", .commit = std::string(head)}));
  EXPECT_EQ(call->key, "gitlab:f5e5f430-f57b");
  came_to<WebhookIgnored>(gitlab(having(payloads::gitlab_push, "after", '"' + std::string(40, '0') + '"')));
  came_to<WebhookIgnored>(gitlab(having(payloads::gitlab_push, "object_kind", R"("tag_push")")));
}

std::string merge_request(std::string_view action) {
  return with(payloads::gitlab_merge_request, R"("action": "open")", R"("action": ")" + std::string(action) + '"');
}

TEST(GitlabWebhook, a_merge_request_that_is_opened_or_updated_lets_its_task_advance) {
  const WebhookAdvance advance{.repos = shop(), .branch = "shop-42", .commit = std::string(head), .pull = "#17"};
  EXPECT_EQ(came_to<WebhookAdvance>(gitlab(merge_request("open"))), advance);
  EXPECT_EQ(came_to<WebhookAdvance>(gitlab(merge_request("reopen"))), advance);
  const std::string pushed = with(merge_request("update"), R"("action":)",
                                  R"("oldrev": "28e1879d029cb852e4844d9c718537df08844e03", "action":)");
  EXPECT_EQ(came_to<WebhookAdvance>(gitlab(pushed)), advance);
  for (const std::string_view action : {"update", "approved", "unapproved", "approval", "unapproval"}) {
    came_to<WebhookIgnored>(gitlab(merge_request(action)));
  }
}

TEST(GitlabWebhook, a_merge_is_noted_and_a_close_without_one_stops) {
  const std::string merged = with(merge_request("merge"), R"("merge_commit_sha": null)",
                                  R"("merge_commit_sha": "411acbb5098d2257592f94bfa1bbf121cb61df78")");
  const auto call = gitlab(merged);
  EXPECT_EQ(came_to<WebhookNote>(call), (WebhookNote{.repos = shop(), .branch = "shop-42"}));
  EXPECT_EQ(call->what, "gitlab: merge request 17 (shop-42) was merged outside of pawl, by grace, as 411acbb509");
  EXPECT_EQ(came_to<WebhookStop>(gitlab(merge_request("close"))).why, WebhookStop::Why::closed);
}

/// With the label added by this event.
std::string labelled(std::string_view body, std::string_view label) {
  const std::string labels = R"([{"id": 206, "title": ")" + std::string(label) + R"("}])";
  return with(body, R"("changes": {)", R"("changes": {"labels": {"previous": [], "current": )" + labels + "}, ");
}

TEST(GitlabWebhook, a_fork_starts_and_stops_nothing) {
  for (const std::string_view action : {"open", "update", "close", "merge"}) {
    for (const std::string_view label : {"pawl:start", "pawl:stop", "other"}) {
      const std::string body = labelled(merge_request(action), label);
      came_to<WebhookIgnored>(gitlab(with(body, R"("source_project_id": 140)", R"("source_project_id": 141)")));
      came_to<WebhookIgnored>(gitlab(with(body, R"("source_project_id": 140)", R"("source_project_id": null)")));
    }
  }
  came_to<WebhookIgnored>(gitlab(
      with(payloads::gitlab_note_on_merge_request, R"("source_project_id": 140)", R"("source_project_id": 141)")));
}

TEST(GitlabWebhook, a_label_that_is_put_on_starts_and_stops) {
  EXPECT_EQ(came_to<WebhookStart>(gitlab(payloads::gitlab_issue)),
            (WebhookStart{.repo = "shop", .work_item = "SHOP-42", .branch = "shop-42", .pipeline = ""}));
  const std::string had_it = with(payloads::gitlab_issue, R"("previous": [{"id": 205, "title": "API")",
                                  R"("previous": [{"id": 206, "title": "pawl:start")");
  came_to<WebhookIgnored>(gitlab(had_it));
  const std::string opened = with(had_it, R"("action": "update")", R"("action": "open")");
  came_to<WebhookStart>(gitlab(opened));
  const std::string both =
      with(payloads::gitlab_issue, R"({"id": 205, "title": "API", "color": "#ffffff", "type": "ProjectLabel"},
                  {)",
           R"({"id": 207, "title": "pawl:stop"}, {)");
  EXPECT_EQ(came_to<WebhookStop>(gitlab(both)).work_item, "SHOP-42") << "of the two, the stop counts";
  EXPECT_EQ(came_to<WebhookStart>(gitlab(labelled(merge_request("update"), "pawl:start"))),
            (WebhookStart{.repo = "shop", .work_item = "", .branch = "shop-42", .pipeline = ""}));
  EXPECT_EQ(came_to<WebhookStop>(gitlab(labelled(merge_request("update"), "pawl:stop"))).branch, "shop-42");
}

TEST(GitlabWebhook, a_label_on_any_work_item_of_a_project_counts) {
  const std::string task = with(having(payloads::gitlab_issue, "object_kind", R"("work_item")"), R"("type": "Issue")",
                                R"("type": "Incident")");
  EXPECT_EQ(came_to<WebhookStart>(gitlab(task)).work_item, "SHOP-42");
  EXPECT_EQ(
      came_to<WebhookStop>(gitlab(with(task, R"({"id": 205, "title": "API", "color": "#ffffff", "type": "ProjectLabel"},
                  {)",
                                       R"({"id": 207, "title": "pawl:stop"}, {)")))
          .work_item,
      "SHOP-42");
  const std::string epic = with(task, R"("project": {"id")", R"("project": null, "group": {"id")");
  EXPECT_EQ(came_to<WebhookIgnored>(gitlab(epic)).why, "it is of no project");
}

TEST(GitlabWebhook, labels_told_with_new_commits_were_there_before) {
  const std::string pushed = with(labelled(merge_request("update"), "pawl:start"), R"("action":)",
                                  R"("oldrev": "28e1879d029cb852e4844d9c718537df08844e03", "action":)");
  came_to<WebhookAdvance>(gitlab(pushed));
}

TEST(GitlabWebhook, a_comment_starts_and_stops) {
  EXPECT_EQ(came_to<WebhookStart>(gitlab(payloads::gitlab_note_on_issue)).work_item, "SHOP-42");
  EXPECT_EQ(came_to<WebhookStop>(gitlab(payloads::gitlab_note_on_merge_request)).branch, "shop-42");
  const auto having_note = [](std::string_view member, std::string_view value) {
    return having(payloads::gitlab_note_on_issue, member, value);
  };
  came_to<WebhookIgnored>(gitlab(having_note("note", R"("hello")")));
  came_to<WebhookIgnored>(gitlab(having_note("system", "true")));
  came_to<WebhookIgnored>(gitlab(having_note("action", R"("update")")));
  came_to<WebhookIgnored>(gitlab(having_note("noteable_type", R"("Commit")")));
  came_to<WebhookStart>(gitlab(having_note("action", "null")));
}

TEST(GitlabWebhook, only_those_who_are_named_count) {
  WebhookConfig nobody = forges();
  nobody.gitlab.members.clear();
  for (const std::string& body :
       {std::string(payloads::gitlab_issue), std::string(payloads::gitlab_note_on_issue),
        std::string(payloads::gitlab_note_on_merge_request), labelled(merge_request("update"), "pawl:start")}) {
    const auto refused = came_to<WebhookRefused>(gitlab(body, nobody));
    EXPECT_NE(refused.why.find("--gitlab-member"), std::string::npos) << refused.why;
    came_to<WebhookRefused>(gitlab(having(body, "username", "null")));
  }
}

TEST(GitlabWebhook, without_an_id_the_same_body_is_the_same_delivery) {
  const auto key = [](std::string_view body) { return parse_webhook(WebhookSource::gitlab, {}, body, forges())->key; };
  EXPECT_EQ(key(payloads::gitlab_push), key(payloads::gitlab_push));
  EXPECT_NE(key(payloads::gitlab_push), key(payloads::gitlab_issue));
  EXPECT_LE(key(payloads::gitlab_push).size(), limits::idempotency_key_bytes_max);
}

TEST(GitlabWebhook, other_events_are_ignored) {
  for (const std::string_view kind : {"pipeline", "build", "wiki_page", "release", "work_item", "feature_flag"}) {
    came_to<WebhookIgnored>(gitlab(R"({"object_kind":")" + std::string(kind) + R"("})"));
  }
}

// --- Custom programs ---

TEST(GenericWebhook, says_what_happened_in_pawls_own_words) {
  const auto start =
      generic(R"({"event":"start","work_item":"W-1","repo":"shop","branch":"w-1","pipeline":"hotfix","id":"6"})");
  EXPECT_EQ(came_to<WebhookStart>(start),
            (WebhookStart{.repo = "shop", .work_item = "W-1", .branch = "w-1", .pipeline = "hotfix"}));
  EXPECT_EQ(start->key, "generic:6");
  const auto stop = generic(R"({"event":"stop","work_item":"W-1","repo":"shop","branch":"w-1","by":"cron","id":"7"})");
  EXPECT_EQ(
      came_to<WebhookStop>(stop),
      (WebhookStop{.repos = shop(), .work_item = "W-1", .reason = "generic: W-1 of shop was called off, by cron"}));
  EXPECT_EQ(stop->key, "generic:7");
  EXPECT_EQ(came_to<WebhookStop>(generic(R"({"event":"stop","repo":"shop","branch":"w-1","id":"8"})")).branch, "w-1");
  EXPECT_EQ(came_to<WebhookAdvance>(generic(R"({"event":"pushed","repo":"shop","branch":"w-1","commit":"c0ffee"})")),
            (WebhookAdvance{.repos = shop(), .branch = "w-1", .commit = "c0ffee"}));
  EXPECT_EQ(generic(R"({"event":"pushed","repo":"shop","branch":"w-1"})")->key, "") << "each is another one";
  EXPECT_EQ(came_to<WebhookNote>(generic(R"({"event":"merged","repo":"shop","branch":"w-1","mine":{"x":[1]}})")),
            (WebhookNote{.repos = shop(), .branch = "w-1"}));
}

TEST(GenericWebhook, what_is_missing_or_of_another_type_is_named) {
  const std::vector<std::pair<std::string_view, std::string_view>> cases = {
      {R"({"repo":"shop"})", "\"event\""},
      {R"({"event":"start","work_item":"W-1"})", "\"repo\""},
      {R"({"event":"start","repo":"shop","branch":"w-1"})", "\"work_item\""},
      {R"({"event":"start","repo":["shop"],"work_item":"W-1"})", "\"repo\""},
      {R"({"event":"stop","repo":"shop"})", "\"work_item\""},
      {R"({"event":"stop","repo":"shop","work_item":7})", "\"work_item\""},
      {R"({"event":"start","repo":"shop","work_item":"W-1"})", "\"id\""},
      {R"({"event":"stop","repo":"shop","work_item":"W-1","id":""})", "\"id\""},
      {R"({"event":"stop","repo":"shop","branch":"w-1","id":7})", "\"id\""},
      {R"({"event":"pushed","repo":"shop","work_item":"W-1"})", "\"branch\""},
      {R"({"event":"merged","repo":"shop"})", "\"branch\""},
      {R"({"event":"STOP","repo":"shop","work_item":"W-1"})", "'STOP', not start, stop, pushed or merged"},
      {R"({"event":"stop","event":"start","repo":"shop","work_item":"W-1"})", "duplicate key"},
  };
  for (const auto& [body, named] : cases) {
    const auto call = generic(body);
    ASSERT_FALSE(call.has_value()) << body;
    EXPECT_NE(call.error().message.find(named), std::string::npos) << call.error().message;
  }
}

// --- Foreign payload formats ---

struct Sample {
  WebhookSource source;
  std::string_view event;
  std::string_view body;
};

const std::vector<Sample> samples = {
    {WebhookSource::github, "push", payloads::github_push},
    {WebhookSource::github, "pull_request", payloads::github_pull_request},
    {WebhookSource::github, "issues", payloads::github_issue_labeled},
    {WebhookSource::github, "issue_comment", payloads::github_issue_comment},
    {WebhookSource::gitlab, "", payloads::gitlab_push},
    {WebhookSource::gitlab, "", payloads::gitlab_merge_request},
    {WebhookSource::gitlab, "", payloads::gitlab_issue},
    {WebhookSource::gitlab, "", payloads::gitlab_note_on_issue},
    {WebhookSource::gitlab, "", payloads::gitlab_note_on_merge_request},
    {WebhookSource::generic, "", R"({"event":"stop","work_item":"W-1","repo":"shop","id":"1"})"},
};

TEST(Webhook, each_cut_and_each_turned_byte_of_each_source_is_answered) {
  for (const Sample& sample : samples) {
    const auto read = [&](std::string_view body) {
      return parse_webhook(sample.source, {.event = sample.event, .delivery = "d"}, body, forges());
    };
    for (std::size_t size = 0; size < sample.body.size(); ++size) EXPECT_FALSE(read(sample.body.substr(0, size)));
    for (std::size_t at = 0; at < sample.body.size(); ++at) {
      std::string turned(sample.body);
      turned[at] = static_cast<char>(turned[at] ^ 0x21);
      const auto call = read(turned);
      EXPECT_TRUE(call || call.error().code == ErrorCode::malformed);
    }
  }
}

TEST(Webhook, a_member_of_another_type_is_named_or_not_needed) {
  for (const Sample& sample : samples) {
    for (const std::string_view value : {"null", "7", "[]", "{}", "true", "\"\"", "[[{}]]"}) {
      // Each value in turn: from a colon to the end of a string or word.
      for (std::size_t at = sample.body.find(": "); at != std::string_view::npos; at = sample.body.find(": ", at + 1)) {
        const std::size_t begin = at + 2;
        const bool is_text = sample.body[begin] == '"';
        const std::size_t end = is_text ? sample.body.find('"', begin + 1) + 1 : sample.body.find_first_of(",}", begin);
        std::string body(sample.body);
        const auto call = parse_webhook(sample.source, {.event = sample.event, .delivery = "d"},
                                        body.replace(begin, end - begin, value), forges());
        EXPECT_TRUE(call || call.error().code == ErrorCode::malformed);
      }
    }
  }
}

/// A stop whose description is nested so that the whole has this many levels.
std::string deep_stop(std::size_t levels) {
  std::string nested = std::string(levels - 1, '[') + std::string(levels - 1, ']');
  return R"({"event":"stop","work_item":"W-1","repo":"shop","id":"1","description":)" + nested + '}';
}

TEST(Webhook, a_body_may_be_64_levels_deep) {
  for (const std::size_t levels : {2U, 16U, 17U, 63U, 64U})
    EXPECT_TRUE(generic(deep_stop(levels)).has_value()) << levels;
  const auto deeper = generic(deep_stop(65));
  ASSERT_FALSE(deeper.has_value());
  EXPECT_NE(deeper.error().message.find("more than 64 levels"), std::string::npos) << deeper.error().message;
}

TEST(Webhook, what_is_not_read_may_be_as_it_likes) {
  std::string body = R"({"event":"stop","work_item":"W-1","repo":"shop","id":"1","same":1,"same":2,"fields":{)";
  for (int i = 0; i < 2000; ++i) body += "\"f" + std::to_string(i) + "\":1e400000,";
  body.back() = '}';
  body += R"(,"text":")" + std::string(4'000'000, 'x') + "\"}";
  EXPECT_TRUE(generic(body).has_value()) << generic(body).error().message;
}

TEST(Webhook, a_form_is_told_from_json) {
  const auto call = github("push", "payload=%7B%22ref%22%3A");
  ASSERT_FALSE(call.has_value());
  EXPECT_NE(call.error().message.find("choose application/json"), std::string::npos);
}

}  // namespace
}  // namespace pawl
