// Deliveries from GitHub, GitLab and custom programs against a state machine built for the test; and refusals common to
// all sources.
#include <gtest/gtest.h>

#include "tests/unit/daemon/api/forge_payloads.h"
#include "tests/unit/daemon/api/webhook_routes.h"

namespace pawl::delivered {
namespace {

using payloads::with;

class ForgeRoutes : public WebhookRoutes {};

// --- What is refused ---

/// A stop for the work item, nested this many levels deep.
std::string deep_stop(std::size_t levels, const std::string& item = "W-1") {
  return R"({"event":"stop","repo":"shop","description":)" + std::string(levels - 1, '[') +
         std::string(levels - 1, ']') + R"(,"id":")" + std::to_string(levels) + R"(","work_item":")" + item + "\"}";
}

TEST_F(ForgeRoutes, a_stop_is_not_lost_in_what_nobody_reads) {
  for (const std::size_t levels : {17U, 64U}) {
    const TaskId mine = task("W-1", "w-1");
    EXPECT_EQ(generic(deep_stop(levels)).status, 200) << levels;
    EXPECT_EQ(stage_of(mine), "ended") << levels;
  }
  EXPECT_TRUE(alerts().empty());
}

TEST_F(ForgeRoutes, a_stop_that_cannot_be_read_wakes_somebody) {
  task("W-1", "w-1");
  const Answer answer = generic(deep_stop(65));
  expect_refused(answer, "malformed");
  EXPECT_TRUE(answer.says("more than 64 levels")) << answer.body;
  ASSERT_EQ(alerts().size(), 1U);
  EXPECT_NE(alerts()[0].what.find("a delivery of generic was refused"), std::string::npos) << alerts()[0].what;
  EXPECT_NE(alerts()[0].what.find("may have been a STOP"), std::string::npos) << alerts()[0].what;
  EXPECT_EQ(raw(alerts()[0].seq), 0U);
}

TEST_F(ForgeRoutes, a_body_of_four_mebibytes_is_read) {
  const TaskId mine = task("W-1", "w-1");
  std::string body = R"({"event":"stop","repo":"shop","work_item":"W-1","id":"1","description":")";
  body += std::string(limits::delivery_bytes_max - body.size() - 2, 'x') + "\"}";
  ASSERT_EQ(body.size(), limits::delivery_bytes_max);
  EXPECT_EQ(generic(body).status, 200);
  EXPECT_EQ(stage_of(mine), "ended");
}

TEST_F(ForgeRoutes, a_signed_stop_that_is_too_long_wakes_somebody) {
  const TaskId mine = task("W-1", "w-1");
  std::string body = R"({"event":"stop","repo":"shop","work_item":"W-1","id":"1","description":")";
  body += std::string(limits::delivery_bytes_max - body.size() - 1, 'x') + "\"}";
  ASSERT_EQ(body.size(), limits::delivery_bytes_max + 1);
  EXPECT_EQ(post(WebhookSource::generic, "", "", body, "no signature").status, 401);
  EXPECT_TRUE(alerts().empty()) << "anyone can send a long body";
  const Answer answer = generic(body);
  expect_refused(answer, "body_too_large");
  EXPECT_TRUE(answer.says("--webhook-body-bytes")) << answer.body;
  ASSERT_EQ(alerts().size(), 1U);
  EXPECT_NE(alerts()[0].what.find("may have been a STOP"), std::string::npos) << alerts()[0].what;
  EXPECT_NE(stage_of(mine), "ended");
}

TEST_F(ForgeRoutes, a_storm_of_refusals_is_one_alert) {
  for (int i = 0; i < 200; ++i) EXPECT_EQ(gitea("push", "d" + std::to_string(i), "{").status, 202);
  EXPECT_EQ(alerts().size(), 1U);
  EXPECT_EQ(refused_for("malformed"), 200U);
  EXPECT_EQ(warned_of("malformed"), 200U);
  now_us_ = WebhookRefusals::alert_every_s * us_per_s;
  gitea("push", "d", "{");
  ASSERT_EQ(alerts().size(), 2U);
  EXPECT_NE(alerts()[1].what.find("199 more"), std::string::npos) << alerts()[1].what;
}

TEST_F(ForgeRoutes, each_stop_that_is_refused_is_told_of) {
  for (const std::string item : {"W-1", "W-2"}) {
    task(item, item + "-a");
    task(item + "-x", item + "-a");
    const std::string body = R"({"event":"stop","repo":"shop","id":"1","branch":")" + item + "-a\"}";
    expect_refused(generic(body), "ambiguous_branch");
    generic(body);
  }
  ASSERT_EQ(alerts().size(), 2U);
  EXPECT_EQ(alerts()[0].branch, "W-1-a");
  EXPECT_EQ(alerts()[1].branch, "W-2-a");
  EXPECT_EQ(alerts()[1].repo, "shop");
  EXPECT_NE(alerts()[0].what.find("it was a STOP"), std::string::npos) << alerts()[0].what;
}

