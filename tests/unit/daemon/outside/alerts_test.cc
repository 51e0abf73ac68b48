// Alerts against a real server and real commands. Pauses are zero or hours long, never waited for.
#include "daemon/outside/alerts.h"

#include <gtest/gtest.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <thread>

#include "daemon/work/process_table.h"
#include "tests/unit/daemon/alert_server.h"
#include "tests/unit/daemon/comes_true.h"

namespace pawl {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;
using How = AlertDelivery::How;

std::string answer(int status, const std::string& more_headers = "") {
  return "HTTP/1.1 " + std::to_string(status) + " X\r\nContent-Length: 3\r\nConnection: close\r\n" + more_headers +
         "\r\nno!";
}

Alert alert_number(std::uint64_t seq) {
  return {.reason = "job_failed",
          .type = "JobReaped",
          .seq = Seq{seq},
          .time = TimeUs{1'767'225'600 * us_per_s},
          .boot = "b",
          .actor = "reaper",
          .job = JobId{3}};
}

/// Stands in for the state.
void name_it(Alert& alert) {
  alert.task = TaskId{12};
  alert.work_item = "W-1";
  alert.repo = "shop";
  alert.stage = "review";
}

/// A log that is read while it is written.
class LogText final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  std::string text() {
    const std::lock_guard lock(mutex_);
    return text_;
  }

 private:
  void sink_it_(const spdlog::details::log_msg& message) override {
    text_.append(message.payload.data(), message.payload.size());
    text_ += '\n';
  }
  void flush_() override {}

  std::string text_;
};

class AlertsTest : public testing::Test {
 protected:
  void SetUp() override {
    ::setenv("no_proxy", "127.0.0.1", 1);
    std::string name = testing::TempDir() + "/pawl-alerts-XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
    log_before_ = spdlog::default_logger();
    spdlog::set_default_logger(std::make_shared<spdlog::logger>("alerts", log_));
  }
  void TearDown() override {
    spdlog::set_default_logger(log_before_);
    std::filesystem::remove_all(folder_);
  }

