// The web page as pawld serves it: its files, how long they may be kept, and what they may load.
#include "daemon/api/page.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>

#include "daemon/api/starting.h"
#include "schema/hex.h"
#include "tests/unit/daemon/served.h"

namespace pawl {
namespace {

std::string header_of(const HttpResponse& response, std::string_view name) {
  for (const auto& [key, value] : response.headers) {
    if (key == name) return value;
  }
  return {};
}

/// The script of a page: "index", or "api".
const PageFile& script(const std::string& of = "index") {
  const auto files = page_files();
  return *std::find_if(files.begin(), files.end(), [&](const PageFile& file) {
    return file.name.starts_with(of + "-") && file.name.ends_with(".js");
  });
}

std::map<std::string, HttpResponse> pages() {
  return {{"index", page_index_answer({})}, {"api", page_api_answer({})}};
}

TEST(Page, pages_name_files_that_are_there_and_have_no_script_within) {
  for (const auto& [page, answer] : pages()) {
    EXPECT_NE(answer.body.find(script(page).name), std::string::npos) << page;
    EXPECT_EQ(answer.body.find("<script>"), std::string::npos) << page;
    EXPECT_EQ(answer.body.find("<style"), std::string::npos) << page;
    EXPECT_EQ(answer.body.find("https://"), std::string::npos) << page;
  }
}

TEST(Page, pages_are_two) {
  EXPECT_NE(page_index_answer({}).body, page_api_answer({}).body);
}

TEST(Page, pages_are_asked_for_again_and_their_files_are_kept) {
  for (const auto& [page, answer] : pages()) {
    EXPECT_EQ(answer.status, 200) << page;
    EXPECT_EQ(answer.content_type, "text/html; charset=utf-8") << page;
    EXPECT_EQ(header_of(answer, "Cache-Control"), "no-cache") << page;
  }
  const HttpResponse file = page_file_answer(script().name, {});
  EXPECT_EQ(file.status, 200);
  EXPECT_EQ(file.content_type, "text/javascript; charset=utf-8");
  EXPECT_NE(header_of(file, "Cache-Control").find("immutable"), std::string::npos);
  EXPECT_EQ(header_of(page_file_answer("licences.txt", {}), "Cache-Control"), "no-cache");
}

TEST(Page, unchanged_file_is_304_without_a_body) {
  const std::string etag = header_of(page_index_answer({}), "ETag");
  for (const std::string& known : {etag, "W/" + etag, "\"other\", " + etag, std::string("*")}) {
    const HttpResponse again = page_index_answer(known);
    EXPECT_EQ(again.status, 304) << known;
    EXPECT_EQ(again.body, "");
    EXPECT_EQ(header_of(again, "ETag"), etag);
  }
  EXPECT_EQ(page_index_answer("\"other\"").status, 200);
}

TEST(Page, policy_lets_it_load_its_own_files_alone) {
  const std::string policy = header_of(page_index_answer({}), "Content-Security-Policy");
  EXPECT_EQ(header_of(page_api_answer({}), "Content-Security-Policy"), policy);
  EXPECT_TRUE(policy.starts_with("default-src 'none'; script-src 'self';")) << policy;
  EXPECT_EQ(policy.find("unsafe"), std::string::npos) << policy;
  EXPECT_EQ(policy.find("http"), std::string::npos) << policy;
  EXPECT_NE(policy.find("frame-ancestors 'none'"), std::string::npos) << policy;
  EXPECT_EQ(header_of(page_file_answer(script().name, {}), "X-Content-Type-Options"), "nosniff");
}

TEST(Page, file_that_is_not_there_is_404) {
  for (const char* name : {"index-gone.js", "index.html", "api.html", "", "..", "../index.html"}) {
    EXPECT_EQ(page_file_answer(name, {}).status, 404) << name;
  }
}

TEST(Page, is_served_while_the_daemon_starts) {
  EXPECT_EQ(starting_answer({.method = "GET", .path = "/"}, "1").body, page_index_answer({}).body);
  EXPECT_EQ(starting_answer({.method = "GET", .path = "/api"}, "1").body, page_api_answer({}).body);
  const std::string path = "/page/files/" + std::string(script().name);
  EXPECT_EQ(starting_answer({.method = "GET", .path = path}, "1").body, script().body);
  EXPECT_EQ(starting_answer({.method = "POST", .path = "/"}, "1").status, 503);
}

class PageRoutes : public Served {
 protected:
  void with_tokens() {
    const auto line = [](const std::string& name, const std::string& role, const std::string& further) {
      return name + " " + role + " " + hex(hash_of_token(name)) + further + "\n";
    };
    access.replace(
        parse_tokens(line("reader", "read", "") + line("narrow", "operate", " repos=shop groups=release,ops"), "file")
            .value());
    services_access = &access;
    restart();
  }
  static Headers as(const std::string& name) {
    return {.authorization = name.empty() ? "" : "Bearer " + name, .transport = Transport::tcp};
  }

