#include "daemon/api/openapi.h"

#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "daemon/api/call.h"
#include "schema/json/record_json.h"

namespace pawl {
namespace {

namespace json = boost::json;

json::object reference(std::string_view what, std::string_view name) {
  return {{"$ref", "#/components/" + std::string(what) + "/" + std::string(name)}};
}

struct ErrorStatus {
  std::string_view code;
  int status;
};

/// Of the codes that the machine does not answer (schema/outcomes.def has the others).
constexpr ErrorStatus error_statuses[] = {{"bad_signature", 401},
                                          {"beyond_end", 404},
                                          {"cannot_take", 409},
                                          {"forbidden", 403},
                                          {"gone", 410},
                                          {"io", 500},
                                          {"malformed", 400},
                                          {"no_branch", 422},
                                          {"log_too_long", 422},
                                          {"no_command", 409},
                                          {"no_incident", 404},
                                          {"no_log", 404},
                                          {"no_such_path", 404},
                                          {"previous_alive", 409},
                                          {"idempotency_mismatch", 422},
                                          {"starting", 503},
                                          {"too_many_connections", 503},
                                          {"too_many_past", 503},
                                          {"too_many_requests", 429},
                                          {"too_many_streams", 429},
                                          {"unauthorized", 401},
                                          {"stepped_down", 503},
                                          {"story_too_long", 422},
                                          {"disk_full", 503},
                                          {"not_writable", 503},
                                          {"ending", 503},
                                          {"request_timeout", 408},
                                          {"body_too_large", 413},
                                          {"target_too_long", 414},
                                          {"headers_too_large", 431},
                                          {"webhook_not_configured", 403}};

bool is_code(std::string_view error) {
  return error.find(' ') == std::string_view::npos;
}

/// The codes of the errors that a call can be answered with, by status.
std::map<int, std::vector<std::string>> errors_of(const Route& route) {
  std::map<int, std::vector<std::string>> by_status;
  const auto add = [&](int status, std::string_view code) {
    auto& codes = by_status[status];
    if (std::find(codes.begin(), codes.end(), code) == codes.end()) codes.emplace_back(code);
  };
  const auto add_outcome = [&](Outcome outcome) { add(row_of(outcome).http_status, name(outcome)); };
  const auto add_code = [&](std::string_view code) { add(status_of_error(code), code); };
  for (const char* each : {"malformed", "body_too_large", "headers_too_large", "request_timeout", "target_too_long",
                           "starting", "too_many_connections"}) {
    add_code(each);
  }
  if (route.role != Role::none) {
    for (const char* each : {"unauthorized", "forbidden", "too_many_requests"}) add_code(each);
  }
  if (route.path != "/healthz") add_code("stepped_down");
  if (route.kind == RouteKind::writes) {
    for (const char* each : {"disk_full", "not_writable", "idempotency_mismatch"}) add_code(each);
    if (route.begins_work) add_code("ending");
    if (route.form != BodyForm::delivery && route.form != BodyForm::batch) {
      add_outcome(Outcome::unknown_boot);
      add_outcome(Outcome::stale_boot);
    }
  }
  for (const Field& field : route.query) {
    if (field.name == "wait_s") add_code("too_many_streams");
    if (field.name != position_name) continue;
    add_code("beyond_end");
    add_code("too_many_past");
  }
  for (const Outcome outcome : route.refusals) add_outcome(outcome);
  for (const std::string_view error : route.errors) {
    if (is_code(error)) add_code(error);
  }
  return by_status;
}

json::object media(json::object schema, json::value example) {
  json::object content = {{"schema", std::move(schema)}};
  if (!example.is_null()) content["example"] = std::move(example);
  return content;
}

json::object object_schema(std::string_view of) {
  const std::string_view schema = schema_of(of);
  return schema.empty() ? json::object() : reference("schemas", schema);
}

json::object answer_schema(const RouteAnswer& answer) {
  if (answer.shape == RouteAnswer::Shape::object) return object_schema(answer.of);
  json::object properties;
  json::array required;
  const auto add = [&](std::string_view name, json::object schema) {
    properties[as_key(name)] = std::move(schema);
    required.emplace_back(as_key(name));
  };
  if (answer.shape == RouteAnswer::Shape::list) {
    add("items", {{"type", "array"}, {"items", object_schema(answer.of)}});
    add("next", {{"type", json::array{"integer", "string", "null"}}});
  }
  if (answer.shape == RouteAnswer::Shape::written) add("seq", {{"type", "integer"}});
  for (const std::string_view member : answer.members) add(member, {});
  if (!answer.of.empty() && answer.shape != RouteAnswer::Shape::list) {
    json::object schema = object_schema(answer.of);
    if (schema.empty()) {
      add(answer.of, {});
    } else {
      add(answer.of, {{"anyOf", json::array{std::move(schema), json::object{{"type", "null"}}}}});
    }
  }
  return {{"type", "object"}, {"properties", std::move(properties)}, {"required", std::move(required)}};
}

json::object answer_content(const Route& route) {
  switch (route.answer.shape) {
    case RouteAnswer::Shape::lines:
      return {{"application/jsonl", media({{"type", "string"}}, nullptr)},
              {"text/event-stream", media({{"type", "string"}}, nullptr)}};
    case RouteAnswer::Shape::file:
      return {{"*/*", media({{"type", "string"}}, nullptr)}};
    case RouteAnswer::Shape::text:
      return {{"text/plain", media({{"type", "string"}}, nullptr)}};
    default:
      return {{"application/json", media(answer_schema(route.answer), example_answer(route))}};
  }
}

std::string sentence(std::string_view words) {
  std::string out(words);
  if (out.empty()) return out;
  const bool is_name = out.front() == '`';
  if (!is_name && out.front() >= 'a' && out.front() <= 'z') out.front() = static_cast<char>(out.front() - 'a' + 'A');
  return out + ".";
}

json::object error_response(const std::vector<std::string>& codes) {
  std::string description;
  json::array words;
  for (const std::string& code : codes) {
    description += (description.empty() ? "`" : ", `") + code + "`";
    words.emplace_back(code);
  }
  json::object code = {{"type", "string"}, {"enum", std::move(words)}};
  json::object schema = {
      {"allOf",
       json::array{
           reference("schemas", "Error"),
           json::object{
               {"properties", json::object{{"error", json::object{{"properties", json::object{{"code", code}}}}}}}}}}};
  json::object example = {
      {"error",
       json::object{{"code", codes.front()}, {"message", "what is wrong, and what to do"}, {"current", nullptr}}}};
  return {{"description", description},
          {"content", json::object{{"application/json", media(std::move(schema), std::move(example))}}}};
}

json::object responses_of(const Route& route) {
  json::object responses;
  for (const int status : route.answer.statuses) {
    const bool has_body = status != 204 && status != 304;
    std::string description = sentence(route.summary);
    if (!route.answer.remark.empty()) description += " " + sentence(route.answer.remark);
    json::object response = {{"description", std::move(description)}};
    if (has_body) response["content"] = answer_content(route);
    responses[std::to_string(status)] = std::move(response);
  }
  for (const auto& [status, codes] : errors_of(route)) {
    const std::string name = std::to_string(status);
    // Whether the daemon is ready is the answer of /readyz, in both of its statuses.
    if (!responses.contains(name)) responses[name] = error_response(codes);
  }
  return responses;
}

json::object described(json::object schema, std::string_view summary) {
  if (!summary.empty()) schema["description"] = sentence(summary);
  return schema;
}

json::array parameters_of(const Route& route) {
  json::array parameters;
  const std::size_t begin = route.path.find('{');
  if (begin != std::string_view::npos) {
    const std::string_view param = route.path.substr(begin + 1, route.path.find('}') - begin - 1);
    const bool is_number = route.unknown_id || param == "seq";
    parameters.push_back(json::object{{"name", as_key(param)},
                                      {"in", "path"},
                                      {"required", true},
                                      {"schema", json::object{{"type", is_number ? "integer" : "string"}}},
                                      {"example", is_number ? json::value(12) : json::value("shop")}});
  }
  for (const Field& field : route.query) {
    parameters.push_back(json::object{{"name", as_key(field.name)},
                                      {"in", "query"},
                                      {"required", field.need == Field::Need::required},
                                      {"description", sentence(field.summary)},
                                      {"schema", field_schema(route, field)},
                                      {"example", example_of(route, field)}});
  }
  if (route.kind == RouteKind::writes && route.form != BodyForm::delivery) {
    for (const char* each : {"Actor", "Boot", "IdempotencyKey"}) parameters.push_back(reference("parameters", each));
  }
  return parameters;
}

/// Whether the first of several events asks for a field that another does without.
bool first_asks_for(const Route& route, const Field& field) {
  if (route.events.size() < 2) return false;
  const TableLayout& first = *layout_of(route.events.front());
  return std::any_of(first.fields.begin(), first.fields.end(),
                     [&](const FieldLayout& each) { return each.name == field.name && is_asked_for(first, each); });
}

json::object body_of(const Route& route) {
  json::object schema;
  json::value example;
  switch (route.form) {
    case BodyForm::ignored:
      return {};
    case BodyForm::fields: {
      json::object properties;
      json::array required;
      json::object sent;
      for (const Field& field : route.body) {
        json::object of_field = field_schema(route, field);
        const bool is_required = field.need == Field::Need::required;
        if (is_required) required.emplace_back(as_key(field.name));
        if (is_required || field.name == "reason" || first_asks_for(route, field))
          sent[as_key(field.name)] = example_of(route, field);
        // Null is the same as not sending it.
        if (!is_required) of_field = {{"anyOf", json::array{std::move(of_field), json::object{{"type", "null"}}}}};
        properties[as_key(field.name)] = described(std::move(of_field), field.summary);
      }
      const bool has_required = !required.empty();
      schema = {{"type", "object"}, {"properties", std::move(properties)}, {"additionalProperties", false}};
      if (has_required) schema["required"] = std::move(required);
      example = std::move(sent);
      return {{"required", has_required}, {"content", json::object{{"application/json", media(schema, example)}}}};
    }
    case BodyForm::settings:
      schema = {{"type", "object"}, {"minProperties", 1}, {"maxProperties", settings_per_call_max}};
      example = json::object{{"queue.max_concurrency", 3}};
      break;
    case BodyForm::delivery:
      schema = {{"type", "object"}};
      break;
    case BodyForm::batch:
      schema = {{"type", "object"},
                {"properties", json::object{{"requests", json::object{{"type", "array"},
                                                                      {"items", json::object{{"type", "object"}}},
                                                                      {"minItems", 1},
                                                                      {"maxItems", limits::requests_per_batch_max}}}}},
                {"required", json::array{"requests"}}};
      example = json::object{{"requests", json::array{json::object{{"method", "GET"}, {"path", "/v1/tasks/12"}}}}};
      break;
  }
  return {{"required", true},
          {"content", json::object{{"application/json", media(std::move(schema), std::move(example))}}}};
}

/// "post_v1_tasks_id_advance"
std::string operation_id(const Route& route) {
  std::string id;
  for (const char c : route.method) id += static_cast<char>(c - 'A' + 'a');
  for (const char c : route.path) {
    const bool is_kept = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    if (is_kept) id += c;
    if (!is_kept && id.back() != '_') id += '_';
  }
  while (id.back() == '_') id.pop_back();
  return id;
}

std::string tag_of(const Route& route) {
  const auto is_under = [&](std::string_view folder) { return route.path.starts_with(folder); };
  if (route.path.ends_with("/story")) return "the past";
  if (is_under("/v1/tasks")) return "tasks";
  if (is_under("/v1/jobs")) return "jobs";
  if (is_under("/v1/leases") || is_under("/v1/boots") || is_under("/transition-lease")) return "leases and boots";
  if (is_under("/webhooks")) return "webhooks";
  if (is_under("/v1/incidents") || is_under("/v1/compare")) return "the past";
  return "the daemon";
}

json::object operation_of(const Route& route) {
  std::string description = "Needs the role `" + std::string(name(route.role)) + "`";
  if (route.role_without_boot > route.role) {
    description += ", or `" + std::string(name(route.role_without_boot)) + "` without `Pawl-Boot`";
  }
  json::object operation = {{"operationId", operation_id(route)},
                            {"summary", sentence(route.summary)},
                            {"tags", json::array{tag_of(route)}},
                            {"parameters", parameters_of(route)},
                            {"responses", responses_of(route)}};
  operation["x-role"] = as_key(name(route.role));
  if (route.role == Role::none) {
    operation["security"] = json::array();
  } else {
    operation["description"] = description + ".";
  }
  if (route.role_without_boot > route.role) operation["x-role-without-boot"] = as_key(name(route.role_without_boot));
  if (json::object body = body_of(route); !body.empty()) operation["requestBody"] = std::move(body);
  return operation;
}

json::object header(std::string_view name, std::string_view summary, std::size_t bytes_max) {
  return {{"name", as_key(name)},
          {"in", "header"},
          {"required", false},
          {"description", sentence(summary)},
          {"schema", json::object{{"type", "string"}, {"maxLength", bytes_max}}}};
}

json::object components() {
  json::object schemas = row_schemas();
  for (auto& [name, schema] : report_schemas()) schemas.emplace(name, std::move(schema));
  schemas["Error"] = json::object{
      {"type", "object"},
      {"properties",
       json::object{{"error", json::object{{"type", "object"},
                                           {"properties", json::object{{"code", json::object{{"type", "string"}}},
                                                                       {"message", json::object{{"type", "string"}}},
                                                                       {"current", json::object()},
                                                                       {"seq", json::object{{"type", "integer"}}},
                                                                       {"folded", json::object{{"type", "boolean"}}}}},
                                           {"required", json::array{"code", "message"}}}}}},
      {"required", json::array{"error"}}};
  return {
      {"schemas", std::move(schemas)},
      {"parameters",
       json::object{
           {"Actor", header("Pawl-Actor", "who acts, for the record; `operator` if not sent", limits::actor_bytes_max)},
           {"Boot", header("Pawl-Boot", "the requester's boot; the daemon's if not sent", limits::boot_id_bytes_max)},
           {"IdempotencyKey",
            header("Idempotency-Key", "a repeated request with the same key is answered, and not decided again",
                   limits::idempotency_key_bytes_max)}}},
      {"securitySchemes",
       json::object{{"token", json::object{{"type", "http"},
                                           {"scheme", "bearer"},
                                           {"description", "Over TCP, if the daemon has tokens."}}}}}};
}

}  // namespace

int status_of_error(std::string_view code) {
  for (const ErrorStatus& each : error_statuses) {
    if (each.code == code) return each.status;
  }
  return 0;
}

std::string openapi_document(std::string_view version) {
  json::object paths;
  for (const Route& route : routes()) {
    json::object& path = paths.emplace(as_key(route.path), json::object()).first->value().as_object();
    std::string method;
    for (const char c : route.method) method += static_cast<char>(c - 'A' + 'a');
    path[method] = operation_of(route);
  }
  const json::object document = {
      {"openapi", "3.1.0"},
      {"info", json::object{{"title", "pawl"},
                            {"version", as_key(version)},
                            {"summary", "Owns the stage transitions of delivery pipelines."}}},
      {"servers", json::array{json::object{{"url", "/"}}}},
      {"security", json::array{json::object(), json::object{{"token", json::array()}}}},
      {"paths", std::move(paths)},
      {"components", components()}};
  return json::serialize(document);
}

void openapi_get(Call call) {
  static const std::string document = openapi_document(call.context.services.version);
  HttpResponse response;
  response.body = document;
  call.reply(std::move(response));
}

}  // namespace pawl
