// The rows themselves, and the lookup.
#include "daemon/api/route_table.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>

#include "schema/layout.h"

namespace pawl {
namespace {

std::string title(const Route& route) {
  return std::string(route.method) + " " + std::string(route.path);
}

std::string found(std::string_view method, std::string_view path) {
  const FoundRoute found = find_route(method, path);
  if (!found.route) return found.is_path_known ? "method" : "path";
  return title(*found.route) + (found.param.empty() ? "" : " of " + std::string(found.param));
}

TEST(RouteTable, the_most_literal_route_is_found) {
  EXPECT_EQ(found("POST", "/v1/jobs/claim"), "POST /v1/jobs/claim");
  EXPECT_EQ(found("GET", "/v1/jobs/claim"), "method") << "'claim' is not a job id";
  EXPECT_EQ(found("GET", "/v1/jobs/7"), "GET /v1/jobs/{id} of 7");
  EXPECT_EQ(found("GET", "/v1/jobs/7/log"), "GET /v1/jobs/{id}/log of 7");
  EXPECT_EQ(found("DELETE", "/v1/leases/task%3A1"), "DELETE /v1/leases/{key} of task%3A1");
  EXPECT_EQ(found("GET", "/v1/tasks/"), "path");
  EXPECT_EQ(found("GET", "/v1/tasks//history"), "path");
  EXPECT_EQ(found("GET", ""), "path");
  EXPECT_EQ(methods_of("/v1/tasks"), "POST, GET, HEAD");
  EXPECT_EQ(methods_of("/v1/jobs/claim"), "POST");
  EXPECT_EQ(methods_of("/nothing"), "");
}

TEST(RouteTable, every_row_is_complete_and_no_two_are_alike) {
  std::set<std::string> titles;
  for (const Route& route : routes()) {
    EXPECT_TRUE(titles.insert(title(route)).second) << title(route) << "appears twice";
    EXPECT_NE(route.function, nullptr) << title(route);
    EXPECT_FALSE(route.summary.empty()) << title(route);
    EXPECT_EQ(std::count(route.path.begin(), route.path.end(), '{'), route.path.find('{') == route.path.npos ? 0 : 1)
        << title(route) << ": a path has at most one parameter";
    EXPECT_EQ(route.unknown_id.has_value(),
              route.path.find("{id}") != route.path.npos && !route.path.starts_with("/v1/boots"))
        << title(route) << ": a route with an id must name a refusal for ids never issued";
    if (route.unknown_id) {
      EXPECT_NE(std::find(route.refusals.begin(), route.refusals.end(), *route.unknown_id), route.refusals.end())
          << title(route) << "does not list the refusal for an unknown id";
    }
    EXPECT_EQ(route.kind == RouteKind::reads, route.method == "GET") << title(route);
    EXPECT_FALSE(route.role < Role::read && route.kind == RouteKind::writes && route.form != BodyForm::delivery)
        << title(route) << ": a route that writes requires a role or a signature";
    const auto is_unknown = [](Outcome outcome) { return outcome == Outcome::accepted || outcome == Outcome::skipped; };
    EXPECT_TRUE(std::none_of(route.refusals.begin(), route.refusals.end(), is_unknown)) << title(route);
  }
}

TEST(RouteTable, required_fields_come_first_and_none_twice) {
  for (const Route& route : routes()) {
    for (const auto* fields : {&route.body, &route.query}) {
      std::set<std::string_view> names;
      for (const Field& field : *fields) {
        EXPECT_TRUE(names.insert(field.name).second) << title(route) << " has " << field.name << " twice";
        EXPECT_FALSE(field.summary.empty()) << title(route) << " " << field.name;
        EXPECT_EQ(field.type == Field::Type::word, !field.words.empty()) << title(route) << " " << field.name;
        EXPECT_FALSE(fields == &route.query && field.type == Field::Type::event) << title(route) << " " << field.name;
      }
    }
    EXPECT_TRUE(std::is_partitioned(route.body.begin(), route.body.end(), [](const Field& field) {
      return field.need == Field::Need::required;
    })) << title(route);
    EXPECT_TRUE(route.form == BodyForm::fields || route.body.empty()) << title(route);
  }
}

TEST(RouteTable, fields_of_events_are_those_of_the_schema) {
  for (const Route& route : routes()) {
    for (const Field& field : route.body) {
      if (field.type != Field::Type::event) continue;
      const bool is_known = std::any_of(route.events.begin(), route.events.end(), [&](fb::Event event) {
        const auto& fields = layout_of(event)->fields;
        return std::any_of(fields.begin(), fields.end(), [&](const auto& each) { return each.name == field.name; });
      });
      EXPECT_TRUE(is_known) << title(route) << ": none of its events has a field " << field.name;
    }
    // A text that the event requires must be a required field: texts have no default.
    if (route.events.size() != 1 || route.form != BodyForm::fields) continue;
    for (const FieldLayout& layout : layout_of(route.events.front())->fields) {
      if (!layout.required || layout.type != FieldLayout::Type::text) continue;
      const bool is_asked = std::any_of(route.body.begin(), route.body.end(), [&](const Field& field) {
        return field.name == layout.name && field.need == Field::Need::required;
      });
      EXPECT_TRUE(is_asked) << title(route) << "does not require " << layout.name;
    }
  }
}

}  // namespace
}  // namespace pawl
