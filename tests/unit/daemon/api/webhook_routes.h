// A state machine built for the test, and deliveries to it, signed or not.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "daemon/api/call.h"
#include "daemon/api/routes.h"
#include "daemon/outside/webhook_book.h"
#include "daemon/outside/webhooks.h"
#include "schema/json/record_json.h"
#include "store/memory_log.h"
#include "store/open.h"
#include "tests/unit/daemon/api/webhook_payloads.h"

namespace pawl::delivered {

inline constexpr std::int64_t epoch_us = 1'767'225'600 * us_per_s;
inline constexpr std::string_view gitea_secret = "gitea's secret";
inline constexpr std::string_view plane_secret = "plane_wh_0123456789abcdef";
inline constexpr std::string_view github_secret = "github's secret";
inline constexpr std::string_view gitlab_token = "gitlab's token";
inline constexpr std::string_view generic_secret = "our own secret";

struct Answer {
  int status = 0;
  std::string body;
  bool replayed = false;

  bool says(std::string_view text) const { return body.find(text) != std::string::npos; }
};

class WebhookRoutes : public testing::Test {
 protected:
  WebhookRoutes() { start(); }
  ~WebhookRoutes() override { end(); }

  void start() {
    log_ = disk_ ? std::move(MemoryLog::open(disk_)).value() : std::make_unique<MemoryLog>();
    disk_ = log_->disk();
    Opened opened = open_state(*log_).value();
    sequencer_ = std::make_unique<Sequencer>(
        *log_, std::move(opened.state), opened.chain,
        Sequencer::Options{.batch_records_max = 4096, .batch_bytes_max = 1 << 20, .now = [this] {
                             return TimeUs{epoch_us + now_us_.load()};
                           }});
    sequencer_->start();
    boot_ = "boot-" + std::to_string(++boots_);
    fb::BootStartedT boot;
    boot.name = "pawld";
    boot.boot_id = boot_;
    boot.host = "host";
    boot.version = "test";
    propose(boot);
    if (boots_ == 1) propose(pipeline_event(default_pipeline()));
    webhooks_ = std::make_unique<Webhooks>(config_);
    api_ = std::make_unique<Api>(Services{
        .sequencer = *sequencer_,
        .journal = *log_,
        .archive = *log_,
        .boot_id = boot_,
        .version = "test",
        .advance =
            [this](AdvanceRequest order, const std::function<void(AdvanceAnswer)>& done) {
              {
                const std::lock_guard lock(mutex_);
                orders_.push_back(std::move(order));
              }
              if (!is_slow_) done(advance_answer_);
            },
        .find_branch = [](const std::string&, const std::string&,
                          const std::function<void(FoundBranch)>& done) { done({.is = FoundBranch::Is::absent}); },
        .readiness = [this] { return readiness_; },
        .raise_alert =
            [this](Alert alert) {
              const std::lock_guard lock(mutex_);
              alerts_.push_back(std::move(alert));
            },
        .warn =
            [this](const std::string& message) {
              const std::lock_guard lock(mutex_);
              warnings_.push_back(message);
            },
        .webhooks = webhooks_.get()});
  }

  void end() {
    api_->stop();
    api_.reset();
    sequencer_->stop();
    sequencer_.reset();
  }

  void restart() {
    end();
    start();
  }

  Decision propose(const auto& event) {
    const Requester requester{.boot = boot_, .actor = "test", .key = {}, .request = {}};
    Decision decision = sequencer_->propose(propose_group(requester, event));
    EXPECT_EQ(decision.outcome, Outcome::accepted) << name(decision.outcome);
    return decision;
  }

  /// A live task on `branch` of shop. On "deploy" no job is queued: there is no agent.
  TaskId task(const std::string& work_item, const std::string& branch, const std::string& stage = "deploy",
              const std::string& repo = "shop") {
    fb::TaskCreatedT event;
    event.work_item = work_item;
    event.repo = repo;
    event.branch = branch;
    event.stage = stage;
    return TaskId{propose(event).effects.front().id};
  }

  Token hold_lease(TaskId task) {
    fb::LeaseAcquiredT event;
    event.key = task_key(task);
    event.owner = std::make_unique<fb::OwnerT>();
    event.owner->boot_id = boot_;
    event.owner->actor = "finalizer";
    return Token{raw(propose(event).seq)};
  }

  /// `headers` by name; a missing one was not sent.
  Answer post(WebhookSource source, const std::map<std::string, std::string, std::less<>>& headers,
              const std::string& body) {
    const std::string path = "/webhooks/" + std::string(name(source));
    const HttpRequest request{
        .method = "POST",
        .path = path,
        .actor = "operator",
        .idempotency_key = "a key from outside, of more than sixty-four bytes, that nobody asked for",
        .body = body,
        .header = [&](std::string_view header) -> std::string_view {
          const auto sent = headers.find(header);
          return sent == headers.end() ? std::string_view() : sent->second;
        }};
    const auto promise = std::make_shared<std::promise<Answer>>();
    api_->handle(request, [promise](HttpResponse response) {
      if (response.format) response.format(response);
      Answer answer{.status = response.status, .body = response.body};
      for (const auto& [header, value] : response.headers) answer.replayed |= header == "Idempotency-Replayed";
      promise->set_value(answer);
    });
    return promise->get_future().get();
  }

  Answer post(WebhookSource source, std::string_view event, std::string_view delivery, const std::string& body,
              std::string_view signature) {
    const std::string prefix = source == WebhookSource::gitea ? "X-Gitea-" : "X-Plane-";
    return post(source,
                {{prefix + "Event", std::string(event)},
                 {prefix + "Delivery", std::string(delivery)},
                 {prefix + "Signature", std::string(signature)}},
                body);
  }

