// A route's row determines how its body and query are read.
#include "daemon/api/requests.h"

#include <gtest/gtest.h>

#include "schema/limits.h"

namespace pawl {
namespace {

const Route thing_route = {
    .method = "POST",
    .path = "/v1/things/{id}",
    .events = {fb::Event::TaskNote},
    .form = BodyForm::fields,
    .body = {{.name = "text", .type = Field::Type::event},
             {.name = "who", .type = Field::Type::text, .max = 4},
             {.name = "how", .type = Field::Type::word, .words = {"fast", "slow", "never"}},
             {.name = "count",
              .type = Field::Type::integer,
              .need = Field::Need::optional,
              .min = 1,
              .max = 9,
              .fallback = 5},
             {.name = "loud", .type = Field::Type::flag, .need = Field::Need::optional},
             {.name = "agents", .type = Field::Type::names, .need = Field::Need::optional, .max = 2}},
    .query = {{.name = "key", .type = Field::Type::text},
              {.name = "limit",
               .type = Field::Type::integer,
               .need = Field::Need::optional,
               .min = 1,
               .max = 10,
               .fallback = 3},
              {.name = "why",
               .type = Field::Type::word,
               .need = Field::Need::optional,
               .words = {"clean", "owner_dead", "expired"}}}};

std::string refused_body(std::string_view body) {
  const auto read = RequestBody::read(body, thing_route);
  return read ? "accepted" : read.error().message;
}

std::string refused_query(std::string_view query) {
  const auto read = RequestQuery::read(query, thing_route);
  return read ? "accepted" : read.error().message;
}

TEST(RequestBody, is_read_by_the_row) {
  auto body = RequestBody::read(R"({"text":"t","who":"ann","how":"slow","loud":true,"agents":["a","b"]})", thing_route);
  ASSERT_TRUE(body);
  EXPECT_EQ(body->text("who"), "ann");
  EXPECT_EQ(body->text("how"), "slow");
  EXPECT_EQ(body->integer("count"), 5) << "its fallback";
  EXPECT_EQ(body->flag("loud"), true);
  EXPECT_EQ(body->names("agents"), (std::vector<std::string>{"a", "b"}));
  const boost::json::object& event = body->event_fields();
  EXPECT_EQ(event.size(), 1U) << "only the event's own fields go into it";
  EXPECT_TRUE(event.contains("text"));
}

TEST(RequestBody, null_is_the_same_as_left_out) {
  const auto body = RequestBody::read(R"({"text":"t","who":"ann","how":"slow","count":null,"loud":null})", thing_route);
  ASSERT_TRUE(body);
  EXPECT_EQ(body->integer("count"), 5);
  EXPECT_EQ(body->flag("loud"), std::nullopt);
  EXPECT_TRUE(body->names("agents").empty());
}

TEST(RequestBody, what_is_not_as_the_row_says_is_refused_by_name) {
  EXPECT_EQ(refused_body(R"({"text":"t","who":"ann","how":"slow","x":1})"),
            R"(unknown field "x"; this call has: "text", "who", "how", "count", "loud", "agents")");
  EXPECT_EQ(refused_body(""), R"(field "text" is missing)");
  EXPECT_EQ(refused_body(R"({"text":"t","who":null,"how":"slow"})"), R"(field "who" is missing)");
  EXPECT_EQ(refused_body("[]"), "the body must be a JSON object");
  const auto with = [](const std::string& fields) {
    return refused_body(R"({"text":"t","how":"slow",)" + fields + "}");
  };
  EXPECT_EQ(with(R"("who":1)"), R"(field "who" must be a string)");
  EXPECT_EQ(with(R"("who":"abcde")"), R"(field "who" is longer than 4 bytes)");
  EXPECT_EQ(with("\"who\":\"a\\u0000\""), R"(field "who" contains a NUL byte)");
  const auto also = [&](const std::string& fields) { return with(R"("who":"ann",)" + fields); };
  for (const char* count : {"0", "10", "1.5", "\"1\"", "18446744073709551615"}) {
    EXPECT_EQ(also("\"count\":" + std::string(count)), R"(field "count" must be a whole number from 1 to 9)") << count;
  }
  EXPECT_EQ(also(R"("loud":1)"), R"(field "loud" must be true or false)");
  for (const char* agents : {"[]", R"(["a","b","c"])", "[1]", R"("a")"}) {
    EXPECT_EQ(also("\"agents\":" + std::string(agents)), R"(field "agents" must be a list of 1 to 2 names of agents)");
  }
  EXPECT_EQ(refused_body(R"({"text":"t","who":"ann","how":"often"})"),
            R"(field "how" must be "fast", "slow" or "never")");
}

TEST(RequestBody, fields_are_checked_in_the_order_of_the_row) {
  EXPECT_EQ(refused_body(R"({"count":0,"how":1,"who":1,"text":1})"), R"(field "who" must be a string)");
}

TEST(RequestBody, one_that_the_row_ignores_is_not_looked_at) {
  Route route = thing_route;
  route.form = BodyForm::ignored;
  EXPECT_TRUE(RequestBody::read("{nonsense", route));
}

TEST(RequestBody, settings_are_one_to_sixty_four) {
  Route route = thing_route;
  route.form = BodyForm::settings;
  const std::string wrong = "the body must be an object of 1 to 64 settings by name";
  for (const char* body : {"{}", "[]", "1"}) EXPECT_EQ(RequestBody::read(body, route).error().message, wrong) << body;
  EXPECT_FALSE(RequestBody::read("", route)) << "an empty body is not an object of settings";
  std::string many = "{\"k0\":1";
  for (int i = 1; i < 64; ++i) many += ",\"k" + std::to_string(i) + "\":1";
  EXPECT_EQ(RequestBody::read(many + "}", route)->settings().size(), 64U);
  EXPECT_FALSE(RequestBody::read(many + ",\"k64\":1}", route));
}

TEST(RequestQuery, is_read_by_the_row) {
  const auto query = RequestQuery::read("limit=7&key=a%20b+c&why=expired", thing_route);
  ASSERT_TRUE(query);
  EXPECT_EQ(query->text("key"), "a b c");
  EXPECT_EQ(query->number("limit"), 7);
  EXPECT_EQ(query->text("why"), "expired");
  EXPECT_EQ(RequestQuery::read("key=", thing_route)->number("limit"), 3) << "its fallback";
  EXPECT_EQ(RequestQuery::read("key=", thing_route)->text("why"), std::nullopt);
}

TEST(RequestQuery, what_is_not_as_the_row_says_is_refused_by_name) {
  EXPECT_EQ(refused_query("limit=1"), R"(query parameter "key" is missing)");
  EXPECT_EQ(refused_query("key=a&x=1"), R"(unknown query parameter "x"; this call has: "key", "limit", "why")");
  EXPECT_EQ(refused_query("key=a&key=b"), R"(query parameter "key" is given twice)");
  EXPECT_EQ(refused_query("key=%zz"), R"(query parameter "key=%zz" is not percent-encoded UTF-8)");
  for (const char* limit : {"0", "11", "", "1x", "-1"}) {
    EXPECT_EQ(refused_query("key=a&limit=" + std::string(limit)),
              R"(query parameter "limit" must be a whole number from 1 to 10)")
        << limit;
  }
  EXPECT_EQ(refused_query("key=a&why=tired"), R"(query parameter "why" must be clean, owner_dead or expired)");
}

TEST(RequestQuery, one_that_the_row_has_not_is_not_looked_at) {
  Route route = thing_route;
  route.query.clear();
  EXPECT_TRUE(RequestQuery::read("x=%zz", route));
}

TEST(RequestDeathTest, what_the_row_does_not_declare_cannot_be_read) {
  const auto body = RequestBody::read(R"({"text":"t","who":"ann","how":"slow"})", thing_route);
  const auto query = RequestQuery::read("key=a", thing_route);
  EXPECT_DEATH(static_cast<void>(body->text("text")), "declared") << "the field belongs to the event";
  EXPECT_DEATH(static_cast<void>(body->integer("ttl")), "declared");
  EXPECT_DEATH(static_cast<void>(query->text("after")), "field");
  EXPECT_DEATH(static_cast<void>(query->integer("key")), "type");
}

}  // namespace
}  // namespace pawl
