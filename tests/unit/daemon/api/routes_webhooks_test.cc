// Deliveries from Gitea and Plane against a state machine built for the test: the answers, and the resulting log.
#include <gtest/gtest.h>

#include "tests/unit/daemon/api/webhook_routes.h"

namespace pawl::delivered {
namespace {

using payloads::with;

// --- Authentication ---

TEST_F(WebhookRoutes, wrong_and_missing_signatures_are_refused_and_counted) {
  task("SHOP-42", "shop-42");
  const std::uint64_t before = last_seq();
  const std::string body(payloads::gitea_push);
  const auto with_signature = [&](std::string_view signature) {
    return post(WebhookSource::gitea, "push", "d1", body, signature);
  };
  for (const std::string& signature :
       {std::string(), std::string(64, '0'), webhook_signature(gitea_secret, body + "\n"),
        webhook_signature(plane_secret, body), webhook_signature(gitea_secret, body).substr(1)}) {
    const Answer answer = with_signature(signature);
    EXPECT_EQ(answer.status, 401);
    EXPECT_TRUE(answer.says("bad_signature")) << answer.body;
    EXPECT_FALSE(answer.says(gitea_secret));
  }
  EXPECT_EQ(of_gitea().bad_signatures.load(), 5U);
  EXPECT_EQ(of_gitea().received.load(), 5U);
  EXPECT_EQ(last_seq(), before);
  EXPECT_TRUE(orders().empty());
}

TEST_F(WebhookRoutes, the_signature_comes_before_the_form) {
  EXPECT_EQ(post(WebhookSource::gitea, "push", "d1", "{", "").status, 401);
  EXPECT_EQ(of_gitea().refused.load(), 0U);
  expect_refused(gitea("push", "d1", "{"), "malformed");
  expect_refused(gitea("push", "d1", std::string(1000, '[')), "malformed");
  EXPECT_EQ(of_gitea().refused.load(), 2U);
}

TEST_F(WebhookRoutes, a_source_without_a_secret_is_off) {
  config_.plane_secret.reset();
  restart();
  const std::string body(payloads::plane_issue_started);
  const Answer answer = post(WebhookSource::plane, "issue", "d1", body, webhook_signature("", body));
  EXPECT_EQ(answer.status, 403);
  EXPECT_TRUE(answer.says("webhook_not_configured")) << answer.body;
  EXPECT_TRUE(answer.says("--plane-secret-file")) << answer.body;
  EXPECT_EQ(of_plane().not_configured.load(), 1U);
}

// --- Gitea ---

TEST_F(WebhookRoutes, a_push_advances_the_task_that_stands_on_that_branch) {
  task("SHOP-41", "shop-41");
  const TaskId mine = task("SHOP-42", "shop-42");
  const Answer answer = gitea("push", "d1", payloads::gitea_push);
  EXPECT_EQ(answer.status, 202);
  EXPECT_TRUE(answer.says(R"("result":"advancing")")) << answer.body;
  EXPECT_TRUE(answer.says(R"("work_item":"SHOP-42")")) << answer.body;
  EXPECT_EQ(last_record(), "TaskNote webhook accepted");
  ASSERT_EQ(orders().size(), 1U);
  EXPECT_EQ(orders()[0].task, mine);
  EXPECT_EQ(orders()[0].version, Version{1});
  EXPECT_EQ(orders()[0].requester.actor, "webhook");
  EXPECT_EQ(orders()[0].requester.boot, boot_);
  EXPECT_EQ(orders()[0].requester.key, "") << "each record of the path gets a fresh decision";
  EXPECT_EQ(orders()[0].on_red, AdvanceRequest::OnRed::report);
}

TEST_F(WebhookRoutes, a_redelivery_returns_the_first_answer_and_does_nothing) {
  task("SHOP-42", "shop-42");
  const Answer first = gitea("push", "d1", payloads::gitea_push);
  const std::uint64_t seq = last_seq();
  const Answer again = gitea("push", "d1", payloads::gitea_push);
  EXPECT_EQ(again.status, 202);
  EXPECT_EQ(again.body, first.body);
  EXPECT_FALSE(first.replayed);
  EXPECT_TRUE(again.replayed);
  EXPECT_EQ(last_seq(), seq);

  restart();
  const Answer after_restart = gitea("push", "d1", payloads::gitea_push);
  EXPECT_EQ(after_restart.body, first.body);
  EXPECT_TRUE(after_restart.replayed);
  EXPECT_EQ(orders().size(), 1U);
}

TEST_F(WebhookRoutes, a_delivery_id_used_for_another_request_is_refused) {
  task("SHOP-42", "shop-42");
  task("SHOP-43", "shop-43");
  gitea("push", "d1", payloads::gitea_push);
  const Answer other = gitea("push", "d1", with(payloads::gitea_push, "refs/heads/shop-42", "refs/heads/shop-43"));
  expect_refused(other, "idempotency_mismatch");
}

TEST_F(WebhookRoutes, a_webhook_that_meets_a_live_lease_does_nothing) {
  const TaskId mine = task("SHOP-42", "shop-42");
  hold_lease(mine);
  const std::uint64_t before = last_seq();
  for (const auto& [event, body] :
       {std::pair{"push", payloads::gitea_push}, std::pair{"pull_request", payloads::gitea_pull_request_synchronized},
        std::pair{"pull_request", payloads::gitea_pull_request_merged}}) {
    const Answer answer = gitea(event, std::string("d-") + event, body);
    EXPECT_EQ(answer.status, 202);
    EXPECT_TRUE(answer.says(R"("result":"deferred","reason":"lease")")) << answer.body;
  }
  EXPECT_EQ(of_gitea().deferred.load(), 3U);
  EXPECT_EQ(last_seq(), before);
  EXPECT_TRUE(orders().empty());
}

TEST_F(WebhookRoutes, an_expired_lease_defers_nobody) {
  const TaskId mine = task("SHOP-42", "shop-42");
  fb::LeaseAcquiredT event;
  event.key = task_key(mine);
  event.owner = std::make_unique<fb::OwnerT>();
  event.owner->boot_id = boot_;
  event.owner->actor = "finalizer";
  event.ttl = 60;
  propose(event);
  EXPECT_TRUE(gitea("push", "d1", payloads::gitea_push).says("deferred"));
  now_us_ = 61 * us_per_s;
  EXPECT_TRUE(gitea("push", "d2", payloads::gitea_push).says("advancing"));
}

TEST_F(WebhookRoutes, with_ownership_off_no_lease_is_consulted) {
  const TaskId mine = task("SHOP-42", "shop-42");
  hold_lease(mine);
  fb::SettingChangedT off;
  off.key = "ownership.enabled";
  off.value = std::make_unique<fb::SettingValueT>(setting_value_event(SettingValue(false)));
  propose(off);
  EXPECT_TRUE(gitea("push", "d1", payloads::gitea_push).says("advancing"));
}

TEST_F(WebhookRoutes, a_lease_taken_in_between_is_counted_as_deferred_too) {
  task("SHOP-42", "shop-42");
  advance_answer_ = {.result = AdvanceResult::deferred};
  gitea("push", "d1", payloads::gitea_push);
  api_->stop();
  EXPECT_EQ(of_gitea().deferred.load(), 1U);
}

TEST_F(WebhookRoutes, a_flood_of_pushes_drives_a_task_once_at_a_time) {
  task("SHOP-42", "shop-42");
  is_slow_ = true;
  for (int i = 0; i < 20; ++i) {
    EXPECT_TRUE(gitea("push", "d" + std::to_string(i), payloads::gitea_push).says("advancing")) << i;
  }
  EXPECT_EQ(orders().size(), 1U);
}

TEST_F(WebhookRoutes, an_advance_that_ended_makes_room_for_the_next) {
  task("SHOP-42", "shop-42");
  advance_answer_ = {.result = AdvanceResult::gate_red};
  for (int i = 0; i < 3; ++i) gitea("push", "d" + std::to_string(i), payloads::gitea_push);
  EXPECT_GE(orders().size(), 1U);
  EXPECT_TRUE(webhooks_->under_way.begin(TaskId{1})) << "none is under way any longer";
}

TEST_F(WebhookRoutes, a_task_that_has_a_job_is_left_to_its_monitor) {
  task("SHOP-42", "shop-42", "development");
  const Answer answer = gitea("push", "d1", payloads::gitea_push);
  EXPECT_EQ(answer.status, 202);
  EXPECT_TRUE(answer.says(R"("result":"ignored","reason":"already_queued")")) << answer.body;
  EXPECT_TRUE(orders().empty());
}

TEST_F(WebhookRoutes, a_blocked_task_is_left_to_people) {
  const TaskId mine = task("SHOP-42", "shop-42");
  fb::TaskBlockedT blocked;
  blocked.task = raw(mine);
  blocked.version = 1;
  blocked.reason = "outcome_unknown";
  propose(blocked);
  EXPECT_TRUE(gitea("push", "d1", payloads::gitea_push).says(R"("result":"ignored","reason":"blocked")"));
}

TEST_F(WebhookRoutes, a_push_to_a_branch_that_nobody_works_on_is_ignored) {
  task("SHOP-41", "shop-41");
  const Answer answer = gitea("push", "d1", payloads::gitea_push);
  EXPECT_EQ(answer.status, 202);
  EXPECT_TRUE(answer.says(R"("result":"ignored","reason":"no live task works there","task":null)")) << answer.body;
  EXPECT_EQ(of_gitea().ignored.load(), 1U);
}

TEST_F(WebhookRoutes, two_tasks_on_one_branch_are_left_to_the_reconciler) {
  task("SHOP-42", "shop-42");
  task("SHOP-43", "shop-42");
  EXPECT_TRUE(gitea("push", "d1", payloads::gitea_push).says("more than one live task"));
  EXPECT_TRUE(orders().empty());
}

TEST_F(WebhookRoutes, the_full_name_of_a_repository_comes_before_its_last_part) {
  task("SHOP-42", "shop-42", "deploy", "shop");
  const TaskId full = task("SHOP-42", "shop-42", "deploy", "acme/shop");
  gitea("push", "d1", payloads::gitea_push);
  ASSERT_EQ(orders().size(), 1U);
  EXPECT_EQ(orders()[0].task, full);
}

TEST_F(WebhookRoutes, a_task_is_found_among_very_many) {
  for (int i = 0; i < 600; ++i) task("A-" + std::to_string(i), "a-" + std::to_string(i));
  const TaskId mine = task("SHOP-42", "shop-42");
  gitea("push", "d1", payloads::gitea_push);
  ASSERT_EQ(orders().size(), 1U);
  EXPECT_EQ(orders()[0].task, mine);
}

TEST_F(WebhookRoutes, a_status_finds_the_branch_that_its_commit_was_pushed_to) {
  task("SHOP-41", "shop-41");
  const TaskId mine = task("SHOP-42", "shop-42");
  const Answer unknown = gitea("status", "d1", payloads::gitea_status);
  EXPECT_TRUE(unknown.says("the commit is unknown")) << unknown.body;
  gitea("push", "d2", payloads::gitea_push);
  EXPECT_TRUE(gitea("status", "d3", payloads::gitea_status).says("advancing"));
  ASSERT_EQ(orders().size(), 2U);
  EXPECT_EQ(orders()[1].task, mine);
}

TEST_F(WebhookRoutes, a_status_of_an_unknown_commit_is_for_the_only_task) {
  const TaskId mine = task("SHOP-42", "shop-42");
  gitea("status", "d1", payloads::gitea_status);
  ASSERT_EQ(orders().size(), 1U);
  EXPECT_EQ(orders()[0].task, mine);
}

TEST_F(WebhookRoutes, a_merge_by_hand_is_noted_once) {
  task("SHOP-42", "shop-42", "testing");
  const Answer answer = gitea("pull_request", "d1", payloads::gitea_pull_request_merged);
  EXPECT_EQ(answer.status, 200);
  EXPECT_TRUE(answer.says(R"("result":"noted")")) << answer.body;
  EXPECT_EQ(last_record(), "TaskNote webhook accepted");
  const std::uint64_t seq = last_seq();
  EXPECT_EQ(gitea("pull_request", "d1", payloads::gitea_pull_request_merged).body, answer.body);
  EXPECT_EQ(last_seq(), seq);
  EXPECT_TRUE(orders().empty());
}

TEST_F(WebhookRoutes, a_merge_that_an_own_step_may_have_made_is_no_news) {
  const TaskId mine = task("SHOP-42", "shop-42");
  const Token token = hold_lease(mine);
  fb::StepStartedT step;
  step.task = raw(mine);
  step.version = 1;
  step.to = "done";
  step.step = "deploy";
  step.token = raw(token);
  propose(step);
  fb::LeaseReleasedT release;
  release.key = task_key(mine);
  release.token = raw(token);
  propose(release);
  const Answer answer = gitea("pull_request", "d1", payloads::gitea_pull_request_merged);
  EXPECT_EQ(answer.status, 202);
  EXPECT_TRUE(answer.says(R"("result":"ignored","reason":"own_step")")) << answer.body;
}

TEST_F(WebhookRoutes, other_events_are_answered_and_ignored) {
  task("SHOP-42", "shop-42");
  const std::uint64_t before = last_seq();
  EXPECT_EQ(gitea("issues", "d1", payloads::gitea_push).status, 202);
  EXPECT_EQ(plane("d2", R"({"event":"cycle","action":"created","data":{}})").status, 202);
  EXPECT_EQ(of_gitea().ignored.load(), 1U);
  EXPECT_EQ(of_plane().ignored.load(), 1U);
  EXPECT_EQ(last_seq(), before);
}

TEST_F(WebhookRoutes, the_queue_tells_what_became_of_them) {
  task("SHOP-42", "shop-42");
  gitea("push", "d1", payloads::gitea_push);
  post(WebhookSource::gitea, "push", "d2", "{}", "");
  plane("d3", cancelled());
  gitea("push", "d4", "{}");
  api_->body_was_too_long("/webhooks/plane");
  api_->body_was_too_long("/webhooks/nobody");
  api_->body_was_too_long("/v1/tasks");
  api_->stop();
  std::string text;
  append_webhooks(text, webhooks_.get());
  const std::string quiet =
      R"({"configured":true,"received":0,"calls":0,"deferred":0,"ignored":0,"refused":0,"bad_signatures":0,"too_long":0,"not_configured":0})";
  EXPECT_EQ(text, R"({"gitea":{"configured":true,"received":3,"calls":1,"deferred":0,"ignored":0,"refused":1,)"
                  R"("bad_signatures":1,"too_long":0,"not_configured":0},)"
                  R"("plane":{"configured":true,"received":1,"calls":1,"deferred":0,"ignored":0,"refused":0,)"
                  R"("bad_signatures":0,"too_long":1,"not_configured":0},)"
                  R"("github":)" +
                      quiet + R"(,"gitlab":)" + quiet + R"(,"generic":)" + quiet + R"(,"refusals":{"malformed":1}})");
}

// --- Plane ---

/// The sender does not see refusals, and would not resend.
TEST_F(WebhookRoutes, a_start_is_not_refused_for_a_branch_that_is_not_there) {
  Pipeline existing = default_pipeline();
  existing.branch = "existing";
  propose(pipeline_event(existing));
  EXPECT_EQ(plane("d1", payloads::plane_issue_started).status, 201);
}

TEST_F(WebhookRoutes, a_started_item_becomes_a_task) {
  const Answer answer = plane("d1", payloads::plane_issue_started);
  EXPECT_EQ(answer.status, 201) << answer.body;
  EXPECT_TRUE(answer.says(R"("work_item":"SHOP-42","repo":"shop","branch":"shop-42")")) << answer.body;
  EXPECT_EQ(last_record(), "TaskCreated webhook accepted");
  const Answer again = plane("d1", payloads::plane_issue_started);
  EXPECT_EQ(again.status, 201);
  EXPECT_TRUE(again.replayed);
  EXPECT_EQ(again.body, answer.body);
}

/// A forge cannot have such a branch; a custom program may send anything.
TEST_F(WebhookRoutes, a_name_that_nothing_may_bear_is_refused_at_a_start_and_unknown_elsewhere) {
  const auto told = [](const std::string& event, const std::string& branch) {
    return R"({"event":")" + event + R"(","repo":"shop","work_item":"W-1","id":"1","commit":"abc","branch":")" +
           branch + R"("})";
  };
  for (const std::string odd : {"a:b", "@{-1}", "*", R"(a\u202eb)", R"(a\u0085b)", "-x"}) {
    const Answer start = generic(told("start", odd));
    EXPECT_EQ(start.status, 202) << start.body;
    EXPECT_TRUE(start.says(R"("result":"refused","reason":"malformed")")) << start.body;
    EXPECT_TRUE(start.says("must not ")) << start.body;
    EXPECT_FALSE(start.says("\u202E")) << "the sentence is meant for people";
    const Answer pushed = generic(told("pushed", odd));
    EXPECT_TRUE(pushed.says(R"("result":"ignored","reason":"no live task works there")")) << pushed.body;
  }
  EXPECT_TRUE(orders().empty());
  EXPECT_EQ(last_record(), "PipelineDefined test accepted") << "no task was created";
}

