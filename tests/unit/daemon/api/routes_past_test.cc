// Calls with ?at=SEQ: every view as it was after an earlier record.
#include "daemon/api/past_reads.h"
#include "daemon/api/route_table.h"
#include "tests/unit/daemon/served.h"

namespace pawl {
namespace {

class PastRoutes : public Served {
 protected:
  static std::string at(const std::string& target, std::uint64_t seq) {
    return target + (target.find('?') == std::string::npos ? "?at=" : "&at=") + std::to_string(seq);
  }
};

TEST_F(PastRoutes, every_view_is_as_it_was) {
  create("W-1");
  worker("w");
  lease("task:1", "w");
  claim("w", "analyst");
  const std::vector<std::string> views = {"/v1/tasks",         "/v1/tasks?stage=analysis",
                                          "/v1/tasks/1",       "/v1/leases",
                                          "/v1/boots",         "/v1/jobs",
                                          "/v1/jobs/1",        "/v1/settings",
                                          "/v1/pipelines",     "/v1/repos",
                                          "/v1/head",          "/v1/tasks/1/history",
                                          "/v1/stuck?all=true"};
  std::vector<std::string> then;
  for (const std::string& view : views) then.push_back(get(view).body);
  const std::uint64_t seq = last_seq();

  now_us = 9 * us_per_s;
  post("/v1/repos", R"({"repo":"shop"})");
  post("/v1/settings", R"({"queue.max_concurrency":7})");
  create("W-2");
  create("W-3");
  post("/v1/jobs/1/finished", R"({"attempt":1,"result":"failed"})", {.boot = "w"});
  ask("DELETE", "/v1/leases/task:1?token=1", {}, {.boot = "w"});
  post("/v1/tasks/1/cancel", "{}");
  ask("DELETE", "/v1/boots/w", {}, {.boot = "w"});
  for (std::size_t i = 0; i < views.size(); ++i) {
    EXPECT_NE(get(views[i]).body, then[i]) << views[i] << " must change for this test to show anything";
    const Answer past = get(at(views[i], seq));
    EXPECT_EQ(past.status, 200) << views[i] << ": " << past.body;
    if (views[i].find("stuck") != std::string::npos) continue;  // it says more of the present
    EXPECT_EQ(past.body, then[i]) << views[i];
  }
  EXPECT_EQ(get(at("/v1/stuck?all=true", seq)).at("/items/0/task"), "1");
  EXPECT_EQ(get(at("/v1/stuck?all=true", seq)).at("/items/0/reason"), "\"running\"");
}

TEST_F(PastRoutes, queue_is_what_the_records_say_and_no_more) {
  create("W-1");
  const std::uint64_t seq = last_seq();
  reaper.passes = 12;
  now_us = 9 * us_per_s;
  create("W-2");
  const Answer past = get(at("/queue", seq));
  EXPECT_EQ(past.at("/seq"), std::to_string(seq));
  EXPECT_EQ(past.at("/now"), "\"2026-01-01T00:00:00.000000Z\"");
  EXPECT_EQ(past.at("/tasks/live"), "1");
  EXPECT_EQ(past.at("/reaper/passes_total"), "0") << "what the daemon counts is of now";
  EXPECT_EQ(past.at("/alerts"), "null");
  EXPECT_EQ(past.at("/shares"), "null");
  EXPECT_EQ(get("/queue").at("/reaper/passes_total"), "12");
}

TEST_F(PastRoutes, what_came_later_was_not_there) {
  create("W-1");
  const std::uint64_t seq = last_seq();
  create("W-2");
  post("/v1/tasks/2/cancel", "{}");
  ASSERT_EQ(get("/v1/tasks/2").at("/stage"), "\"cancelled\"") << "it is in the archive by now";
  EXPECT_EQ(get(at("/v1/tasks/2", seq)).code(), "unknown_task");
  EXPECT_EQ(get(at("/v1/tasks/2/history", seq)).code(), "unknown_task");
  EXPECT_EQ(get(at("/v1/jobs/2", seq)).code(), "unknown_job");
  EXPECT_EQ(get(at("/v1/tasks", seq)).at("/items/1"), "missing");
  EXPECT_EQ(get(at("/v1/tasks?stage=cancelled", seq)).at("/items"), "[]");
}

TEST_F(PastRoutes, what_had_ended_before_is_found_in_the_archive) {
  create("W-1");
  post("/v1/tasks/1/cancel", "{}");
  const std::uint64_t seq = last_seq();
  create("W-2");
  EXPECT_EQ(get(at("/v1/tasks/1", seq)).at("/stage"), "\"cancelled\"");
  EXPECT_EQ(get(at("/v1/tasks", seq)).at("/items/0/stage"), "\"cancelled\"");
  EXPECT_EQ(get(at("/v1/tasks", seq)).at("/items/1"), "missing");
  EXPECT_EQ(get(at("/v1/jobs/1", seq)).at("/status"), "\"cancelled\"");
}

TEST_F(PastRoutes, records_of_one_decision_are_seen_together) {
  create("W-1");
  const std::uint64_t before = last_seq();
  post("/v1/settings", R"({"queue.max_concurrency":7,"recovery.max_attempts":5})");
  ASSERT_EQ(last_seq(), before + 2);
  const Answer first = get(at("/v1/settings", before + 1));
  EXPECT_EQ(first.at("/seq"), std::to_string(before + 2));
  EXPECT_EQ(first.body, get("/v1/settings").body);
}

TEST_F(PastRoutes, position_beyond_the_end_is_refused_with_where_the_end_is) {
  const Answer beyond = get(at("/v1/tasks", last_seq() + 1));
  EXPECT_EQ(beyond.status, 404);
  EXPECT_EQ(beyond.code(), "beyond_end");
  EXPECT_NE(beyond.body.find("ends with record " + std::to_string(last_seq())), std::string::npos) << beyond.body;
  EXPECT_EQ(get(at("/v1/tasks", last_seq())).status, 200);
  for (const char* bad : {"0", "-1", "x", "", "1.5", "99999999999999999999"}) {
    EXPECT_EQ(get("/v1/tasks?at=" + std::string(bad)).code(), "malformed") << bad;
  }
  EXPECT_EQ(get("/v1/tasks?at=1&at=2").code(), "malformed");
  EXPECT_EQ(get("/v1/events?at=1").code(), "malformed") << "events are asked for by `after` and `limit`";
}

TEST_F(PastRoutes, every_read_of_the_state_takes_a_position) {
  for (const Route& route : routes()) {
    // Of the present by their nature: health, output, what is found in the whole log, the stream, which has `after`,
    // and the comparison, which has two positions.
    const bool has_none = route.kind != RouteKind::reads || route.role == Role::none || route.path == "/v1/events" ||
                          route.path == "/v1/me" || route.path == "/metrics" || route.path == "/v1/compare" ||
                          route.path.starts_with("/v1/incidents") || route.path.find("/log") != std::string_view::npos;
    const bool takes_one = std::any_of(route.query.begin(), route.query.end(),
                                       [](const Field& field) { return field.name == position_name; });
    EXPECT_NE(takes_one, has_none) << route.method << ' ' << route.path;
  }
}

TEST_F(PastRoutes, batch_may_have_them) {
  create("W-1");
  const std::uint64_t seq = last_seq();
  post("/v1/tasks/1/note", R"({"text":"hm"})");
  post("/v1/tasks/1/cancel", "{}");
  const Answer both = post("/v1/batch", R"({"requests":[{"method":"GET","path":"/v1/tasks/1?at=)" +
                                            std::to_string(seq) + R"("},{"method":"GET","path":"/v1/tasks/1"}]})");
  EXPECT_EQ(both.at("/items/0/body/stage"), "\"analysis\"");
  EXPECT_EQ(both.at("/items/1/body/stage"), "\"cancelled\"");
}

TEST_F(PastRoutes, requests_beyond_a_number_are_refused_at_once) {
  create("W-1");
  PastReads reads(*log, nullptr);
  std::promise<void> go_on;
  const std::shared_future<void> gone_on = go_on.get_future().share();
  std::atomic<int> done{0};
  const auto read = [&, gone_on](const State&) {
    gone_on.wait();
    ++done;
  };
  const auto failed = [](const Error& error) { FAIL() << error.message; };
  for (int i = 0; i < past_reads_max; ++i) EXPECT_TRUE(reads.post(Seq{1}, read, failed)) << i;
  EXPECT_FALSE(reads.post(Seq{1}, read, failed));
  go_on.set_value();
  reads.stop();
  EXPECT_EQ(done, past_reads_max);
}

}  // namespace
}  // namespace pawl