  Answer github(std::string_view event, std::string_view delivery, const std::string& body) {
    return post(WebhookSource::github,
                {{"X-GitHub-Event", std::string(event)},
                 {"X-GitHub-Delivery", std::string(delivery)},
                 {"X-Hub-Signature-256", "sha256=" + webhook_signature(github_secret, body)}},
                body);
  }

  Answer gitlab(std::string_view delivery, const std::string& body) {
    return post(WebhookSource::gitlab,
                {{"X-Gitlab-Token", std::string(gitlab_token)}, {"Idempotency-Key", std::string(delivery)}}, body);
  }

  Answer generic(const std::string& body) {
    return post(WebhookSource::generic, {{"X-Pawl-Signature", webhook_signature(generic_secret, body)}}, body);
  }
  Answer generic_by_header(const std::string& body, const std::string& delivery) {
    return post(WebhookSource::generic,
                {{"X-Pawl-Signature", webhook_signature(generic_secret, body)}, {"X-Pawl-Delivery", delivery}}, body);
  }

  Answer gitea(std::string_view event, std::string_view delivery, std::string_view body) {
    const std::string text(body);
    return post(WebhookSource::gitea, event, delivery, text, webhook_signature(gitea_secret, text));
  }

  Answer plane(std::string_view delivery, std::string_view body) {
    const std::string text(body);
    return post(WebhookSource::plane, "issue", delivery, text, webhook_signature(plane_secret, text));
  }

  static std::string cancelled() {
    return payloads::with(payloads::plane_issue_started, R"("group": "started")", R"("group": "cancelled")");
  }

  std::uint64_t last_seq() {
    return sequencer_->ask([](const State& state) { return raw(state.last_seq); });
  }

  /// "Type actor outcome" of the last record.
  std::string last_record() {
    std::string text;
    const auto read = log_->read(Seq{last_seq()}, [&](RecordBytes bytes) {
      const fb::Record& record = *fb::GetRecord(bytes.data());
      text = std::string(fb::EnumNameEvent(record.event_type())) + " " + record.actor()->str() + " " +
             std::string(name(static_cast<Outcome>(record.stamp()->outcome())));
      return true;
    });
    EXPECT_TRUE(read.has_value());
    return text;
  }

  /// Everything that the posts led to; waits for work that follows an answer. After this call the API takes no more
  /// requests.
  std::vector<AdvanceRequest> orders() {
    api_->stop();
    const std::lock_guard lock(mutex_);
    return orders_;
  }

  WebhookTotals& of_gitea() { return webhooks_->totals(WebhookSource::gitea); }
  WebhookTotals& of_plane() { return webhooks_->totals(WebhookSource::plane); }

  std::vector<Alert> alerts() {
    const std::lock_guard lock(mutex_);
    return alerts_;
  }
  std::size_t warned_of(std::string_view text) {
    const std::lock_guard lock(mutex_);
    return static_cast<std::size_t>(std::count_if(warnings_.begin(), warnings_.end(), [&](const std::string& warning) {
      return warning.find(text) != std::string::npos;
    }));
  }
  std::uint64_t refused_for(std::string_view reason) {
    for (const auto& [counted, count] : webhooks_->refusals.counts()) {
      if (counted == reason) return count;
    }
    return 0;
  }
  /// 2xx, counted, logged and alerted.
  void expect_refused(const Answer& answer, std::string_view reason) {
    EXPECT_EQ(answer.status, 202) << answer.body;
    EXPECT_TRUE(answer.says(R"("result":"refused","reason":")" + std::string(reason) + '"')) << answer.body;
    EXPECT_GE(refused_for(reason), 1U) << reason;
    EXPECT_GE(warned_of(std::string(reason) + ": a delivery of"), 1U) << reason;
    const auto all = alerts();
    EXPECT_TRUE(std::any_of(all.begin(), all.end(), [&](const Alert& alert) {
      return alert.reason == "webhook_refused:" + std::string(reason);
    })) << reason;
  }
  std::string stage_of(TaskId task) {
    return sequencer_->ask([&](const State& state) {
      const Task* found = state.tasks.find(task);
      return found ? found->stage : std::string("ended");  // terminal tasks leave memory at once
    });
  }

  WebhookConfig config_{
      .gitea_secret = std::string(gitea_secret),
      .plane_secret = std::string(plane_secret),
      .generic_secret = std::string(generic_secret),
      .github = {.secret = std::string(github_secret),
                 .repos = {{"acme/shop", {.repo = "shop", .prefix = "SHOP"}}},
                 .members = {"grace"}},
      .gitlab = {.secret = std::string(gitlab_token),
                 .repos = {{"acme/tools/shop", {.repo = "shop", .prefix = "SHOP"}}},
                 .members = {"grace"}},
      .plane_projects = {{"22b6fc9c-1849-45da-b103-52a3e3a6b4c1", {.repo = "shop", .prefix = "SHOP"}}}};
  Readiness readiness_;
  AdvanceAnswer advance_answer_{.result = AdvanceResult::advanced};
  std::shared_ptr<MemoryDisk> disk_;
  std::unique_ptr<MemoryLog> log_;
  std::unique_ptr<Sequencer> sequencer_;
  std::unique_ptr<Webhooks> webhooks_;
  std::unique_ptr<Api> api_;
  std::string boot_;
  int boots_ = 0;
  std::atomic<std::int64_t> now_us_{0};
  bool is_slow_ = false;  // a task to be advanced stays under way
  std::mutex mutex_;      // guards the members below
  std::vector<AdvanceRequest> orders_;
  std::vector<Alert> alerts_;
  std::vector<std::string> warnings_;
};

}  // namespace pawl::delivered