TEST_F(ForgeRoutes, a_start_that_the_machine_refuses_is_told_of) {
  const Answer answer = generic(R"({"event":"start","work_item":"W-1","repo":"shop","pipeline":"nothing","id":"1"})");
  expect_refused(answer, "unknown_pipeline");
  EXPECT_TRUE(answer.says(R"({"seq":)" + std::to_string(last_seq()))) << answer.body;
  ASSERT_EQ(alerts().size(), 1U);
  EXPECT_EQ(alerts()[0].work_item, "W-1");
}

TEST_F(ForgeRoutes, what_a_retry_can_help_with_is_503) {
  readiness_.has_space = false;
  const Answer full = generic(deep_stop(2));
  EXPECT_EQ(full.status, 503);
  EXPECT_TRUE(full.says("disk_full")) << full.body;
  readiness_ = {.can_write = false};
  EXPECT_EQ(generic(deep_stop(2)).status, 503);
  readiness_ = {};
  const TaskId mine = task("W-1", "w-1");
  api_->begin_end();
  EXPECT_EQ(generic(deep_stop(2)).status, 200) << "a daemon that is shutting down still takes a stop";
  EXPECT_EQ(stage_of(mine), "ended");
}

// --- GitHub, GitLab, custom programs ---

TEST_F(ForgeRoutes, githubs_events_find_their_task) {
  const TaskId mine = task("SHOP-42", "shop-42");
  EXPECT_TRUE(github("push", "d1", std::string(payloads::github_push)).says("advancing"));
  EXPECT_TRUE(github("pull_request", "d2", std::string(payloads::github_pull_request)).says("advancing"));
  EXPECT_TRUE(github("push", "d1", std::string(payloads::github_push)).replayed);
  EXPECT_EQ(github("ping", "d3", R"({"zen":"x"})").status, 202);
  EXPECT_EQ(post(WebhookSource::github, {{"X-GitHub-Event", "push"}, {"X-GitHub-Delivery", "d4"}}, "{}").status, 401);
  const std::string merged =
      with(with(payloads::github_pull_request, "synchronize", "closed"), R"("merged": false)", R"("merged": true)");
  EXPECT_TRUE(github("pull_request", "d5", merged).says("noted"));
  const std::string closed = with(payloads::github_pull_request, "synchronize", "closed");
  EXPECT_EQ(github("pull_request", "d6", closed).status, 200);
  EXPECT_EQ(stage_of(mine), "ended");
}

TEST_F(ForgeRoutes, a_close_that_an_own_step_may_have_caused_stops_nothing) {
  const TaskId mine = task("SHOP-42", "shop-42");
  const Token token = hold_lease(mine);
  fb::StepStartedT step;
  step.task = raw(mine);
  step.version = 1;
  step.to = "done";
  step.step = "deploy";
  step.token = raw(token);
  propose(step);
  const std::string closed = with(payloads::github_pull_request, "synchronize", "closed");
  const std::uint64_t before = last_seq();
  EXPECT_TRUE(github("pull_request", "d1", closed).says(R"("result":"ignored","reason":"own_step")"));
  EXPECT_EQ(last_seq(), before);
}

TEST_F(ForgeRoutes, labels_and_comments_start_and_stop) {
  const Answer started = github("issues", "d1", std::string(payloads::github_issue_labeled));
  EXPECT_EQ(started.status, 201) << started.body;
  EXPECT_TRUE(started.says(R"("work_item":"SHOP-42","repo":"shop","branch":"shop-42")")) << started.body;
  const std::string stop = with(payloads::github_issue_comment, "/pawl start", "/pawl stop");
  EXPECT_EQ(github("issue_comment", "d2", stop).status, 200);
  EXPECT_EQ(stage_of(TaskId{1}), "ended");
  EXPECT_EQ(gitlab("g1", std::string(payloads::gitlab_issue)).status, 201);
  EXPECT_EQ(gitlab("g1", std::string(payloads::gitlab_issue)).status, 201);
  EXPECT_EQ(gitlab("g2", std::string(payloads::gitlab_note_on_merge_request)).status, 200);
  EXPECT_EQ(stage_of(TaskId{2}), "ended");
}

TEST_F(ForgeRoutes, who_may_not_write_starts_and_stops_nothing) {
  config_.github.members.clear();
  config_.gitlab.members.clear();
  restart();
  const TaskId mine = task("SHOP-42", "shop-42");
  const std::uint64_t before = last_seq();
  expect_refused(github("issues", "d1", std::string(payloads::github_issue_labeled)), "no_permission");
  expect_refused(gitlab("g1", std::string(payloads::gitlab_note_on_merge_request)), "no_permission");
  const std::string other = with(payloads::gitlab_note_on_merge_request, R"("iid": 17)", R"("iid": 18)");
  expect_refused(gitlab("g2", other), "no_permission");
  ASSERT_EQ(alerts().size(), 3U) << "one alert per stop";
  EXPECT_EQ(alerts()[0].what.find("STOP"), std::string::npos) << alerts()[0].what;
  EXPECT_NE(alerts()[2].what.find("it was a STOP"), std::string::npos) << alerts()[2].what;
  EXPECT_EQ(last_seq(), before);
  EXPECT_EQ(stage_of(mine), "deploy");
}

