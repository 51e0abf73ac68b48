// The examples of OpenAPI's document: what a client would send, and what it would get.
#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>

#include <string>

#include "daemon/api/answers.h"
#include "daemon/api/openapi.h"
#include "engine/json/state_json.h"

namespace pawl {
namespace {

namespace json = boost::json;

constexpr TimeUs then{1'767'225'600'000'000};  // 2026-01-01

struct Example {
  std::string_view field;
  std::string_view json;
};

/// For fields of one meaning wherever they are.
constexpr Example examples[] = {
    {"work_item", R"("SHOP-12")"},
    {"repo", R"("shop")"},
    {"branch", R"("fix/login")"},
    {"pipeline", R"("delivery")"},
    {"stage", R"("review")"},
    {"depends_on", "[11]"},
    {"priority", "5"},
    {"not_before", R"("2026-12-24T18:00:00Z")"},
    {"clear_not_before", "true"},
    {"to", R"("testing")"},
    {"step", R"("merge")"},
    {"gate", R"("review")"},
    {"agent", R"("developer")"},
    {"agents", R"(["developer"])"},
    {"reason", R"("the migration has to go first")"},
    {"text", R"("looked at with the operations team")"},
    {"key", R"("task:12")"},
    {"edge", R"("review->testing")"},
    {"owner", R"({"boot_id":"4f1c","pid":4711,"actor":"worker"})"},
    {"boot_id", R"("4f1c")"},
    {"host", R"("build-1")"},
    {"version", "2"},
    {"url", R"("https://git.example/shop.git")"},
    {"type", R"("StepStarted")"},
    {"outcome", R"("done")"},
    {"by", R"("command")"},
    {"result", R"("done")"},
    {"run", R"("9c0e")"},
    {"pid", "4711"},
    {"pid_start", "183000"},
};

struct OfRoute {
  std::string_view path;
  std::string_view field;
  std::string_view json;
};

/// Where a field means something else.
constexpr OfRoute of_routes[] = {
    {"/v1/boots", "name", R"("worker-1")"},
    {"/v1/boots", "version", R"("1.4")"},
    {"/v1/boots", "reason", R"("clean")"},
    {"/v1/boots/{id}", "reason", R"("clean")"},
    {"/v1/pipelines", "name", R"("small")"},
    {"/v1/pipelines", "stages",
     R"([{"name":"build","agent":"developer","gate":{"run":["make","check"]},"to":"done","steps":[]}])"},
    {"/v1/pipelines", "agents", R"([{"name":"developer"}])"},
    {"/v1/pipelines", "branch", R"("existing")"},
    {"/v1/pipelines", "env", R"([{"name":"LANG","value":"C.UTF-8"}])"},
    {"/v1/pipelines", "calendar",
     R"({"zone":"Europe/Berlin","closed":[{"from":"fri 16:00","until":"mon 08:00","reason":"the weekend"}]})"},
    {"/v1/holds", "place", R"("repo:shop")"},
    {"/v1/holds", "until", R"("2026-12-24T18:00:00Z")"},
    {"/v1/compare", "from", "340"},
    {"/v1/compare", "to", "345"},
    {"/v1/leases", "after", R"("task:12")"},
    {"/v1/boots", "after", R"("4f1c")"},
    {"/v1/tasks/{id}/logs", "after", R"("agent-31-1")"},
};

Owner owner() {
  return {.boot_id = "4f1c", .pid = 4711, .actor = "worker"};
}

Task task() {
  Task row{.id = TaskId{12}, .work_item = "SHOP-12", .repo = "shop", .branch = "fix/login", .pipeline = Seq{3}};
  row.stage = "review";
  row.version = Version{2};
  row.last = {.seq = Seq{340}, .boot = "4f1c", .actor = "executor"};
  row.created = row.entered = then;
  return row;
}

Job job() {
  Job row{.id = JobId{31}, .task = TaskId{12}, .agent = "developer", .stage = "review", .version = Version{2}};
  row.status = JobStatus::running;
  row.attempts = 1;
  row.max_attempts = 2;
  row.reason = "advanced";
  row.queued = then;
  row.run = Run{.id = RunId{40}, .owner = owner(), .claimed = then};
  return row;
}

Lease lease() {
  return {.key = "task:12",
          .token = Token{9},
          .owner = owner(),
          .edge = "review->testing",
          .ttl_s = 60,
          .acquired = then,
          .renewed = then};
}

Boot boot() {
  return {.boot_id = "4f1c",
          .name = "worker-1",
          .pid = 4711,
          .pid_start = 183'000,
          .host = "build-1",
          .version = "1.4",
          .started = Seq{8},
          .member = {},
          .time_ns = {},
          .boottime_us = {},
          .started_at = {},
          .principal = "token:worker"};
}

PipelineRow pipeline() {
  Pipeline small;
  small.name = "small";
  small.agents.push_back({.name = "developer"});
  small.stages.push_back({.name = "build", .agent = "developer", .to = "done"});
  return {.seq = Seq{3},
          .in_force = true,
          .definition = std::make_shared<const Pipeline>(std::move(small)),
          .given = false};
}

json::value story() {
  return json::parse(
      R"json({"subject":"task 12","log_records":345,"log_end":"2026-01-01T00:00:09.000000Z","torn_at":null,
    "broken":null,"redacted":false,"tasks":[{"id":12,"work_item":"SHOP-12","repo":"shop","branch":"fix/login",
    "stage":"review","version":2,"entered_at":"2026-01-01T00:00:00.000000Z","entered_by":"executor","blocked":null}],
    "lanes":["operator"],"lane_hosts":[null],"findings":[],"stays":[{"task":12,"stage":"review","version":2,"from":340,
    "begun_at":"2026-01-01T00:00:00.000000Z","to":null}],"spans":[],"entries":[{"seq":341,"lane":0,"refused":false,
    "back":false,"says":"notes: looked at","notes":[],"because":[],"findings":[],"task":12,"job":null,"like":null,
    "record":{"seq":341,"group":341,"rules":2,"time":"2026-01-01T00:00:01.000000Z","boot":"4f1c","actor":"operator",
    "key":null,"request":null,"type":"TaskNote","data":{"task":12,"text":"looked at"},"outcome":"accepted",
    "unchecked":false,"effects":null,"digest":"00ff","chain":"00ff"}}]})json");
}

json::value report() {
  return json::parse(R"json({"log":"this daemon's log","begin":"2026-01-01T00:00:00.000000Z",
    "end":"2026-01-01T00:00:09.000000Z","records":345,"first":1,"torn_at":null,"broken":null,"incident":{
    "kind":"incident","seq":18,"what":"recovery.max_interruptions was set to 0 by operator (before: 5)","led_by":[],
    "followed_by":[22],"decided":["22: 1 interruption > 0 (recovery.max_interruptions, set by 18)"]},"ended":[{
    "task":12,"work_item":"SHOP-12","seq":22,"what":"task 12 (SHOP-12) was blocked: job_failed","cause":18,
    "by_itself":null,"let_go":null,"decided":[]}],"trace":[{"seq":18,"time":"2026-01-01T00:00:01.000000Z",
    "actor":"operator","type":"SettingChanged","outcome":"accepted","says":"sets recovery.max_interruptions to 0",
    "decided":[]}],"defences":[{"change":"recovery.max_interruptions=5","undoes":18,"verdict":"prevented",
    "why":"the story goes past it"}],"untried":[],"by_itself":[],"others":[],"open":[],"unknown":[],"stories":[]
})json");
}

template <class Row>
json::value as_sent(const Row& row) {
  std::string text;
  append_json(text, row);
  return json::parse(text);
}

/// The example of a row; null if there is none.
json::value row_named(std::string_view of) {
  if (of == "task") return as_sent(task());
  if (of == "job") return as_sent(job());
  if (of == "lease") return as_sent(lease());
  if (of == "boot") return as_sent(boot());
  if (of == "pipeline") return as_sent(pipeline());
  if (of == "repo")
    return as_sent(RepoRow{.repo = "shop", .declared = true, .url = "https://git.example/shop.git", .given = {}});
  if (of == "settings") return as_sent(Settings());
  if (of == "story") return story();
  if (of == "report") return report();
  return nullptr;
}

json::value least(const json::object& schema);

/// A value of the schema that a reference leads to.
json::value least_of(std::string_view reference) {
  const std::string_view name = reference.substr(reference.rfind('/') + 1);
  for (const char* of : {"task", "job", "lease", "boot", "pipeline", "repo", "settings", "story", "report"}) {
    if (schema_of(of) == name) return row_named(of);
  }
  static const json::object schemas = answer_schemas();
  static const json::object rows = row_schemas();
  static const json::object reports = report_schemas();
  for (const json::object* each : {&schemas, &rows, &reports}) {
    if (const json::value* found = each->if_contains(as_key(name))) return least(found->get_object());
  }
  PAWL_ASSERT(false);
}

/// The least value that the schema allows, with something in its lists.
json::value least(const json::object& schema) {
  if (const json::value* to = schema.if_contains("$ref")) {
    return least_of({to->get_string().data(), to->get_string().size()});
  }
  if (const json::value* any = schema.if_contains("anyOf")) return least(any->get_array().front().as_object());
  json::object object;
  if (const json::value* all = schema.if_contains("allOf")) {
    for (const json::value& each : all->get_array()) {
      json::value part = least(each.as_object());
      for (auto& member : part.as_object()) object[member.key()] = std::move(member.value());
    }
    return object;
  }
  if (const json::value* words = schema.if_contains("enum")) return words->get_array().front();
  if (const json::value* usual = schema.if_contains("default")) return *usual;
  const json::value* type = schema.if_contains("type");
  if (type && type->is_array()) type = &type->get_array().front();
  const std::string_view name =
      type ? std::string_view(type->get_string().data(), type->get_string().size()) : std::string_view("object");
  if (name == "integer")
    return std::max<std::int64_t>(1, schema.contains("minimum") ? schema.at("minimum").as_int64() : 1);
  if (name == "boolean") return true;
  if (name == "null") return nullptr;
  if (name == "string") {
    if (schema.contains("format")) return "2026-01-01T00:00:00.000000Z";
    return schema.contains("pattern") ? "00ff" : "text";
  }
  if (name == "array") return json::array{least(schema.at("items").as_object())};
  if (const json::value* required = schema.if_contains("required")) {
    for (const json::value& each : required->get_array()) {
      // One page shows all there is.
      const bool is_end = each == "next";
      object[each.get_string()] =
          is_end ? nullptr : least(schema.at("properties").as_object().at(each.get_string()).as_object());
    }
  }
  return object;
}

}  // namespace

json::value example_of(const Route& route, const Field& field) {
  for (const OfRoute& each : of_routes) {
    if (each.path == route.path && each.field == field.name) return json::parse(as_key(each.json));
  }
  const json::object schema = field_schema(route, field);
  const bool is_word = schema.contains("enum");
  for (const Example& each : examples) {
    if (each.field != field.name) continue;
    const json::value example = json::parse(as_key(each.json));
    const auto allows = [&](const json::value& word) { return word == example; };
    const auto* words = is_word ? &schema.at("enum").get_array() : nullptr;
    if (!words || std::any_of(words->begin(), words->end(), allows)) return example;
  }
  return least(schema);
}

json::value example_answer(const Route& route) {
  const RouteAnswer& answer = route.answer;
  if (!answer.schema.empty()) return least_of(answer.schema);
  json::value row = answer.of.empty() ? json::value() : least_of(schema_of(answer.of));
  switch (answer.shape) {
    case RouteAnswer::Shape::object:
      return row;
    case RouteAnswer::Shape::list:
      return json::object{{"items", json::array{std::move(row)}}, {"next", nullptr}};
    case RouteAnswer::Shape::written: {
      json::object written = {{"seq", 345}};
      for (const std::string_view member : answer.members)
        written[as_key(member)] = member == "token" ? json::value(9) : nullptr;
      const bool is_gone = answer.remark.starts_with("null");
      if (!answer.of.empty()) written[as_key(answer.of)] = is_gone ? nullptr : std::move(row);
      return written;
    }
    case RouteAnswer::Shape::members:
    case RouteAnswer::Shape::lines:
    case RouteAnswer::Shape::file:
    case RouteAnswer::Shape::text:
      return nullptr;
  }
  return nullptr;
}

}  // namespace pawl