/// From a log written before names were checked.
TEST_F(WebhookRoutes, a_task_that_has_an_odd_branch_already_goes_on) {
  const TaskId id = task("W-1", "a:b\u202E");
  const Answer pushed = generic(R"({"event":"pushed","repo":"shop","commit":"abc","branch":"a:b\u202e"})");
  EXPECT_TRUE(pushed.says(R"("id":)" + std::to_string(raw(id)))) << pushed.body;
  EXPECT_EQ(orders().size(), 1U);
}

TEST_F(WebhookRoutes, a_start_of_a_live_task_is_refused_as_everybodys) {
  plane("d1", payloads::plane_issue_started);
  const Answer first_stage = plane("d2", payloads::plane_issue_started);
  EXPECT_EQ(first_stage.status, 202);
  EXPECT_TRUE(first_stage.says(R"("result":"refused","reason":"duplicate_work_item")")) << first_stage.body;
  fb::StageTransitionT on;
  on.task = 1;
  on.to = "development";
  on.expected_version = 1;
  propose(on);
  const Answer further = plane("d3", payloads::plane_issue_started);
  EXPECT_EQ(further.status, 202);
  EXPECT_TRUE(further.says(R"("result":"refused","reason":"relaunch")")) << further.body;
  EXPECT_TRUE(further.says(R"({"seq":)" + std::to_string(last_seq()))) << further.body;
  EXPECT_EQ(last_record(), "TaskCreated webhook relaunch");
  EXPECT_EQ(refused_for("relaunch"), 1U);
  EXPECT_EQ(warned_of("relaunch: a delivery of plane was refused"), 1U);
  EXPECT_TRUE(alerts().empty()) << "the requested task already exists";
}

