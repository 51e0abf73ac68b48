// A narrow token against every route: it neither sees nor moves what is out of scope, live or archived.
#include "daemon/api/narrow.h"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "daemon/api/route_table.h"
#include "schema/hex.h"
#include "tests/unit/daemon/served.h"

namespace pawl {
namespace {

std::string token_line(const std::string& name, const std::string& role, const std::string& further) {
  return name + " " + role + " " + hex(hash_of_token(name)) + " " + further + "\n";
}

/// Tasks 1 and 2 are out of scope, 3 and 4 in scope; 1 and 3 are archived, as are their jobs, which have the same
/// numbers. Everything out of scope contains "bank".
class Narrowed : public Served {
 protected:
  Narrowed() {
    access.replace(
        parse_tokens(token_line("narrow", "operate", "repos=shop leases=deploy:") +
                         token_line("coders", "work", "agents=coder,analyst") +
                         token_line("other", "work", "agents=coder") + token_line("keys", "work", "leases=deploy:") +
                         token_line("short", "read", "until=2026-01-01T00:00:10Z") + token_line("wide", "operate", ""),
                     "file")
            .value());
    services_access = &access;
    restart();
    EXPECT_EQ(post("/v1/settings", R"({"queue.max_concurrency":8})").status, 200);
  }

  static Headers as(const std::string& name) {
    return {.authorization = "Bearer " + name, .transport = Transport::tcp};
  }
  Answer narrow(const std::string& method, const std::string& target, const std::string& body = {}) {
    return ask(method, target, body, as("narrow"));
  }

  void submit(const std::string& repo, const std::string& work_item) {
    ASSERT_EQ(post("/v1/tasks", R"({"work_item":")" + work_item + R"(","repo":")" + repo + R"("})").status, 201);
  }

