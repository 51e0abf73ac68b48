// What a delivery asks for, and whether it is signed: no state, no socket.
#include "daemon/outside/webhooks.h"

#include <gtest/gtest.h>

#include <string>
#include <tuple>

#include "daemon/outside/webhook_book.h"
#include "schema/limits.h"
#include "tests/unit/daemon/api/webhook_payloads.h"

namespace pawl {
namespace {

using payloads::with;

WebhookConfig config() {
  return {.gitea_secret = "gitea's secret",
          .plane_secret = "plane_wh_0123456789abcdef",
          .plane_projects = {{"22b6fc9c-1849-45da-b103-52a3e3a6b4c1", {.repo = "shop", .prefix = "SHOP"}}}};
}

Result<WebhookCall> gitea(std::string_view event, std::string_view body, const WebhookConfig& with_config = config()) {
  return parse_webhook(WebhookSource::gitea, {.event = event, .delivery = "f6266f16-1bf3-46a5-9ea4-602e06ead473"}, body,
                       with_config);
}

Result<WebhookCall> plane(std::string_view event, std::string_view body, const WebhookConfig& with_config = config()) {
  return parse_webhook(WebhookSource::plane, {.event = event, .delivery = "f819eff4-cd50-4987-bc97-e5be1e04c94f"}, body,
                       with_config);
}

template <class Action>
Action action_of(const Result<WebhookCall>& call) {
  EXPECT_TRUE(call.has_value()) << (call ? "" : call.error().message);
  if (!call) return {};
  EXPECT_TRUE(std::holds_alternative<Action>(call->action)) << "kind " << call->action.index();
  const Action* action = std::get_if<Action>(&call->action);
  return action ? *action : Action{};
}

std::string error_of(const Result<WebhookCall>& call) {
  EXPECT_FALSE(call.has_value());
  return call ? "" : call.error().message;
}

constexpr std::string_view commit = "bffeb74224043ba2feb48d137756c8a9331c449a";

// --- Signatures ---

TEST(WebhookSignature, is_hex_hmac_sha256) {
  // RFC 4231, test case 2.
  EXPECT_EQ(webhook_signature("Jefe", "what do ya want for nothing?"),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

TEST(WebhookSignature, only_the_one_of_this_body_under_this_secret_is_right) {
  const std::string body(payloads::gitea_push);
  const std::string right = webhook_signature("gitea's secret", body);
  const auto check = [&](std::string_view of_body, std::string_view signature) {
    return check_signature(WebhookSource::gitea, of_body, {.signature = signature}, config());
  };
  EXPECT_EQ(check(body, right), SignatureCheck::right);
  EXPECT_EQ(check(body + " ", right), SignatureCheck::wrong);
  EXPECT_EQ(check("", right), SignatureCheck::wrong);
  EXPECT_EQ(check(body, webhook_signature("gitea's secret", "another body")), SignatureCheck::wrong);
  EXPECT_EQ(check(body, webhook_signature("another secret", body)), SignatureCheck::wrong);
  EXPECT_EQ(check(body, webhook_signature("plane_wh_0123456789abcdef", body)), SignatureCheck::wrong);
  EXPECT_EQ(check(body, right.substr(0, 63)), SignatureCheck::wrong);
  EXPECT_EQ(check(body, right + "0"), SignatureCheck::wrong);
  EXPECT_EQ(check(body, "sha256=" + right), SignatureCheck::wrong);
  EXPECT_EQ(check(body, ""), SignatureCheck::missing);
}

TEST(WebhookSignature, each_wrong_digit_is_found) {
  const std::string right = webhook_signature("gitea's secret", "body");
  for (std::size_t i = 0; i < right.size(); ++i) {
    std::string wrong = right;
    wrong[i] = wrong[i] == '0' ? '1' : '0';
    EXPECT_EQ(check_signature(WebhookSource::gitea, "body", {.signature = wrong}, config()), SignatureCheck::wrong)
        << i;
  }
}

TEST(WebhookSignature, without_a_secret_nothing_is_right) {
  WebhookConfig none;
  const std::string signature = webhook_signature("", "body");
  EXPECT_EQ(check_signature(WebhookSource::gitea, "body", {.signature = signature}, none),
            SignatureCheck::not_configured);
  none.plane_secret = "";
  EXPECT_EQ(check_signature(WebhookSource::plane, "body", {.signature = signature}, none),
            SignatureCheck::not_configured);
}

// --- Gitea ---

TEST(GiteaWebhook, push_to_a_branch_lets_its_task_advance) {
  const auto call = gitea("push", payloads::gitea_push);
  EXPECT_EQ(action_of<WebhookAdvance>(call),
            (WebhookAdvance{.repos = {"acme/shop", "shop"}, .branch = "shop-42", .commit = std::string(commit)}));
  EXPECT_EQ(call->what, "gitea: push of bffeb74224 to shop-42");
  EXPECT_EQ(call->key, "gitea:f6266f16-1bf3-46a5-9ea4-602e06ead473");
}

TEST(GiteaWebhook, a_branch_may_have_slashes_in_its_name) {
  const auto call = gitea("push", with(payloads::gitea_push, "refs/heads/shop-42", "refs/heads/feature/shop-42"));
  EXPECT_EQ(action_of<WebhookAdvance>(call).branch, "feature/shop-42");
}

TEST(GiteaWebhook, a_mapped_repository_goes_by_that_name_alone) {
  WebhookConfig mapped = config();
  mapped.gitea_repos = {{"acme/shop", "store"}};
  EXPECT_EQ(action_of<WebhookAdvance>(gitea("push", payloads::gitea_push, mapped)).repos,
            std::vector<std::string>{"store"});
}

TEST(GiteaWebhook, a_repository_of_the_same_last_part_is_not_the_mapped_one) {
  WebhookConfig mapped = config();
  mapped.gitea_repos = {{"upstream/shop", "shop"}};
  EXPECT_EQ(action_of<WebhookAdvance>(gitea("push", payloads::gitea_push, mapped)).repos,
            std::vector<std::string>{"acme/shop"});
}

TEST(GiteaWebhook, a_tag_or_a_removed_branch_is_ignored) {
  action_of<WebhookIgnored>(gitea("push", with(payloads::gitea_push, "refs/heads/shop-42", "refs/tags/v1")));
  action_of<WebhookIgnored>(gitea("push", with(payloads::gitea_push, "\"after\": \"" + std::string(commit),
                                               "\"after\": \"" + std::string(40, '0'))));
}

TEST(GiteaWebhook, only_a_green_status_lets_a_task_advance) {
  EXPECT_EQ(action_of<WebhookAdvance>(gitea("status", payloads::gitea_status)),
            (WebhookAdvance{.repos = {"acme/shop", "shop"}, .branch = "", .commit = std::string(commit)}));
  for (const std::string_view state : {"pending", "error", "failure", "warning"}) {
    const std::string body =
        with(payloads::gitea_status, R"("state": "success")", R"("state": ")" + std::string(state) + '"');
    action_of<WebhookIgnored>(gitea("status", body));
  }
}

TEST(GiteaWebhook, a_synchronized_pull_request_lets_its_task_advance) {
  EXPECT_EQ(action_of<WebhookAdvance>(gitea("pull_request", payloads::gitea_pull_request_synchronized)),
            (WebhookAdvance{
                .repos = {"acme/shop", "shop"}, .branch = "shop-42", .commit = std::string(commit), .pull = "#17"}));
}

TEST(GiteaWebhook, a_branch_of_a_fork_is_no_branch_of_ours) {
  const std::string fork = with(payloads::gitea_pull_request_synchronized,
                                R"("sha": "bffeb74224043ba2feb48d137756c8a9331c449a", "repo_id": 140)",
                                R"("sha": "bffeb74224043ba2feb48d137756c8a9331c449a", "repo_id": 141)");
  action_of<WebhookIgnored>(gitea("pull_request", fork));
}

TEST(GiteaWebhook, a_merge_is_noted_for_people) {
  const auto call = gitea("pull_request", payloads::gitea_pull_request_merged);
  EXPECT_EQ(action_of<WebhookNote>(call), (WebhookNote{.repos = {"acme/shop", "shop"}, .branch = "shop-42"}));
  EXPECT_EQ(call->what, "gitea: pull request 17 (shop-42) was merged outside of pawl, by grace, as 411acbb509");
  const auto closed =
      gitea("pull_request", with(payloads::gitea_pull_request_merged, R"("merged": true)", R"("merged": false)"));
  EXPECT_EQ(action_of<WebhookStop>(closed).why, WebhookStop::Why::closed);
  action_of<WebhookIgnored>(
      gitea("pull_request", with(payloads::gitea_pull_request_merged, R"("closed",)", R"("edited",)")));
}

/// Gitea's payload when the merge deletes the branch: `ref` is the pull request's, and the branch name is in `label`.
TEST(GiteaWebhook, a_merge_of_a_branch_that_is_gone_is_recognised) {
  const std::string gone = with(payloads::gitea_pull_request_merged, R"("label": "shop-42", "ref": "shop-42")",
                                R"("label": "shop-42", "ref": "refs/pull/17/head")");
  const auto call = gitea("pull_request", gone);
  EXPECT_EQ(action_of<WebhookNote>(call), (WebhookNote{.repos = {"acme/shop", "shop"}, .branch = "shop-42"}));
  EXPECT_EQ(call->what, "gitea: pull request 17 (shop-42) was merged outside of pawl, by grace, as 411acbb509");
  action_of<WebhookIgnored>(gitea("pull_request", with(gone, R"("label": "shop-42")", R"("label": "")")));
  const std::string of_fork = with(gone, R"("sha": "bffeb74224043ba2feb48d137756c8a9331c449a", "repo_id": 140)",
                                   R"("sha": "bffeb74224043ba2feb48d137756c8a9331c449a", "repo_id": -1)");
  action_of<WebhookIgnored>(gitea("pull_request", of_fork));
}

TEST(GiteaWebhook, other_events_are_ignored) {
  for (const std::string_view event : {"issues", "create", "delete", "release", "pull_request_approved", "fork"}) {
    action_of<WebhookIgnored>(gitea(event, payloads::gitea_push));
  }
}

// --- Plane ---

struct StateCase {
  std::string_view group;
  std::string_view name;
  std::size_t kind;  // index of the action
};

constexpr std::size_t starts = 1, stops = 2, ignores = 4;

class PlaneStates : public testing::TestWithParam<StateCase> {};

TEST_P(PlaneStates, lead_to_what_the_options_say) {
  WebhookConfig named = config();
  named.plane_start_states = {"started", "Ready for Agents"};
  named.plane_stop_states = {"cancelled", "Parked"};
  std::string body = with(payloads::plane_issue_started, R"("group": "started")",
                          R"("group": ")" + std::string(GetParam().group) + '"');
  body = with(body, "In Progress", GetParam().name);
  const auto call = plane("issue", body, named);
  ASSERT_TRUE(call.has_value()) << call.error().message;
  EXPECT_EQ(call->action.index(), GetParam().kind);
}

INSTANTIATE_TEST_SUITE_P(
    Plane, PlaneStates,
    testing::Values(StateCase{"started", "In Progress", starts},                                                     //
                    StateCase{"unstarted", "ready for agents", starts}, StateCase{"cancelled", "Cancelled", stops},  //
                    StateCase{"started", "Parked", stops}, StateCase{"backlog", "Backlog", ignores},
                    StateCase{"unstarted", "Todo", ignores}, StateCase{"completed", "Done", ignores},
                    StateCase{"triage", "Triage", ignores}));

TEST(PlaneWebhook, a_started_item_starts_a_task) {
  const auto call = plane("issue", payloads::plane_issue_started);
  EXPECT_EQ(action_of<WebhookStart>(call),
            (WebhookStart{.repo = "shop", .work_item = "SHOP-42", .branch = "shop-42", .pipeline = ""}));
  EXPECT_EQ(call->key, "plane:f819eff4-cd50-4987-bc97-e5be1e04c94f");
  EXPECT_EQ(call->what, "plane: SHOP-42 became started");
}

TEST(PlaneWebhook, branch_and_pipeline_follow_the_options) {
  WebhookConfig other = config();
  other.plane_branch_prefix = "feature/";
  other.plane_pipeline = "hotfix";
  EXPECT_EQ(action_of<WebhookStart>(plane("issue", payloads::plane_issue_started, other)),
            (WebhookStart{.repo = "shop", .work_item = "SHOP-42", .branch = "feature/shop-42", .pipeline = "hotfix"}));
}

TEST(PlaneWebhook, an_item_created_in_a_started_state_starts_a_task) {
  std::string body = with(payloads::plane_issue_started, R"("action": "updated")", R"("action": "created")");
  body = with(body, R"("field": "state_id")", R"("field": null)");
  action_of<WebhookStart>(plane("issue", body));
}

TEST(PlaneWebhook, an_edit_of_a_started_item_starts_nothing) {
  for (const std::string_view field : {"name", "priority", "description_html", "assignee_ids"}) {
    const std::string body =
        with(payloads::plane_issue_started, R"("field": "state_id")", R"("field": ")" + std::string(field) + '"');
    action_of<WebhookIgnored>(plane("issue", body));
  }
}

TEST(PlaneWebhook, an_old_server_says_not_which_field_changed) {
  std::string body(payloads::plane_issue_started);
  const std::size_t activity = body.find(",\n  \"activity\"");
  body = body.substr(0, activity) + "}";
  body = with(body, R"("action": "updated")", R"("action": "update")");
  action_of<WebhookStart>(plane("issue", body));
}

TEST(PlaneWebhook, a_cancelled_item_stops_its_task) {
  const std::string body = with(payloads::plane_issue_started, R"("group": "started")", R"("group": "cancelled")");
  EXPECT_EQ(action_of<WebhookStop>(plane("issue", body)),
            (WebhookStop{.repos = {"shop"}, .work_item = "SHOP-42", .reason = "plane: SHOP-42 became cancelled"}));
}

TEST(PlaneWebhook, the_second_form_says_the_same) {
  const auto call = plane("workitem.updated", payloads::plane_workitem_updated);
  EXPECT_EQ(action_of<WebhookStart>(call),
            (WebhookStart{.repo = "shop", .work_item = "SHOP-42", .branch = "shop-42", .pipeline = ""}));
  EXPECT_EQ(call->key, "plane:5b1b7c1a-2b3c-4d5e-8f90-0123456789ab") << "a retry has a new delivery id";
  action_of<WebhookIgnored>(plane(
      "workitem.updated", with(payloads::plane_workitem_updated,
                               R"({"state_id": "5d0c7a5e-1111-4222-8333-944455556666"})", R"({"priority": "low"})")));
  action_of<WebhookStop>(plane("workitem.updated", with(payloads::plane_workitem_updated, R"("state_group": "started")",
                                                        R"("state_group": "cancelled")")));
}

TEST(PlaneWebhook, a_second_try_is_the_same_request) {
  const auto first = plane("workitem.updated", payloads::plane_workitem_updated);
  const auto again = parse_webhook(WebhookSource::plane, {.event = "workitem.updated", .delivery = "another"},
                                   with(payloads::plane_workitem_updated, "000000000001", "000000000002"), config());
  ASSERT_TRUE(first.has_value() && again.has_value());
  EXPECT_EQ(first->key, again->key);
  EXPECT_EQ(first->request, again->request);
}

TEST(PlaneWebhook, an_item_without_a_prefix_goes_by_what_the_payload_calls_it) {
  WebhookConfig plain = config();
  plain.plane_projects.begin()->second.prefix.clear();
  const auto work_item = [&](const std::string& body) {
    return action_of<WebhookStart>(plane("issue", body, plain)).work_item;
  };
  EXPECT_EQ(work_item(std::string(payloads::plane_issue_started)), "9a28bd00-ed9c-4f5d-8be9-fc05cbb1fc57");
  EXPECT_EQ(work_item(with(payloads::plane_issue_started, R"("sequence_id": 42)",
                           R"("sequence_id": 42, "project_detail": {"identifier": "TRACE"})")),
            "TRACE-42");
  EXPECT_EQ(work_item(std::string(payloads::plane_workitem_updated)), "SHOP-42");
}

TEST(PlaneWebhook, items_of_other_projects_and_other_events_are_ignored) {
  action_of<WebhookIgnored>(
      plane("issue", with(payloads::plane_issue_started, "22b6fc9c-1849-45da-b103", "22b6fc9c-1849-45da-0000")));
  action_of<WebhookIgnored>(plane("project", with(payloads::plane_issue_started, R"("issue")", R"("project")")));
  action_of<WebhookIgnored>(
      plane("issue", R"({"event":"issue","action":"deleted","data":{"id":"9a28bd00-ed9c-4f5d-8be9-fc05cbb1fc57"}})"));
  action_of<WebhookIgnored>(plane("workitem.deleted", R"({"event":"workitem.deleted","data":{}})"));
}

TEST(PlaneWebhook, the_signed_body_says_which_event_it_is) {
  action_of<WebhookStart>(plane("issue_comment", payloads::plane_issue_started));
  action_of<WebhookIgnored>(plane("issue", R"({"event":"issue_comment","action":"created","data":{"id":"1"}})"));
}

// --- Malformed payloads ---

TEST(Webhook, what_is_missing_is_named) {
  EXPECT_EQ(error_of(gitea("", payloads::gitea_push)), "header X-Gitea-Event is missing");
  EXPECT_EQ(error_of(parse_webhook(WebhookSource::gitea, {.event = "push"}, payloads::gitea_push, config())),
            "header X-Gitea-Delivery is missing");
  EXPECT_EQ(error_of(parse_webhook(WebhookSource::plane, {.event = "issue"}, "{}", config())),
            "header X-Plane-Delivery is missing");
  EXPECT_EQ(error_of(gitea("push", with(payloads::gitea_push, "\"ref\"", "\"re\""))),
            "field \"ref\" is missing or is not a string");
  EXPECT_EQ(error_of(gitea("push", with(payloads::gitea_push, "\"full_name\": \"acme/shop\"", "\"full_name\": 7"))),
            "field \"repository.full_name\" is missing or is not a string");
  EXPECT_EQ(error_of(gitea("pull_request", R"({"action":"closed","pull_request":[]})")),
            "field \"pull_request.head.ref\" is missing or is not a string");
  EXPECT_EQ(error_of(plane("", "{}")), "field \"event\" and header X-Plane-Event are missing");
  EXPECT_EQ(error_of(plane("issue", R"({"action":"created"})")), "field \"data\" is missing or is not an object");
}

TEST(Webhook, what_is_no_json_object_is_malformed) {
  for (const std::string_view body : {"", "{", "[]", "null", "payload=%7B%7D", "{\"ref\":\"a\",\"ref\":\"b\"}"}) {
    EXPECT_FALSE(gitea("push", body).has_value()) << body;
  }
}

TEST(Webhook, deep_json_is_refused) {
  std::string deep = R"({"ref":)";
  deep += std::string(100'000, '[') + std::string(100'000, ']') + "}";
  EXPECT_NE(error_of(gitea("push", deep)).find("nested too deeply"), std::string::npos);
}

TEST(Webhook, every_cut_and_every_turned_byte_is_answered) {
  for (const std::string_view whole : {payloads::gitea_push, payloads::plane_workitem_updated}) {
    const bool is_gitea = whole == payloads::gitea_push;
    const auto read = [&](std::string_view body) {
      const auto call = is_gitea ? gitea("push", body) : plane("workitem.updated", body);
      EXPECT_TRUE(call ? call->key.size() <= limits::idempotency_key_bytes_max
                       : call.error().code == ErrorCode::malformed);
      return call.has_value();
    };
    for (std::size_t size = 0; size < whole.size(); ++size) EXPECT_FALSE(read(whole.substr(0, size))) << size;
    for (std::size_t at = 0; at < whole.size(); ++at) {
      std::string turned(whole);
      turned[at] = static_cast<char>(turned[at] ^ 0x21);
      read(turned);
    }
  }
}

TEST(Webhook, a_delivery_id_becomes_a_key_whatever_it_is) {
  const auto key = [](std::string_view delivery) {
    return parse_webhook(WebhookSource::gitea, {.event = "push", .delivery = delivery}, payloads::gitea_push, config())
        ->key;
  };
  EXPECT_EQ(key("7"), "gitea:7");
  EXPECT_EQ(key(std::string(58, 'x')), "gitea:" + std::string(58, 'x'));
  EXPECT_EQ(key(std::string(59, 'x')).size(), sizeof("gitea:") - 1 + 48);
  EXPECT_NE(key(std::string(59, 'x')), key(std::string(60, 'x')));
  EXPECT_EQ(key("with a\nline's end").find('\n'), std::string::npos);
}

TEST(Webhook, the_same_delivery_with_another_request_is_another_request) {
  const auto first = gitea("push", payloads::gitea_push);
  const auto other = gitea("push", with(payloads::gitea_push, "refs/heads/shop-42", "refs/heads/shop-43"));
  EXPECT_EQ(first->key, other->key);
  EXPECT_NE(first->request, other->request);
}

TEST(Webhook, long_names_do_not_make_long_notes) {
  const std::string long_name(5000, 'x');
  const auto call = gitea("push", with(payloads::gitea_push, "refs/heads/shop-42", "refs/heads/" + long_name));
  ASSERT_TRUE(call.has_value());
  EXPECT_LT(call->what.size(), 200U);
}

TEST(CommitBranches, remembers_the_latest_and_only_so_many) {
  CommitBranches branches;
  branches.learn("shop", "c0", "first");
  branches.learn("shop", "c0", "second");
  branches.learn("shop", "", "none");
  EXPECT_EQ(branches.find("shop", "c0"), "second");
  EXPECT_EQ(branches.find("other", "c0"), "");
  for (std::size_t i = 1; i <= CommitBranches::remembered_max; ++i)
    branches.learn("shop", "c" + std::to_string(i), "b");
  EXPECT_EQ(branches.find("shop", "c0"), "");
  EXPECT_EQ(branches.find("shop", "c1"), "b");
}

TEST(WebhookRefusals, a_storm_of_one_kind_is_told_once_in_a_while) {
  WebhookRefusals refusals;
  TimeUs now{};
  EXPECT_EQ(refusals.alert_due("a", now), 0U);
  EXPECT_EQ(refusals.alert_due("b", now), 0U) << "it does not hide another kind";
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(refusals.alert_due("a", now), std::nullopt);
  now.us += WebhookRefusals::alert_every_s * us_per_s;
  EXPECT_EQ(refusals.alert_due("a", now), 1000U);
  now.us += WebhookRefusals::alert_every_s * us_per_s;
  EXPECT_EQ(refusals.alert_due("a", now), 0U);
}

TEST(WebhookRefusals, a_storm_of_many_kinds_takes_no_more_room_than_is_there) {
  WebhookRefusals refusals;
  std::size_t told = 0;
  for (std::size_t i = 0; i < 3 * WebhookRefusals::kinds_max; ++i) {
    if (refusals.alert_due(std::to_string(i), TimeUs{})) ++told;
  }
  EXPECT_EQ(told, WebhookRefusals::kinds_max + 1);
  const TimeUs later{WebhookRefusals::alert_every_s * us_per_s};
  EXPECT_EQ(refusals.alert_due("new", later), 0U) << "expired kinds make room";
}

}  // namespace
}  // namespace pawl