TEST_F(WebhookRoutes, a_cancelled_item_stops_its_task_and_frees_its_key) {
  plane("d1", payloads::plane_issue_started);
  const Answer stopped = plane("d2", cancelled());
  EXPECT_EQ(stopped.status, 200) << stopped.body;
  EXPECT_TRUE(stopped.says(R"("stage":"cancelled")")) << stopped.body;
  const std::uint64_t seq = last_seq();
  const Answer again = plane("d2", cancelled());
  EXPECT_TRUE(again.replayed) << again.body;
  EXPECT_EQ(again.status, 200);
  EXPECT_EQ(last_seq(), seq);
  const Answer anew = plane("d3", payloads::plane_issue_started);
  EXPECT_EQ(anew.status, 201) << anew.body;
  EXPECT_TRUE(plane("d2", cancelled()).replayed) << "a repeat of the first stop does not stop a later task";
  EXPECT_EQ(sequencer_->ask([](const State& state) { return state.indexes.live_work_items.size(); }), 1U);
}

TEST_F(WebhookRoutes, a_stop_in_the_critical_window_stands_and_is_deferred) {
  hold_lease(task("SHOP-42", "shop-42"));
  const Answer answer = plane("d1", cancelled());
  EXPECT_EQ(answer.status, 202) << answer.body;
  EXPECT_EQ(last_record(), "CancelRequested webhook accepted");
  EXPECT_EQ(of_plane().deferred.load(), 1U);
}

TEST_F(WebhookRoutes, a_stop_without_a_task_is_ignored) {
  const std::uint64_t before = last_seq();
  const Answer answer = plane("d1", cancelled());
  EXPECT_EQ(answer.status, 202);
  EXPECT_TRUE(answer.says(R"("result":"ignored")")) << answer.body;
  EXPECT_EQ(last_seq(), before);
}

TEST_F(WebhookRoutes, what_is_too_long_for_a_task_is_refused) {
  config_.plane_branch_prefix = std::string(64, 'x') + "/";
  config_.plane_projects.begin()->second.prefix = std::string(300, 'P');
  restart();
  expect_refused(plane("d1", payloads::plane_issue_started), "malformed");
}

}  // namespace
}  // namespace pawl::delivered
