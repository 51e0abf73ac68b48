// What clients over their share are told, and what the server learns about waiting clients.
#include <gtest/gtest.h>

#include "daemon/work/output_log.h"
#include "schema/hex.h"
#include "tests/unit/daemon/comes_true.h"
#include "tests/unit/daemon/served.h"

namespace pawl {
namespace {

class RoutesShares : public Served {
 protected:
  RoutesShares() {
    told_of_wait = [this](HttpResponse response) {
      if (response.format) response.format(response);
      const std::lock_guard lock(mutex);
      early = std::move(response);
    };
  }
  /// The answer that a waiting request supplied in case it is not admitted.
  HttpResponse early_answer_of(std::future<Answer>& asked) {
    const auto is_told = [this] {
      const std::lock_guard lock(mutex);
      return early.has_value();
    };
    EXPECT_TRUE(comes_true(is_told));
    EXPECT_EQ(asked.wait_for(std::chrono::seconds(0)), std::future_status::timeout);
    const std::lock_guard lock(mutex);
    return early.value_or(HttpResponse{});
  }

  std::mutex mutex;
  std::optional<HttpResponse> early;
};

TEST_F(RoutesShares, claim_that_waits_would_be_told_that_there_is_no_job) {
  worker("w");
  auto claim = begin("POST", "/v1/jobs/claim", R"({"agents":["none"],"wait_s":60,"owner":)" + owner("w") + "}");
  EXPECT_EQ(early_answer_of(claim).status, 204);
  stop();
  EXPECT_EQ(claim.get().status, 204);
}

TEST_F(RoutesShares, reader_that_waits_would_be_told_to_ask_after_the_same_record) {
  create("W-1");
  const std::string last = std::to_string(last_seq());
  auto events = begin("GET", "/v1/events?wait_s=60&after=" + last);
  const HttpResponse early_answer = early_answer_of(events);
  EXPECT_EQ(early_answer.status, 200);
  EXPECT_EQ(early_answer.body, "");
  ASSERT_FALSE(early_answer.headers.empty());
  EXPECT_EQ(early_answer.headers.back(), std::pair(std::string("Pawl-Next"), last));
  create("W-2");
  EXPECT_NE(events.get().body, "");
}

TEST_F(RoutesShares, stream_has_its_place_before_its_first_record_is_read) {
  auto of_records = begin("GET", "/v1/events", {}, {.accept = "text/event-stream"});
  EXPECT_EQ(of_records.get().status, 200);
  const std::lock_guard lock(mutex);
  ASSERT_TRUE(early.has_value());
  EXPECT_EQ(early->status, 200);
  EXPECT_EQ(early->body, "") << "its client will retry";
}

TEST_F(RoutesShares, reader_of_output_that_waits_would_be_told_to_read_on_where_it_is) {
  create("W-1");
  worker("w");
  claim("w", "analyst");
  const auto output = open_log(logs_folder + "/job-1-1.log").value();
  output->say("begun");
  auto more = begin("GET", "/v1/jobs/1/log?from=12&wait_s=60");
  const HttpResponse early_answer = early_answer_of(more);
  EXPECT_EQ(early_answer.status, 200);
  EXPECT_EQ(early_answer.body, "");
  const auto wanted = std::pair(std::string("Pawl-Log-Next"), std::string("12"));
  EXPECT_NE(std::find(early_answer.headers.begin(), early_answer.headers.end(), wanted), early_answer.headers.end());
  output->say("more");
  EXPECT_EQ(more.get().body, "pawl: more\n");
}

TEST_F(RoutesShares, request_that_is_answered_at_once_does_not_wait) {
  create("W-1");
  worker("w");
  EXPECT_EQ(claim("w", "analyst").status, 200);
  EXPECT_EQ(get("/v1/events").status, 200);
  const std::lock_guard lock(mutex);
  EXPECT_FALSE(early.has_value());
}

TEST_F(RoutesShares, what_is_beyond_a_quota_is_refused_with_when_to_come_again) {
  EXPECT_EQ(post("/v1/settings", R"({"quota.tasks":1,"quota.boots":1,"quota.leases":1})").status, 200);
  EXPECT_EQ(create("W-1").status, 201);
  const Answer refused = create("W-2");
  EXPECT_EQ(refused.status, 429);
  EXPECT_EQ(refused.code(), "quota");
  EXPECT_EQ(refused.header("Retry-After"), "10");
  EXPECT_EQ(create("W-1").header("Retry-After"), "") << "another refusal";
}

TEST_F(RoutesShares, who_was_refused_by_a_quota_is_counted_and_named_to_operators_alone) {
  const auto line = [](const std::string& name, const std::string& role) {
    return name + " " + role + " " + hex(hash_of_token(name)) + "\n";
  };
  Access access(std::nullopt);
  access.replace(
      parse_tokens(line("ci", "work") + line("eve", "work") + line("reader", "read") + line("op", "operate"), "file")
          .value());
  services_access = &access;
  restart();
  const auto as = [](const std::string& name) {
    return Headers{.authorization = "Bearer " + name, .transport = Transport::tcp};
  };
  const auto boot_of = [&](const std::string& who, const std::string& id) {
    return ask("POST", "/v1/boots",
               R"({"name":")" + id + R"(","boot_id":")" + id + R"(","pid":7,"pid_start":1,"host":"h","version":"1"})",
               as(who))
        .status;
  };
  EXPECT_EQ(post("/v1/settings", R"({"quota.tasks":1,"quota.boots":3})").status, 200);
  EXPECT_EQ(boot_of("ci", "c-1"), 201);
  EXPECT_EQ(boot_of("eve", "e-1"), 201);
  for (int i = 0; i < 40; ++i) EXPECT_EQ(boot_of("eve", "e-2"), 429) << "folded ones count as well";
  EXPECT_EQ(boot_of("ci", "c-2"), 429);
  EXPECT_EQ(ask("POST", "/v1/tasks", R"({"work_item":"W-1","repo":"shop"})", as("op")).status, 201);
  EXPECT_EQ(ask("POST", "/v1/tasks", R"({"work_item":"W-2","repo":"shop"})", as("op")).status, 429);

  const auto seen = ask("GET", "/queue", {}, as("op")).json().at("shares");
  EXPECT_EQ(seen.at("refused").at("boots"), 41);
  EXPECT_EQ(seen.at("refused").at("tasks"), 1);
  EXPECT_EQ(seen.at("refused").at("leases"), 0);
  EXPECT_EQ(seen.at("held").at("boots"), 3);
  EXPECT_EQ(boost::json::serialize(seen.at("refused_most")),
            R"([{"principal":"token:eve","count":40},{"principal":"token:ci","count":1},)"
            R"({"principal":"token:op","count":1}])");
  const auto shown = ask("GET", "/queue", {}, as("reader")).json().at("shares");
  EXPECT_EQ(shown.at("refused").at("boots"), 41);
  EXPECT_TRUE(shown.at("refused_most").is_null());
}

}  // namespace
}  // namespace pawl