TEST_F(ForgeRoutes, a_fork_moves_nothing) {
  task("SHOP-42", "shop-42");
  const std::uint64_t before = last_seq();
  const std::string fork = with(payloads::github_pull_request,
                                R"("repo": {"id": 140, "name": "shop", "full_name": "acme/shop", "fork": false}
    },
    "base")",
                                R"("repo": {"id": 141, "full_name": "mallory/shop", "fork": true}}, "base")");
  EXPECT_TRUE(github("pull_request", "d1", fork).says("in another repository"));
  EXPECT_TRUE(github("pull_request", "d2", with(fork, "synchronize", "closed")).says("in another repository"));
  EXPECT_EQ(last_seq(), before);
  EXPECT_TRUE(orders().empty());
}

TEST_F(ForgeRoutes, a_pull_requests_task_is_called_as_its_branch) {
  const std::string labelled = with(with(payloads::github_pull_request, "synchronize", "labeled"), R"("number": 17,)",
                                    R"("number": 17, "label": {"name": "pawl:start"},)");
  const Answer started = github("pull_request", "d1", labelled);
  EXPECT_EQ(started.status, 201) << started.body;
  EXPECT_TRUE(started.says(R"("work_item":"shop-42","repo":"shop","branch":"shop-42")")) << started.body;
  EXPECT_TRUE(github("pull_request", "d1", labelled).replayed);
  EXPECT_TRUE(github("pull_request", "d2", labelled).says("a live task works on this branch"));
  restart();
  EXPECT_TRUE(github("pull_request", "d1", labelled).replayed);
}

TEST_F(ForgeRoutes, a_comment_finds_the_branch_of_its_pull_request) {
  const TaskId mine = task("SHOP-42", "shop-42");
  const std::string stop = with(with(payloads::github_issue_comment, "/pawl start", "/pawl stop"), R"("number": 42)",
                                R"("number": 17, "pull_request": {"url": "x"})");
  expect_refused(github("issue_comment", "d1", stop), "unknown_branch");
  EXPECT_EQ(stage_of(mine), "deploy");
  github("pull_request", "d2", std::string(payloads::github_pull_request));
  EXPECT_EQ(github("issue_comment", "d1", stop).status, 200) << "a delivery without effect is judged again";
  EXPECT_EQ(stage_of(mine), "ended");
  restart();
  EXPECT_TRUE(github("issue_comment", "d1", stop).replayed);
}

TEST_F(ForgeRoutes, a_program_of_ones_own_says_what_happened) {
  const auto start = [](const std::string& id) {
    return R"({"event":"start","work_item":"W-1","repo":"shop","branch":"w-1","id":")" + id + "\"}";
  };
  EXPECT_EQ(generic(start("1")).status, 201);
  EXPECT_TRUE(generic(start("2")).says("duplicate_work_item"));
  EXPECT_EQ(generic(R"({"event":"stop","work_item":"W-1","repo":"shop","id":"night-1"})").status, 200);
  EXPECT_EQ(generic(start("3")).status, 201) << "again, after it ended";
  EXPECT_TRUE(generic(R"({"event":"stop","work_item":"W-1","repo":"shop","id":"night-1"})").replayed);
  task("W-2", "w-2");
  const std::string pushed = R"({"event":"pushed","repo":"shop","branch":"w-2"})";
  EXPECT_TRUE(generic(pushed).says("advancing"));
  const Answer again = generic(pushed);
  EXPECT_TRUE(again.says("advancing")) << again.body;
  EXPECT_FALSE(again.replayed) << "without an id a push that is told twice is two";
  EXPECT_TRUE(generic(R"({"event":"merged","repo":"shop","branch":"w-2"})").says("noted"));
  expect_refused(generic(R"({"event":"merged"})"), "malformed");
}

TEST_F(ForgeRoutes, a_recorded_start_or_stop_of_ones_own_program_does_nothing_when_it_is_sent_again) {
  const std::string start = R"({"event":"start","work_item":"W-1","repo":"shop","branch":"w-1","id":"1"})";
  const std::string stop = R"({"event":"stop","work_item":"W-1","repo":"shop","id":"2"})";
  EXPECT_EQ(generic(start).status, 201);
  EXPECT_EQ(generic(stop).status, 200);
  restart();
  EXPECT_TRUE(generic(start).replayed);
  EXPECT_TRUE(generic_by_header(start, "another").replayed) << "what is not signed does not make it another delivery";
  const TaskId later = task("W-1", "w-1");
  EXPECT_TRUE(generic_by_header(stop, "another").replayed);
  EXPECT_EQ(stage_of(later), "deploy") << "a stop of before does not end it";

  for (const std::string event : {"start", "stop"}) {
    const std::string bare = R"({"event":")" + event + R"(","work_item":"W-9","repo":"shop"})";
    for (const Answer& answer : {generic(bare), generic_by_header(bare, "by-header")}) {
      expect_refused(answer, "malformed");
      EXPECT_TRUE(answer.says("field \\\"id\\\" is missing")) << answer.body;
      EXPECT_TRUE(answer.says("send an id of this event in the body")) << answer.body;
    }
  }
}

}  // namespace
}  // namespace pawl::delivered
