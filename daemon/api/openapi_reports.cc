// The JSON Schemas of what is told of a log: as tools/forensics/explain_json.cc and incident_render.cc write it.
#include <boost/json/array.hpp>

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include "daemon/api/openapi.h"

namespace pawl {
namespace told {
namespace {

namespace json = boost::json;

json::object text() {
  return {{"type", "string"}};
}
json::object text_or_null() {
  return {{"type", json::array{"string", "null"}}};
}
json::object number() {
  return {{"type", "integer"}};
}
json::object number_or_null() {
  return {{"type", json::array{"integer", "null"}}};
}
json::object flag() {
  return {{"type", "boolean"}};
}
json::object time() {
  return {{"type", "string"}, {"format", "date-time"}};
}
json::object time_or_null() {
  return {{"type", json::array{"string", "null"}}, {"format", "date-time"}};
}
json::object list(json::object items) {
  return {{"type", "array"}, {"items", std::move(items)}};
}
json::object named(std::string_view name) {
  return {{"$ref", "#/components/schemas/" + std::string(name)}};
}

/// An object with exactly these members.
json::object object(std::initializer_list<std::pair<std::string_view, json::object>> members) {
  json::object properties;
  json::array required;
  for (const auto& [name, schema] : members) {
    properties[as_key(name)] = schema;
    required.emplace_back(as_key(name));
  }
  return {{"type", "object"},
          {"properties", std::move(properties)},
          {"required", std::move(required)},
          {"additionalProperties", false}};
}

json::object broken() {
  return {{"anyOf", json::array{object({{"kind", text()}, {"seq", number()}, {"why", text()}, {"raw", text_or_null()}}),
                                json::object{{"type", "null"}}}}};
}

json::object finding() {
  return object({{"kind", text()},
                 {"seq", number()},
                 {"what", text()},
                 {"led_by", list(number())},
                 {"followed_by", list(number())},
                 {"decided", list(text())}});
}

json::object bad_end() {
  return object({{"task", number_or_null()},
                 {"work_item", text_or_null()},
                 {"seq", number_or_null()},
                 {"what", text()},
                 {"cause", number_or_null()},
                 {"by_itself", text_or_null()},
                 {"let_go", number_or_null()},
                 {"decided", list(text())}});
}

json::object story() {
  return object({{"subject", text()},
                 {"log_records", number()},
                 {"log_end", time()},
                 {"torn_at", number_or_null()},
                 {"broken", broken()},
                 {"redacted", flag()},
                 {"tasks", list(object({{"id", number()},
                                        {"work_item", text()},
                                        {"repo", text()},
                                        {"branch", text_or_null()},
                                        {"stage", text()},
                                        {"version", number()},
                                        {"entered_at", time()},
                                        {"entered_by", text()},
                                        {"blocked", text_or_null()}}))},
                 {"lanes", list(text())},
                 {"lane_hosts", list(text_or_null())},
                 {"findings", list(named("Finding"))},
                 {"stays", list(object({{"task", number()},
                                        {"stage", text()},
                                        {"version", number()},
                                        {"from", number()},
                                        {"begun_at", time()},
                                        {"to", number_or_null()}}))},
                 {"spans", list(object({{"kind", text()},
                                        {"label", text()},
                                        {"lane", number()},
                                        {"from", number()},
                                        {"begun_at", time()},
                                        {"to", number_or_null()},
                                        {"ended_at", time_or_null()},
                                        {"how", text_or_null()},
                                        {"holds", flag()}}))},
                 {"entries", list(object({{"seq", number()},
                                          {"lane", number()},
                                          {"refused", flag()},
                                          {"back", flag()},
                                          {"says", text()},
                                          {"notes", list(text())},
                                          {"because", list(number())},
                                          {"findings", list(number())},
                                          {"task", number_or_null()},
                                          {"job", number_or_null()},
                                          {"like", number_or_null()},
                                          {"record", named("Record")}}))}});
}

json::object report() {
  return object(
      {{"log", text()},
       {"begin", time_or_null()},
       {"end", time_or_null()},
       {"records", number()},
       {"first", number()},
       {"torn_at", number_or_null()},
       {"broken", broken()},
       {"incident", named("Finding")},
       {"ended", list(named("BadEnd"))},
       {"trace", list(object({{"seq", number()},
                              {"time", time()},
                              {"actor", text()},
                              {"type", text()},
                              {"outcome", text()},
                              {"says", text()},
                              {"decided", list(text())}}))},
       {"defences",
        list(object({{"change", text()}, {"undoes", number_or_null()}, {"verdict", text()}, {"why", text()}}))},
       {"untried", list(text())},
       {"by_itself", list(named("BadEnd"))},
       {"others", list(named("Finding"))},
       {"open", list(text())},
       {"unknown", list(text())},
       {"stories", list(named("Story"))}});
}

}  // namespace
}  // namespace told

boost::json::object report_schemas() {
  return {{"Finding", told::finding()},
          {"BadEnd", told::bad_end()},
          {"Story", told::story()},
          {"IncidentReport", told::report()}};
}

}  // namespace pawl