  Access access;
};

TEST_F(PageRoutes, page_needs_no_token_and_what_it_shows_does) {
  with_tokens();
  EXPECT_EQ(ask("GET", "/", "", as("")).status, 200);
  EXPECT_EQ(ask("GET", "/api", "", as("")).status, 200);
  EXPECT_EQ(ask("GET", "/page/files/" + std::string(script().name), "", as("")).status, 200);
  EXPECT_EQ(ask("GET", "/page/files/none.js", "", as("")).code(), "no_such_path");
  EXPECT_EQ(ask("GET", "/v1/me", "", as("")).status, 401);
}

TEST_F(PageRoutes, me_is_what_the_token_is) {
  EXPECT_EQ(get("/v1/me").at("/role"), "\"operate\"");
  EXPECT_EQ(get("/v1/me").at("/token"), "null");
  with_tokens();
  const Answer reader = ask("GET", "/v1/me", "", as("reader"));
  EXPECT_EQ(reader.body, R"({"role":"read","token":"reader","principal":"token:reader","names":[],"limits":null})");
  EXPECT_EQ(ask("GET", "/v1/me", "", as("narrow")).at("/limits"), "\"repos=shop\"");
  EXPECT_EQ(ask("GET", "/v1/me", "", as("narrow")).at("/names"), R"(["group:release","group:ops"])");
}

TEST_F(PageRoutes, settings_say_who_set_them) {
  EXPECT_EQ(get("/v1/settings").at("/changed"), "{}");
  const Answer set = post("/v1/settings", R"({"queue.max_concurrency":5})", {.actor = "ada"});
  ASSERT_EQ(set.status, 200);
  const Answer settings = get("/v1/settings");
  EXPECT_EQ(settings.at("/changed/queue.max_concurrency/seq"), set.at("/seq"));
  EXPECT_EQ(settings.at("/changed/queue.max_concurrency/actor"), "\"ada\"");
  EXPECT_EQ(settings.at("/changed/stop.enabled"), "missing");
}

TEST_F(PageRoutes, live_tasks_are_listed_without_the_finished_ones) {
  ASSERT_EQ(post("/v1/tasks", R"({"work_item":"W-1","repo":"shop"})").status, 201);
  ASSERT_EQ(post("/v1/tasks", R"({"work_item":"W-2","repo":"shop"})").status, 201);
  ASSERT_EQ(post("/v1/tasks/1/cancel", "{}").status, 200);
  EXPECT_EQ(get("/v1/tasks").at("/items/0/work_item"), "\"W-1\"");
  const Answer live = get("/v1/tasks?live=true");
  EXPECT_EQ(live.at("/items/0/work_item"), "\"W-2\"");
  EXPECT_EQ(live.at("/items/1"), "missing");
  EXPECT_EQ(live.at("/next"), "null");
  EXPECT_EQ(get("/v1/tasks?live=perhaps").status, 400);
}

}  // namespace
}  // namespace pawl
