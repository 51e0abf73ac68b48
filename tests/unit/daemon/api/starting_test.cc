#include "daemon/api/starting.h"

#include <boost/json/parse.hpp>
#include <gtest/gtest.h>

#include <algorithm>

#include "daemon/api/route_table.h"

namespace pawl {
namespace {

HttpResponse while_starting(std::string_view method, std::string_view path) {
  return starting_answer({.method = method, .path = path}, "1.2.3");
}

boost::json::object body_of(const HttpResponse& response) {
  return boost::json::parse(response.body).as_object();
}

bool asks_to_come_again(const HttpResponse& response) {
  const std::pair<std::string, std::string> wanted("Retry-After", "1");
  return std::find(response.headers.begin(), response.headers.end(), wanted) != response.headers.end();
}

TEST(StartingAnswers, daemon_is_alive_and_not_ready) {
  EXPECT_EQ(while_starting("GET", "/healthz").status, 200);
  EXPECT_EQ(body_of(while_starting("GET", "/healthz")).at("status"), "starting");
  const HttpResponse readiness = while_starting("GET", "/readyz");
  EXPECT_EQ(readiness.status, 503);
  EXPECT_EQ(body_of(readiness).at("ready"), false);
  EXPECT_EQ(body_of(readiness).at("reason"), "starting");
  EXPECT_EQ(body_of(readiness).at("version"), "1.2.3");
  EXPECT_TRUE(asks_to_come_again(readiness));
}

TEST(StartingAnswers, what_is_not_known_yet_is_null_and_not_missing) {
  const boost::json::object readiness = body_of(while_starting("GET", "/readyz"));
  for (const std::string_view member : route_named("GET", "/readyz").answer.members) {
    EXPECT_TRUE(readiness.contains({member.data(), member.size()})) << member;
  }
  EXPECT_TRUE(readiness.at("seq").is_null());
  EXPECT_TRUE(readiness.at("boot").is_null());
}

TEST(StartingAnswers, all_else_is_for_later) {
  for (const auto& [method, path] : {std::pair<const char*, const char*>{"GET", "/v1/tasks"},
                                     {"POST", "/v1/tasks"},
                                     {"POST", "/healthz"},
                                     {"GET", "/no/such/path"}}) {
    const HttpResponse response = while_starting(method, path);
    EXPECT_EQ(response.status, 503) << method << ' ' << path;
    EXPECT_EQ(body_of(response).at("error").at("code"), "starting");
    EXPECT_TRUE(asks_to_come_again(response));
  }
}

}  // namespace
}  // namespace pawl