  std::string folder() const { return folder_.string(); }
  std::string path(const std::string& name) const { return (folder_ / name).string(); }
  std::string write(const std::string& name, const std::string& text) const {
    std::ofstream(path(name)) << text;
    std::filesystem::permissions(path(name), std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
    return path(name);
  }
  std::string contents(const std::string& name) const {
    std::ifstream file(path(name));
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  }
  std::string log() const { return log_->text(); }

  std::vector<AlertDestination> destinations(const AlertOptions& options) const {
    auto made = alert_destinations(options, folder());
    EXPECT_TRUE(made) << made.error().message;
    return made ? std::move(*made) : std::vector<AlertDestination>();
  }

  /// A shell script as the command.
  AlertOptions command(const std::string& script) const { return {.command = {"/bin/sh", "-c", script}}; }

  /// A retry schedule with the same pause after every failure.
  static Alerts::Pace pausing(milliseconds pause) {
    return {.backoff = [pause](unsigned) { return pause; }};
  }

 private:
  std::filesystem::path folder_;
  const std::shared_ptr<LogText> log_ = std::make_shared<LogText>();
  std::shared_ptr<spdlog::logger> log_before_;
};

TEST_F(AlertsTest, a_webhook_gets_body_and_headers) {
  AlertServer server;
  const AlertOptions options{.url = server.url(),
                             .body_file = write("body", R"({"text":"{reason} of {work_item}","task":{task}})"),
                             .headers = {"Title: pawl"},
                             .header_files = {write("headers", "Authorization: Bearer s\n")}};
  Alerts alerts(destinations(options));
  alerts.start(name_it);
  alerts.raise(alert_number(77));
  const auto requests = server.requests(1);
  ASSERT_EQ(requests.size(), 1U);
  EXPECT_TRUE(requests[0].head.starts_with("POST /hook HTTP/1.1\r\n")) << requests[0].head;
  for (const char* header :
       {"Content-Type: application/json", "Title: pawl", "Authorization: Bearer s", "Pawl-Alert: 77"}) {
    EXPECT_NE(requests[0].head.find(std::string("\r\n") + header + "\r\n"), std::string::npos) << header;
  }
  EXPECT_EQ(requests[0].body, R"({"text":"job_failed of W-1","task":12})");
  EXPECT_TRUE(comes_true([&] { return alerts.counts().sent == 1; }));
  EXPECT_EQ(alerts.counts().queued, 0U);
}

TEST_F(AlertsTest, an_alert_is_put_where_its_id_says) {
  AlertServer server;
  server.answer_with({answer(500), answer(200), answer(200)});
  Alerts alerts(destinations({.url = server.url() + "/{id}/{id}", .method = "PUT"}), pausing(milliseconds(0)));
  alerts.start(name_it);
  for (const std::uint64_t seq : {7U, 8U}) alerts.raise(alert_number(seq));
  const auto requests = server.requests(3);
  ASSERT_EQ(requests.size(), 3U);
  const auto line = [&](std::size_t at) { return requests[at].head.substr(0, requests[at].head.find('\r')); };
  Alert first = alert_number(7);
  name_it(first);
  EXPECT_EQ(line(0), "PUT /hook/" + id_of(first) + '/' + id_of(first) + " HTTP/1.1");
  EXPECT_EQ(line(1), line(0)) << "a repeat";
  EXPECT_NE(line(2), line(0)) << "another alert";
}

TEST_F(AlertsTest, a_test_goes_at_once_to_all_and_is_not_counted) {
  AlertServer server;
  server.answer_with({answer(500), answer(404)});
  AlertOptions options = command("echo $PAWL_ALERT_REASON $PAWL_ALERT_SEQ >>told");
  options.url = server.url();
  Alerts alerts(destinations(options), pausing(hours(1)));
  alerts.start(name_it);
  alerts.raise(alert_number(1));
  EXPECT_TRUE(comes_true([&] { return alerts.counts().sent == 1; }));
  ASSERT_EQ(server.requests(1).size(), 1U);  // and then it pauses

  std::promise<std::vector<AlertTest>> tested;
  alerts.test(test_alert(TimeUs{1}, "b", "operator", "grace"),
              [&](const std::vector<AlertTest>& results) { tested.set_value(results); });
  const std::vector<AlertTest> results = tested.get_future().get();
  ASSERT_EQ(results.size(), 2U);
  EXPECT_EQ(results[0].destination, "command");
  EXPECT_EQ(results[0].delivery.how, How::delivered);
  EXPECT_EQ(results[1].destination, "webhook at 127.0.0.1");
  EXPECT_EQ(results[1].delivery.how, How::refused);
  EXPECT_EQ(results[1].delivery.why, "HTTP 404: no!");
  const std::string body = server.requests(2)[1].body;
  EXPECT_NE(body.find("test: this is a test of pawl's alerts, asked for by grace; nothing has happened, no record"),
            std::string::npos)
      << body;
  EXPECT_EQ(contents("told"), "job_failed 1\ntest\n");
  EXPECT_EQ(alerts.counts().sent, 1U);
  EXPECT_EQ(alerts.counts().failed, 0U);
  EXPECT_EQ(alerts.counts().queued, 1U);
}

TEST_F(AlertsTest, a_test_after_the_end_is_answered) {
  Alerts alerts(destinations(command("true")));
  alerts.start(name_it);
  alerts.stop();
  bool is_answered = false;
  alerts.test(test_alert(TimeUs{1}, "b", "operator", ""), [&](const auto& results) { is_answered = results.empty(); });
  EXPECT_TRUE(is_answered);
}

TEST_F(AlertsTest, failures_first_and_then_success) {
  AlertServer server;
  server.answer_with({answer(503), "", answer(429), answer(200)});
  std::vector<unsigned> failures;
  Alerts::Pace pace;
  pace.backoff = [&](unsigned count) {
    failures.push_back(count);
    return milliseconds(0);
  };
  Alerts alerts(destinations({.url = server.url()}), pace);
  alerts.start(name_it);
  alerts.raise(alert_number(1));
  EXPECT_TRUE(comes_true([&] { return alerts.counts().sent == 1; }));
  alerts.stop();
  const auto requests = server.requests(4);
  ASSERT_EQ(requests.size(), 4U);
  EXPECT_TRUE(std::all_of(requests.begin(), requests.end(),
                          [&](const auto& request) { return request.body == requests[0].body; }));
  EXPECT_EQ(failures, (std::vector<unsigned>{1, 2, 3}));
  EXPECT_EQ(alerts.counts().failed, 0U);
  EXPECT_NE(log().find("(try 1 of 12, next in 0 ms): HTTP 503: no!"), std::string::npos) << log();
}

TEST_F(AlertsTest, what_is_refused_is_not_tried_again) {
  AlertServer server;
  server.answer_with({answer(400), answer(302)});
  Alerts alerts(destinations({.url = server.url()}), pausing(hours(1)));
  alerts.start(name_it);
  for (const std::uint64_t seq : {1U, 2U, 3U}) alerts.raise(alert_number(seq));
  EXPECT_TRUE(comes_true([&] { return alerts.counts().sent == 1; }));
  EXPECT_EQ(alerts.counts().failed, 2U);
  EXPECT_EQ(server.requests(3).size(), 3U);
}

TEST_F(AlertsTest, what_fails_as_often_as_it_may_is_given_up_and_the_next_has_its_own_tries) {
  AlertServer server;
  server.answer_with({answer(500), answer(500), answer(500), answer(500), answer(200)});
  Alerts::Pace pace = pausing(milliseconds(0));
  pace.tries_max = 3;
  Alerts alerts(destinations({.url = server.url()}), pace);
  alerts.start(name_it);
  alerts.raise(alert_number(1));
  alerts.raise(alert_number(2));
  EXPECT_TRUE(comes_true([&] { return alerts.counts().sent == 1; }));
  alerts.stop();
  EXPECT_EQ(alerts.counts().failed, 1U);
  EXPECT_NE(log().find("gave up on the alert of record 1: the webhook at 127.0.0.1 did not accept it: HTTP 500: no!"),
            std::string::npos)
      << log();
}

TEST_F(AlertsTest, a_pause_that_the_server_asks_for_is_kept) {
  AlertServer server;
  server.answer_with({answer(429, "Retry-After: 120\r\n")});
  Alerts::Pace pace = pausing(milliseconds(0));
  pace.stop_within = milliseconds(0);
  Alerts alerts(destinations({.url = server.url()}), pace);
  alerts.start(name_it);
  alerts.raise(alert_number(1));
  ASSERT_EQ(server.requests(1).size(), 1U);
  EXPECT_TRUE(comes_true([&] { return log().find("next in 120000 ms") != std::string::npos; })) << log();
}

TEST_F(AlertsTest, a_full_queue_drops_the_oldest) {
  AlertServer server;
  server.hold();
  Alerts::Pace pace = pausing(milliseconds(0));
  pace.queue_max = 3;
  Alerts alerts(destinations({.url = server.url()}), pace);
  alerts.start(name_it);
  alerts.raise(alert_number(1));
  ASSERT_EQ(server.requests(1).size(), 1U);  // so that the thread is busy with it
  for (const std::uint64_t seq : {2U, 3U, 4U, 5U, 6U}) alerts.raise(alert_number(seq));
  EXPECT_EQ(alerts.counts().dropped, 2U);
  EXPECT_EQ(alerts.counts().queued, 4U);
  server.release();
  EXPECT_TRUE(comes_true([&] { return alerts.counts().sent == 4; }));
  alerts.stop();
  const auto requests = server.requests(4);
  ASSERT_EQ(requests.size(), 4U);
  for (const auto& [at, seq] : {std::pair(1U, 4), std::pair(2U, 5), std::pair(3U, 6)}) {
    EXPECT_NE(requests[at].head.find("Pawl-Alert: " + std::to_string(seq)), std::string::npos) << requests[at].head;
  }
  EXPECT_NE(log().find("dropped 2 alerts: "), std::string::npos) << log();
}

TEST_F(AlertsTest, a_destination_that_is_down_for_long_drops_the_oldest) {
  AlertServer server;
  server.answer_with({answer(500)});
  Alerts::Pace pace = pausing(hours(1));
  pace.queue_max = 2;
  Alerts alerts(destinations({.url = server.url()}), pace);
  alerts.start(name_it);
  alerts.raise(alert_number(1));
  ASSERT_EQ(server.requests(1).size(), 1U);
  for (const std::uint64_t seq : {2U, 3U, 4U}) {
    alerts.raise(alert_number(seq));
    // Moved into the destination's own queue, which is the subject of this test.
    EXPECT_TRUE(comes_true([&] {
      return log().find("record " + std::to_string(seq)) != std::string::npos && alerts.counts().queued <= 2;
    }));
  }
  alerts.stop();  // The pause ends here, and the remaining alerts go out.
  EXPECT_EQ(alerts.counts().dropped, 2U);
  EXPECT_EQ(alerts.counts().sent, 2U);
  EXPECT_NE(log().find("dropped the alert of record 1:"), std::string::npos) << log();
  EXPECT_NE(log().find("dropped the alert of record 2:"), std::string::npos) << log();
}

TEST_F(AlertsTest, a_dead_webhook_does_not_hold_up_the_command) {
  AlertServer server;
  server.answer_with({answer(500)});
  AlertOptions options = command("echo $PAWL_ALERT_SEQ >>told");
  options.url = server.url();
  Alerts alerts(destinations(options), pausing(hours(1)));
  alerts.start(name_it);
  for (const std::uint64_t seq : {1U, 2U, 3U}) alerts.raise(alert_number(seq));
  EXPECT_TRUE(comes_true([&] { return alerts.counts().sent == 3; }));
  EXPECT_EQ(contents("told"), "1\n2\n3\n");
  EXPECT_EQ(alerts.counts().queued, 3U);
  EXPECT_EQ(server.requests(1).size(), 1U);
}

TEST_F(AlertsTest, a_command_is_told_by_its_environment_alone) {
  ::setenv("PAWL_SECRET_OF_THE_DAEMON", "s", 1);
  Alerts alerts(destinations(command("echo $#; env | sort >environment")));
  alerts.start(name_it);
  Alert alert = alert_number(77);
  alert.actor = "$(touch injected); \"";
  alerts.raise(std::move(alert));
  EXPECT_TRUE(comes_true([&] { return alerts.counts().sent == 1; }));
  const std::string told = contents("environment");
  for (const char* line :
       {"PAWL_ALERT_REASON=job_failed\n", "PAWL_ALERT_TYPE=JobReaped\n", "PAWL_ALERT_SEQ=77\n", "PAWL_ALERT_TASK=12\n",
        "PAWL_ALERT_JOB=3\n", "PAWL_ALERT_WORK_ITEM=W-1\n", "PAWL_ALERT_REPO=shop\n", "PAWL_ALERT_STAGE=review\n",
        "PAWL_ALERT_TIME=2026-01-01T00:00:00.000000Z\n", "PAWL_ALERT_ACTOR=$(touch injected); \"\n",
        "PAWL_ALERT_LEASE=\n", "PAWL_ALERT_INCIDENT=pawl incident 77\n"}) {
    EXPECT_NE(told.find(line), std::string::npos) << line << told;
  }
  EXPECT_NE(told.find("PAWL_DATA=" + std::filesystem::canonical(path(".")).string() + "\n"), std::string::npos) << told;
  EXPECT_EQ(told.find("PAWL_SECRET"), std::string::npos);
  EXPECT_FALSE(std::filesystem::exists(path("injected")));
  EXPECT_EQ(contents("logs/alert-command.log"), "0\n");
}

TEST_F(AlertsTest, a_command_that_fails_is_tried_again) {
  Alerts alerts(destinations(command("echo x >>tries; [ $(wc -l <tries) -ge 3 ]")), pausing(milliseconds(0)));
  alerts.start(name_it);
  alerts.raise(alert_number(1));
  EXPECT_TRUE(comes_true([&] { return alerts.counts().sent == 1; }));
  EXPECT_EQ(contents("tries"), "x\nx\nx\n");
}

TEST_F(AlertsTest, a_command_that_hangs_does_not_outlive_a_stop) {
  Alerts::Pace pace;
  pace.stop_within = milliseconds(0);
  Alerts alerts(destinations(command("echo $$ >pid; exec sleep 1000")), pace);
  alerts.start(name_it);
  alerts.raise(alert_number(1));
  ASSERT_TRUE(comes_true([&] { return !contents("pid").empty(); }));
  alerts.stop();
  EXPECT_FALSE(pid_start_of(std::stoi(contents("pid"))));
  EXPECT_EQ(alerts.counts().dropped, 1U);
  EXPECT_EQ(alerts.counts().queued, 0U);
  EXPECT_NE(log().find("dropped 1 alerts for the command at shutdown, the first of record 1"), std::string::npos)
      << log();
}

TEST_F(AlertsTest, a_webhook_that_hangs_does_not_hold_up_a_stop) {
  AlertServer server;
  server.hold();
  Alerts::Pace pace;
  pace.stop_within = milliseconds(0);
  Alerts alerts(destinations({.url = server.url()}), pace);
  alerts.start(name_it);
  alerts.raise(alert_number(1));
  ASSERT_EQ(server.requests(1).size(), 1U);
  const auto before = steady_clock::now();
  alerts.stop();
  EXPECT_LT(steady_clock::now() - before, seconds(limits::alert_post_timeout_s));
  EXPECT_EQ(alerts.counts().dropped, 1U);
  alerts.raise(alert_number(2));
  EXPECT_EQ(alerts.counts().dropped, 2U);
}

TEST_F(AlertsTest, what_is_queued_at_the_end_is_tried_once_more) {
  AlertServer server;
  server.answer_with({answer(500)});
  Alerts alerts(destinations({.url = server.url()}), pausing(hours(1)));
  alerts.start(name_it);
  for (const std::uint64_t seq : {1U, 2U}) alerts.raise(alert_number(seq));
  ASSERT_EQ(server.requests(1).size(), 1U);
  alerts.stop();
  EXPECT_EQ(alerts.counts().sent, 2U);
}

TEST_F(AlertsTest, what_comes_before_the_start_waits_for_it) {
  Alerts alerts(destinations(command("echo $PAWL_ALERT_SEQ >>told")));
  for (const std::uint64_t seq : {1U, 2U}) alerts.raise(alert_number(seq));
  EXPECT_EQ(alerts.counts().queued, 2U);
  alerts.start(name_it);
  EXPECT_TRUE(comes_true([&] { return alerts.counts().sent == 2; }));
  EXPECT_EQ(contents("told"), "1\n2\n");
}

TEST_F(AlertsTest, without_a_destination_the_log_is_told) {
  Alerts alerts({});
  alerts.start(name_it);
  alerts.raise(alert_number(77));
  alerts.stop();
  EXPECT_NE(log().find("alert: job_failed: W-1 of shop (task 12, review), by reaper, record 77"), std::string::npos)
      << log();
  EXPECT_EQ(alerts.counts().dropped, 0U);
}

TEST_F(AlertsTest, the_log_has_no_secret) {
  AlertServer server;
  server.answer_with({answer(401)});
  const AlertOptions options{.url_file = write("url", server.url() + "/bot-secret/send\n"),
                             .header_files = {write("headers", "Authorization: secret\n")}};
  Alerts alerts(destinations(options));
  alerts.start(name_it);
  alerts.raise(alert_number(1));
  ASSERT_EQ(server.requests(1).size(), 1U);
  alerts.stop();
  EXPECT_EQ(alerts.counts().failed, 1U);
  EXPECT_NE(log().find("HTTP 401"), std::string::npos);
  EXPECT_EQ(log().find("secret"), std::string::npos) << log();
}

TEST_F(AlertsTest, an_answer_that_repeats_a_secret_is_shown_without_it) {
  AlertServer server;
  const std::string echoed = "no hook /hook/T012345678 for Bearer-abcdef";
  server.answer_with({"HTTP/1.1 404 X\r\nContent-Length: " + std::to_string(echoed.size()) +
                      "\r\nConnection: close\r\n\r\n" + echoed});
  const AlertOptions options{.url_file = write("url", server.url() + "/T012345678\n"),
                             .header_files = {write("headers", "X-Key: Bearer-abcdef\n")}};
  Alerts alerts(destinations(options));
  alerts.start(name_it);
  alerts.raise(alert_number(1));
  EXPECT_TRUE(comes_true([&] { return alerts.counts().failed == 1; }));
  alerts.stop();
  EXPECT_NE(log().find("HTTP 404: no hook (secret) for (secret)"), std::string::npos) << log();
}

TEST_F(AlertsTest, what_cannot_work_is_refused_at_the_start) {
  const auto error_of = [&](const AlertOptions& options) {
    const auto made = alert_destinations(options, folder());
    EXPECT_FALSE(made);
    return made ? std::string() : made.error().message;
  };
  EXPECT_EQ(error_of({.command = {"/nowhere/notify"}}), "--alert-command /nowhere/notify: no such executable file");
  EXPECT_NE(error_of({.command = {"./notify"}}).find("absolute path"), std::string::npos);
  EXPECT_NE(error_of({.body_file = write("body", "{}")}).find("need --alert-url"), std::string::npos);
  EXPECT_NE(error_of({.url = "http://h/", .body_file = write("body", "{\"a\":{foo}}")}).find("unknown placeholder"),
            std::string::npos);
}

TEST(AlertBackoff, doubles_up_to_its_bound) {
  EXPECT_EQ(alert_backoff(1), seconds(1));
  EXPECT_EQ(alert_backoff(2), seconds(2));
  EXPECT_EQ(alert_backoff(9), seconds(256));
  EXPECT_EQ(alert_backoff(10), seconds(limits::alert_backoff_s_max));
  EXPECT_EQ(alert_backoff(4'000'000'000U), seconds(limits::alert_backoff_s_max));
}

}  // namespace
}  // namespace pawl