  void boot_of(const std::string& name, const std::string& boot_id) {
    const std::string body = R"({"name":")" + boot_id + R"(","boot_id":")" + boot_id +
                             R"(","pid":7,"pid_start":1,"host":"h","version":"1"})";
    ASSERT_EQ(ask("POST", "/v1/boots", body, as(name)).status, 201);
  }

  void prepare() {
    submit("bank", "bank-1");
    submit("bank", "bank-2");
    submit("shop", "shop-3");
    submit("shop", "shop-4");
    worker("bank-worker");
    ASSERT_EQ(claim("bank-worker", "analyst").at("/job/id"), "1");
    ASSERT_EQ(post("/v1/tasks/1/cancel", R"({"reason":"bank"})").status, 202);
    ASSERT_EQ(post("/v1/jobs/1/finished", R"({"attempt":1,"result":"cancelled"})", {.boot = "bank-worker"}).status,
              200);
    ASSERT_EQ(claim("bank-worker", "analyst").at("/job/id"), "2");
    ASSERT_EQ(post("/v1/tasks/3/cancel", "{}").status, 200);
    for (const int archived : {1, 3}) {
      ASSERT_FALSE(sequencer->ask([&](const State& state) {
        return state.tasks.find(TaskId{static_cast<std::uint64_t>(archived)}) != nullptr;
      }));
    }
    for (const char* key : {"task:2", "repo:bank", "bank-key"}) ASSERT_EQ(lease(key, "bank-worker").status, 201) << key;
    boot_of("narrow", "mine");
    for (const char* key : {"task:4", "repo:shop", "deploy:x"}) {
      ASSERT_EQ(narrow("POST", "/v1/leases", lease_body(key)).status, 201) << key;
    }
    ASSERT_EQ(post("/v1/repos", R"({"repo":"bank"})").status, 201);
    ASSERT_EQ(post("/v1/repos", R"({"repo":"shop"})").status, 201);
    ASSERT_EQ(post("/v1/settings", R"({"stop.enabled":true})").status, 200);
    ASSERT_EQ(post("/v1/tasks/2/note", R"({"text":"bank"})").status, 200);
  }

  static std::string lease_body(const std::string& key) {
    return R"({"key":")" + key + R"(","owner":)" + owner("mine") + "}";
  }

  Access access{std::nullopt, [this] { return TimeUs{1'767'225'600 * us_per_s + now_us.load()}; }};
};

std::string call_named(const Route& route) {
  return std::string(route.method) + " " + std::string(route.path);
}

struct Case {
  Reach reach;
  std::string body = {};
};

/// Every route must be listed here: add each new one with its expected behaviour.
const std::map<std::string, Case>& cases() {
  static const std::map<std::string, Case> all = {
      {"POST /v1/tasks", {Reach::submits}},
      {"GET /v1/tasks", {Reach::filtered}},
      {"GET /v1/tasks/{id}", {Reach::task}},
      {"GET /v1/tasks/{id}/history", {Reach::task}},
      {"GET /v1/tasks/{id}/story", {Reach::everything}},
      {"GET /v1/compare", {Reach::everything}},
      {"POST /v1/holds", {Reach::everything}},
      {"DELETE /v1/holds", {Reach::everything}},
      {"GET /v1/holds", {Reach::everything}},
      {"POST /v1/tasks/{id}/override", {Reach::task, R"({"reason":"now"})"}},
      {"POST /v1/tasks/{id}/approval", {Reach::task, R"({"version":1,"approved":true})"}},
      {"GET /v1/incidents", {Reach::everything}},
      {"GET /v1/incidents/{seq}", {Reach::everything}},
      {"GET /v1/incidents/{seq}/page", {Reach::everything}},
      {"GET /v1/incidents/{seq}/log", {Reach::everything}},
      {"GET /v1/tasks/{id}/logs", {Reach::task}},
      {"GET /v1/tasks/{id}/log", {Reach::task}},
      {"POST /v1/tasks/{id}/transition", {Reach::task, R"({"to":"x","expected_version":9})"}},
      {"POST /v1/tasks/{id}/advance", {Reach::task, "{}"}},
      {"POST /v1/tasks/{id}/cancel", {Reach::task, "{}"}},
      {"POST /v1/tasks/{id}/resolve", {Reach::task, R"({"step":"s","happened":true})"}},
      {"POST /v1/tasks/{id}/retry", {Reach::task, "{}"}},
      {"POST /v1/tasks/{id}/unblock", {Reach::task, "{}"}},
      {"POST /v1/tasks/{id}/note", {Reach::task, R"({"text":"n"})"}},
      {"POST /v1/tasks/{id}/gate", {Reach::task, R"({"gate":"analysis","version":9})"}},
      {"POST /v1/tasks/{id}/steps",
       {Reach::task, R"({"type":"StepStarted","version":9,"step":"s","to":"x","token":1})"}},
      {"POST /v1/leases", {Reach::key}},
      {"GET /v1/leases", {Reach::filtered}},
      {"DELETE /v1/leases/{key}", {Reach::key}},
      {"DELETE /v1/leases", {Reach::key}},
      {"POST /v1/boots", {Reach::filtered}},
      {"GET /v1/boots", {Reach::filtered}},
      {"DELETE /v1/boots/{id}", {Reach::filtered}},
      {"POST /v1/jobs/claim", {Reach::claims}},
      {"GET /v1/jobs", {Reach::filtered}},
      {"GET /v1/jobs/{id}", {Reach::job}},
      {"GET /v1/jobs/{id}/log", {Reach::job}},
      {"POST /v1/jobs/{id}/started", {Reach::job, R"({"attempt":1,"pid":7,"pid_start":1})"}},
      {"POST /v1/jobs/{id}/renew", {Reach::job, R"({"attempt":1})"}},
      {"POST /v1/jobs/{id}/exited", {Reach::job, R"({"attempt":1,"exit_code":0})"}},
      {"POST /v1/jobs/{id}/finished", {Reach::job, R"({"attempt":1,"result":"failed"})"}},
      {"POST /v1/batch", {Reach::filtered}},
      {"GET /v1/events", {Reach::filtered}},
      {"GET /v1/settings", {Reach::everything}},
      {"POST /v1/settings", {Reach::everything}},
      {"GET /v1/pipelines", {Reach::everything}},
      {"POST /v1/pipelines", {Reach::everything}},
      {"POST /v1/repos", {Reach::everything}},
      {"GET /v1/repos", {Reach::filtered}},
      {"DELETE /v1/repos/{repo}", {Reach::everything}},
      {"DELETE /v1/repos", {Reach::everything}},
      {"POST /transition-lease/release", {Reach::everything}},
      {"POST /v1/reaper/run", {Reach::everything}},
      {"POST /v1/alerts/test", {Reach::everything}},
      {"GET /v1/stuck", {Reach::filtered}},
      {"GET /queue", {Reach::everything}},
      {"GET /metrics", {Reach::everything}},
      {"GET /v1/head", {Reach::everything}},
      {"POST /webhooks/gitea", {Reach::open}},
      {"POST /webhooks/plane", {Reach::open}},
      {"POST /webhooks/github", {Reach::open}},
      {"POST /webhooks/gitlab", {Reach::open}},
      {"POST /webhooks/generic", {Reach::open}},
      {"GET /openapi.json", {Reach::open}},
      {"GET /v1/me", {Reach::filtered}},
      {"GET /", {Reach::open}},
      {"GET /api", {Reach::open}},
      {"GET /page/files/{file}", {Reach::open}},
      {"GET /healthz", {Reach::open}},
      {"GET /readyz", {Reach::open}},
  };
  return all;
}

std::string with_id(const Route& route, const std::string& id) {
  std::string path(route.path);
  const std::size_t at = path.find('{');
  if (at != std::string::npos) path.replace(at, path.find('}') - at + 1, id);
  return path;
}

TEST(NarrowRoutes, every_route_says_how_it_keeps_to_the_limits) {
  for (const Route& route : routes()) {
    const auto found = cases().find(call_named(route));
    ASSERT_NE(found, cases().end()) << call_named(route) << " has no case here: show that it is refused or filtered";
    EXPECT_EQ(route.reach, found->second.reach) << call_named(route);
    EXPECT_EQ(route.reach == Reach::open, route.role == Role::none) << call_named(route);
    EXPECT_FALSE(route.reach == Reach::task && route.unknown_id != Outcome::unknown_task) << call_named(route);
    EXPECT_FALSE(route.reach == Reach::job && route.unknown_id != Outcome::unknown_job) << call_named(route);
  }
  EXPECT_EQ(cases().size(), routes().size());
}

TEST_F(Narrowed, what_shows_or_moves_everything_is_refused) {
  prepare();
  const std::uint64_t before = last_seq();
  for (const Route& route : routes()) {
    if (route.reach != Reach::everything) continue;
    const Answer answer = narrow(std::string(route.method), with_id(route, "shop"), "{}");
    EXPECT_EQ(answer.status, 403) << call_named(route) << answer.body;
    EXPECT_EQ(
        answer.at("/error/message"),
        R"("token 'narrow' is limited (repos=shop leases=deploy:), and this call is only for tokens without limits")");
  }
  EXPECT_EQ(last_seq(), before);
}

TEST_F(Narrowed, tasks_and_jobs_outside_are_as_if_never_there) {
  prepare();
  const std::uint64_t before = last_seq();
  for (const Route& route : routes()) {
    if (route.reach != Reach::task && route.reach != Reach::job) continue;
    const std::string method(route.method);
    const std::string& body = cases().at(call_named(route)).body;
    const Answer never = narrow(method, with_id(route, "99"), body);
    EXPECT_EQ(never.status, 404) << call_named(route) << never.body;
    EXPECT_EQ(never.code(), route.reach == Reach::task ? "unknown_task" : "unknown_job") << call_named(route);
    for (const char* outside : {"1", "2"}) {
      const Answer answer = narrow(method, with_id(route, outside), body);
      EXPECT_EQ(answer.status, never.status) << call_named(route) << outside;
      EXPECT_EQ(answer.body, never.body) << call_named(route) << outside;
    }
  }
  EXPECT_EQ(last_seq(), before) << "must not be recorded";
}

TEST_F(Narrowed, tasks_and_jobs_inside_are_as_for_others) {
  prepare();
  for (const Route& route : routes()) {
    if (route.reach != Reach::task && route.reach != Reach::job) continue;
    for (const char* inside : {"3", "4"}) {
      const Answer answer =
          narrow(std::string(route.method), with_id(route, inside), cases().at(call_named(route)).body);
      EXPECT_NE(answer.status, 400) << call_named(route) << answer.body;
      EXPECT_EQ(answer.body.find("forbidden"), std::string::npos) << call_named(route) << answer.body;
      EXPECT_EQ(answer.body.find("\"unknown_"), std::string::npos) << call_named(route) << inside << answer.body;
    }
  }
}

TEST_F(Narrowed, keys_outside_are_neither_taken_nor_given_back) {
  prepare();
  const auto ask_for = [&](const Route& route, const std::string& key) {
    if (route.method == "POST") return narrow("POST", "/v1/leases", lease_body(key));
    const bool is_in_path = route.path.ends_with("}");
    return narrow("DELETE", is_in_path ? "/v1/leases/" + key + "?token=1" : "/v1/leases?token=1&key=" + key);
  };
  const std::uint64_t before = last_seq();
  for (const Route& route : routes()) {
    if (route.reach != Reach::key) continue;
    const Answer never = ask_for(route, "task:99");
    EXPECT_EQ(never.code(), "unknown_task") << call_named(route);
    for (const char* outside : {"task:1", "task:2", "task:x"}) {
      EXPECT_EQ(ask_for(route, outside).body, never.body) << call_named(route) << outside;
    }
    for (const char* outside : {"repo:bank", "bank-key", "free", "a-deploy:x"}) {
      const Answer answer = ask_for(route, outside);
      EXPECT_EQ(answer.status, 403) << call_named(route) << outside << answer.body;
    }
  }
  EXPECT_EQ(last_seq(), before);
  for (const Route& route : routes()) {
    if (route.reach != Reach::key) continue;
    for (const char* inside : {"task:4", "repo:shop", "deploy:x", "deploy:y"}) {
      const Answer answer = ask_for(route, inside);
      EXPECT_NE(answer.status, 403) << call_named(route) << inside << answer.body;
      EXPECT_NE(answer.status, 404) << call_named(route) << inside << answer.body;
    }
  }
}

TEST_F(Narrowed, lists_and_the_log_have_what_is_inside_alone) {
  prepare();
  const std::map<std::string, std::string> shows = {{"GET /v1/tasks", "shop-4"},    {"GET /v1/jobs", "\"task\":4"},
                                                    {"GET /v1/leases", "deploy:x"}, {"GET /v1/boots", "\"mine\""},
                                                    {"GET /v1/events", "shop-4"},   {"GET /v1/repos", "\"shop\""},
                                                    {"GET /v1/stuck", "shop-4"}};
  for (const Route& route : routes()) {
    // What /v1/me says is about the requester alone.
    if (route.reach != Reach::filtered || route.method != "GET" || route.path == "/v1/me") continue;
    ASSERT_TRUE(shows.contains(call_named(route))) << call_named(route) << ": list which of its rows are in scope";
    const std::string target = std::string(route.path) + (route.path == "/v1/stuck" ? "?all=true" : "");
    const Answer seen = narrow("GET", target);
    EXPECT_EQ(seen.status, 200) << call_named(route);
    EXPECT_NE(seen.body.find(shows.at(call_named(route))), std::string::npos) << call_named(route) << seen.body;
    EXPECT_EQ(seen.body.find("bank"), std::string::npos) << call_named(route) << seen.body;
    for (const char* outside :
         {"\"task\":1,", "\"task\":2,", "\"job\":1,", "\"job\":2,", "\"task\":1}", "\"task\":2}"}) {
      EXPECT_EQ(seen.body.find(outside), std::string::npos) << call_named(route) << outside << seen.body;
    }
    EXPECT_NE(get(target).body.find("bank"), std::string::npos) << call_named(route) << ": other tokens see it";
  }
}

TEST_F(Narrowed, log_is_followed_past_what_is_kept) {
  prepare();
  const Answer all = narrow("GET", "/v1/events");
  EXPECT_EQ(all.header("Pawl-Next"), std::to_string(last_seq())) << "a withheld record is not requested again";
  auto waiting = begin("GET", "/v1/events?wait_s=60&after=" + std::to_string(last_seq()), "", as("narrow"));
  ASSERT_EQ(post("/v1/tasks/2/note", R"({"text":"bank"})").status, 200);
  EXPECT_EQ(waiting.wait_for(std::chrono::seconds(0)), std::future_status::timeout);
  ASSERT_EQ(post("/v1/tasks/4/note", R"({"text":"for shop"})").status, 200);
  const Answer answer = waiting.get();
  EXPECT_NE(answer.body.find("for shop"), std::string::npos) << answer.body;
  EXPECT_EQ(answer.body.find("bank"), std::string::npos) << answer.body;
}

TEST_F(Narrowed, stream_leaves_out_what_is_kept) {
  prepare();
  Headers headers = as("narrow");
  headers.accept = "text/event-stream";
  ASSERT_EQ(ask("GET", "/v1/events", "", headers).status, 200);
  ASSERT_TRUE(stream);
  std::promise<std::string> piece;
  stream->next([&](std::optional<std::string> text) { piece.set_value(text.value_or("ended")); });
  const std::string text = piece.get_future().get();
  EXPECT_NE(text.find("shop-4"), std::string::npos) << text;
  EXPECT_EQ(text.find("bank"), std::string::npos) << text;
}

TEST_F(Narrowed, submits_within_bounds_alone) {
  prepare();
  const std::uint64_t before = last_seq();
  EXPECT_EQ(narrow("POST", "/v1/tasks", R"({"work_item":"n","repo":"bank"})").status, 403);
  for (const char* outside : {"1", "2", "99"}) {
    const Answer answer =
        narrow("POST", "/v1/tasks", R"({"work_item":"n","repo":"shop","depends_on":[4,)" + std::string(outside) + "]}");
    EXPECT_EQ(answer.code(), "unknown_task") << outside << answer.body;
  }
  EXPECT_EQ(last_seq(), before);
  EXPECT_EQ(narrow("POST", "/v1/tasks", R"({"work_item":"n","repo":"shop","depends_on":[3,4]})").status, 201);
}

TEST_F(Narrowed, claims_pass_over_jobs_of_other_repositories) {
  submit("bank", "bank-1");
  submit("shop", "shop-2");
  boot_of("narrow", "mine");
  const std::string wish = R"({"agents":["analyst"],"owner":)" + owner("mine") + "}";
  EXPECT_EQ(narrow("POST", "/v1/jobs/claim", wish).at("/job/task"), "2");
  EXPECT_EQ(narrow("POST", "/v1/jobs/claim", wish).status, 204);
}

TEST_F(Narrowed, claims_are_for_its_agents_alone) {
  submit("shop", "shop-1");
  boot_of("other", "others");
  boot_of("coders", "coders");
  const auto wish = [](const std::string& agents, const std::string& boot_id) {
    return R"({"agents":[)" + agents + R"(],"owner":)" + owner(boot_id) + "}";
  };
  EXPECT_EQ(ask("POST", "/v1/jobs/claim", wish(R"("coder","analyst")", "others"), as("other")).code(), "forbidden");
  EXPECT_EQ(ask("POST", "/v1/jobs/claim", wish(R"("coder")", "others"), as("other")).status, 204);
  EXPECT_EQ(ask("GET", "/v1/jobs/1", "", as("other")).code(), "unknown_job");
  EXPECT_EQ(ask("GET", "/v1/jobs", "", as("other")).at("/items"), "[]");
  EXPECT_EQ(ask("GET", "/v1/tasks/1", "", as("other")).status, 200) << "its tasks are not limited";
  EXPECT_EQ(ask("POST", "/v1/jobs/claim", wish(R"("analyst")", "coders"), as("coders")).at("/job/id"), "1");
  EXPECT_EQ(ask("GET", "/v1/tasks/1/history", "", as("other")).body.find("JobClaimed"), std::string::npos);
  EXPECT_NE(ask("GET", "/v1/tasks/1/history", "", as("coders")).body.find("JobClaimed"), std::string::npos);
}

TEST_F(Narrowed, claim_that_is_repeated_shows_no_job_that_is_outside_by_now) {
  submit("bank", "bank-1");
  boot_of("wide", "mine");
  const std::string wish = R"({"agents":["analyst"],"owner":)" + owner("mine") + "}";
  Headers keyed = as("wide");
  keyed.key = "once";
  ASSERT_EQ(ask("POST", "/v1/jobs/claim", wish, keyed).at("/job/id"), "1");
  access.replace(parse_tokens(token_line("wide", "operate", "repos=shop"), "file").value());
  const Answer again = ask("POST", "/v1/jobs/claim", wish, keyed);
  EXPECT_EQ(again.at("/job"), "null") << again.body;
}

TEST_F(Narrowed, boots_are_its_own) {
  worker("bank-worker");
  boot_of("narrow", "mine");
  EXPECT_EQ(narrow("GET", "/v1/boots").at("/items/0/boot_id"), "\"mine\"");
  EXPECT_EQ(narrow("GET", "/v1/boots").at("/items/1"), "missing");
  const std::uint64_t before = last_seq();
  const Answer of_others = narrow("DELETE", "/v1/boots/bank-worker");
  EXPECT_EQ(of_others.code(), "unknown_boot");
  EXPECT_EQ(of_others.body, narrow("DELETE", "/v1/boots/never").body);
  EXPECT_EQ(last_seq(), before);
  EXPECT_EQ(narrow("DELETE", "/v1/boots/mine").status, 200);
}

TEST_F(Narrowed, by_keys_alone_sees_all_tasks_and_its_leases) {
  prepare();
  EXPECT_EQ(ask("GET", "/v1/tasks/2", "", as("keys")).status, 200);
  const std::string seen = ask("GET", "/v1/leases", "", as("keys")).body;
  EXPECT_NE(seen.find("deploy:x"), std::string::npos);
  EXPECT_EQ(seen.find("task:4"), std::string::npos);
  boot_of("keys", "keys");
  const std::string wish = R"({"key":"task:2","owner":)" + owner("keys") + "}";
  EXPECT_EQ(ask("POST", "/v1/leases", wish, as("keys")).code(), "forbidden");
}

TEST_F(Narrowed, token_that_has_ended_is_as_one_that_is_not_known) {
  EXPECT_EQ(ask("GET", "/queue", "", as("short")).status, 200) << "an expiry is not a limit";
  now_us = 10 * us_per_s - 1;
  EXPECT_EQ(ask("GET", "/queue", "", as("short")).status, 200);
  now_us = 10 * us_per_s;
  const Answer ended = ask("GET", "/queue", "", as("short"));
  EXPECT_EQ(ended.status, 401);
  EXPECT_EQ(ended.body, ask("GET", "/queue", "", as("never")).body);
  Headers over_socket = as("short");
  over_socket.transport = Transport::unix_socket;
  EXPECT_EQ(ask("GET", "/queue", "", over_socket).status, 401);
}

TEST_F(Narrowed, what_was_meant_is_one_of_the_repositories_that_it_may_see) {
  access.replace(
      parse_tokens(token_line("team", "operate", "repos=team/*") + token_line("wide", "operate", ""), "file").value());
  for (const std::string repo : {"tam/shpo", "team/shop"}) {
    ASSERT_EQ(post("/v1/repos", R"({"repo":")" + repo + R"("})").status, 201);
  }
  const std::string wanted = R"({"work_item":"W-1","repo":"team/shpo"})";
  const Answer wide = ask("POST", "/v1/tasks", wanted, as("wide"));
  EXPECT_EQ(wide.code(), "unknown_repo");
  EXPECT_NE(wide.body.find("did you mean 'tam/shpo'?"), std::string::npos) << wide.body;
  const Answer narrow = ask("POST", "/v1/tasks", wanted, as("team"));
  EXPECT_EQ(narrow.code(), "unknown_repo");
  EXPECT_NE(narrow.body.find("did you mean 'team/shop'?"), std::string::npos) << narrow.body;
  EXPECT_EQ(narrow.body.find("tam/"), std::string::npos) << narrow.body;
}

}  // namespace
}  // namespace pawl
