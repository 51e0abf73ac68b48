// The JSON Schemas of what calls answer besides rows, for OpenAPI's document. Each is written as its shape:
//
//   "integer"  "text"  "flag"  "time"  "hex"   a value of that type; with `?` at the end it may be null
//   "this | that"                              one of these texts
//   "#Task"                                    another schema; "#Task?": or null
//   [shape]                                    a list
//   {"name": shape, "more?": shape, …}         an object; the members with `?` may be left out
//   {"*": shape}                               an object by names that are not known here
//   {"&": "#Job", "name": shape, …}            another schema, with more members
//   "id"                                       a number or a text
//   "anything"                                 any JSON
//
// daemon/page/tests/contract compares them with what a daemon answers.
#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>

#include <algorithm>
#include <string>

#include "daemon/api/openapi.h"
#include "schema/json/record_json.h"
#include "schema/result.h"

namespace pawl {
namespace {

namespace json = boost::json;

struct NamedShape {
  std::string_view name;
  std::string_view shape;
};

constexpr NamedShape shapes[] = {
    {"Advanced", R"({"seq": "integer", "reason": "text?", "task": "#Task?",
                     "result": "advanced | deferred | waiting | rolled_back | gate_red | blocked | committed"})"},
    {"Answers", R"({"items": [{"status": "integer", "headers": "#Headers?", "body": "anything"}]})"},
    {"CheckedFinding", R"({"kind": "text", "invariant": "integer?", "seq": "integer", "time": "time?", "boot": "text?",
                           "actor": "text?", "type": "text?", "task": "integer?", "what": "text",
                           "led_by": ["integer"], "followed_by": ["integer"], "decided": ["text"]})"},
    {"Comparison", R"({"from": "integer", "from_time": "time", "to": "integer", "to_time": "time",
                       "rows_total": "integer",
                       "rows": [{"row": "text", "id": "id", "before": "anything", "after": "anything"}]})"},
    {"Delivered", R"({"seq": "integer?", "task": "#Task?", "branch_begins?": "flag?", "reason?": "text?",
                      "result?": "advancing | noted | deferred | ignored | refused", "message?": "text"})"},
    {"Effect", R"({"effect": "text", "id?": "integer", "key?": "text", "token?": "integer", "task?": "integer",
                   "reason?": "text", "job?": "integer", "pid?": "integer"})"},
    {"Head", R"({"seq": "integer", "time": "time", "digest": "hex", "chain": "hex"})"},
    {"Headers", R"({"*": "text"})"},
    {"Health", R"({"status": "ok | starting"})"},
    {"Incidents", R"({"percent": "integer", "audited": "integer?", "head": "integer", "first": "integer?",
                      "records": "integer", "culprit": "integer?", "stopped_at": "integer?",
                      "findings": ["#CheckedFinding"], "findings_total": "integer",
                      "ended": ["#BadEnd"], "ended_total": "integer"})"},
    {"Log", R"({"run": "text", "what": "agent | gate | step | probe", "name": "text?", "stage": "text",
                "version": "integer", "job": "integer?", "attempt": "integer?", "began_at": "time",
                "ended_at": "time?", "bytes": "integer", "kept": "integer"})"},
    {"Me", R"({"role": "read | work | operate", "token": "text?", "principal": "text", "names": ["text"],
                "limits": "text?"})"},
    {"Queue", R"({
      "seq": "integer", "now": "time",
      "tasks": {"live": "integer", "blocked": "integer", "cancel_requested": "integer", "by_stage": {"*": "integer"},
                "done": "integer", "cancelled": "integer"},
      "jobs": {"queued": "integer", "running": "integer", "max_concurrency": "integer", "serial_per_repo": "flag"},
      "running": ["#RunningJob"],
      "queued": [{"id": "integer", "task": "integer", "agent": "text", "stage": "text", "queued_at": "time",
                  "reason": "text?", "priority": "integer", "ahead": "integer?", "work_item": "text", "repo": "text"}],
      "blocked": [{"task": "integer", "stage": "text", "reason": "text", "work_item": "text", "repo": "text"}],
      "reaper": {"enabled": "flag", "interval": "integer", "interval_s": "integer", "last_run_ts": "time?",
                 "last_run_age_s": "integer", "oldest_past_ceiling_s": "integer", "reaped_total": "integer",
                 "last_reaped": "integer?", "lease_reclaimed_total": "integer", "finalizer_liveness_enabled": "flag",
                 "finalizer_defers_total": "integer", "finalizer_owned": ["integer"], "passes_total": "integer",
                 "troubles_total": "integer"},
      "transition_lease": {"enabled": "flag", "active": "integer", "leases": ["#Lease"],
                           "reclaimed_total": "integer", "defers_total": "integer"},
      "stop": {"enabled": "flag", "kill_after_s": "integer", "requested": "integer"},
      "reconciler": {"enabled": "flag", "interval_s": "integer", "last_run_ts": "time?", "passes_total": "integer",
                     "moves_total": "integer", "defers_total": "integer"},
      "alerts": "#AlertCounts?", "forges": "#ForgeCounts?", "messages": "#MessageCounts?", "shares": "#Shares?",
      "webhooks": "#Webhooks?"})"},
    {"AlertCounts", R"({"queued": "integer", "sent_total": "integer", "failed_total": "integer",
                        "dropped_total": "integer"})"},
    {"AlertsTested", R"({"seq": "integer",
                         "destinations": [{"name": "text", "result": "delivered | refused | failed", "why": "text?"}]})"},
    {"ForgeCounts", R"({"waiting": {"*": "integer"}, "told": {"*": "integer"}, "retried": {"*": "integer"},
                        "refused": {"*": "integer"}})"},
    {"MessageCounts", R"({"dropped_total": "integer"})"},
    {"Shares", R"({"held": {"*": "integer"}, "refused": {"*": "integer"}, "evicted": {"*": "integer"},
                   "refused_most": "#RefusedMost?"})"},
    {"RefusedMost", R"([{"principal": "text", "count": "integer"}])"},
    {"Webhooks", R"({"gitea": "#WebhookCounts", "plane": "#WebhookCounts", "github": "#WebhookCounts",
                     "gitlab": "#WebhookCounts", "generic": "#WebhookCounts", "refusals": {"*": "integer"}})"},
    {"WebhookCounts", R"({"configured": "flag", "received": "integer", "calls": "integer", "deferred": "integer",
                          "ignored": "integer", "refused": "integer", "bad_signatures": "integer",
                          "too_long": "integer", "not_configured": "integer"})"},
    {"PipelineInForce", R"({"&": "#Pipeline", "live_tasks": "integer"})"},
    {"Pipelines", R"({"items": ["#PipelineInForce"], "next": "integer?"})"},
    {"Readiness", R"({"ready": "flag", "reason": "text?", "version": "text", "boot": "text?", "seq": "integer?",
                      "free_bytes": "integer?", "free_bytes_floor": "integer?", "free_inodes": "integer?",
                      "free_inodes_floor": "integer?", "reaper_age_s": "integer?", "oldest_past_ceiling_s": "integer?",
                      "torn_from": "integer?", "clock_drift_s": "integer?", "blind": "text?"})"},
    {"ReaperRun", R"({"seq": "integer",
                      "pass": {"jobs": "integer", "reaped": "integer", "finishing": "integer", "deferred": "integer",
                               "leases_reclaimed": "integer", "troubles": "integer"}})"},
    {"RepoInUse", R"({"&": "#Repo", "tasks": "integer", "trouble": "#Trouble?"})"},
    {"Repos", R"({"items": ["#RepoInUse"], "next": "integer?"})"},
    {"RunningJob", R"({"&": "#Job", "work_item": "text", "repo": "text"})"},
    {"SettingsNow", R"({"seq": "integer", "settings": "#Settings",
                        "changed": {"*": {"seq": "integer", "time": "time", "actor": "text", "principal": "text?"}}})"},
    {"StuckTasks", R"({"items": ["#Stuck"], "next": "integer?", "waiting": "integer", "held": {"*": "integer"}})"},
    {"ThisDocument", R"({"openapi": "text", "info": {"*": "text"}, "servers": ["anything"], "security": ["anything"],
                         "paths": {"*": "anything"}, "components": {"*": "anything"}})"},
    {"Trouble", R"({"reason": "text", "since": "time", "words": "text"})"},
};

/// The members of written answers besides the record's seq and the row.
constexpr NamedShape written_members[] = {
    {"branch_begins", R"("flag?")"}, {"cancel_requested", R"("text?")"}, {"token", R"("integer")"}};

json::object named_type(std::string_view word) {
  if (word.starts_with('#')) {
    const std::string to = "#/components/schemas/" + std::string(word.substr(1));
    return {{"$ref", to}};
  }
  if (word == "integer") return {{"type", "integer"}};
  if (word == "text") return {{"type", "string"}};
  if (word == "id") return {{"type", json::array{"integer", "string"}}};
  if (word == "flag") return {{"type", "boolean"}};
  if (word == "time") return {{"type", "string"}, {"format", "date-time"}};
  if (word == "hex") return {{"type", "string"}, {"pattern", "^([0-9a-f]{2})+$"}};
  if (word == "anything") return {{"description", "any JSON"}, {"additionalProperties", true}};
  constexpr std::string_view or_else = " | ";
  PAWL_ASSERT(word.find(or_else) != std::string_view::npos);
  json::array words;
  while (!word.empty()) {
    const std::size_t end = std::min(word.find(or_else), word.size());
    words.emplace_back(as_key(word.substr(0, end)));
    word.remove_prefix(std::min(end + or_else.size(), word.size()));
  }
  return {{"type", "string"}, {"enum", std::move(words)}};
}

bool take_mark(std::string_view& text) {
  const bool is_marked = text.ends_with('?');
  if (is_marked) text.remove_suffix(1);
  return is_marked;
}

json::object schema_of_shape(const json::value& shape) {
  if (const json::string* word = shape.if_string()) {
    std::string_view text(word->data(), word->size());
    const bool may_be_null = take_mark(text);
    json::object schema = named_type(text);
    return may_be_null ? or_null(std::move(schema)) : schema;
  }
  if (const json::array* list = shape.if_array()) {
    return {{"type", "array"}, {"items", schema_of_shape(list->front())}};
  }
  json::object properties;
  json::array required;
  json::array parts;
  for (const auto& member : shape.get_object()) {
    std::string_view name(member.key().data(), member.key().size());
    if (name == "*") return {{"type", "object"}, {"additionalProperties", schema_of_shape(member.value())}};
    if (name == "&") {
      parts.push_back(schema_of_shape(member.value()));
      continue;
    }
    if (!take_mark(name)) required.emplace_back(as_key(name));
    properties[as_key(name)] = schema_of_shape(member.value());
  }
  json::object schema = {{"type", "object"}, {"properties", std::move(properties)}, {"required", std::move(required)}};
  if (parts.empty()) return schema;
  parts.push_back(std::move(schema));
  return {{"allOf", std::move(parts)}};
}

}  // namespace

json::object answer_schemas() {
  json::object schemas;
  for (const NamedShape& each : shapes) schemas[as_key(each.name)] = schema_of_shape(json::parse(as_key(each.shape)));
  return schemas;
}

json::object member_schema(std::string_view name) {
  const auto* found = std::find_if(std::begin(written_members), std::end(written_members),
                                   [&](const NamedShape& each) { return each.name == name; });
  PAWL_ASSERT(found != std::end(written_members));
  return schema_of_shape(json::parse(as_key(found->shape)));
}

}  // namespace pawl
