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

json::object media(json::object schema, json::value example) {
  json::object content = {{"schema", std::move(schema)}};
  if (!example.is_null()) content["example"] = std::move(example);
  return content;
}

json::object answer_schema(const RouteAnswer& answer) {
  if (!answer.schema.empty()) return reference("schemas", answer.schema);
  json::object row = answer.of.empty() ? json::object() : reference("schemas", schema_of(answer.of));
  json::object properties;
  json::array required;
  const auto add = [&](std::string_view name, json::object schema) {
    properties[as_key(name)] = std::move(schema);
    required.emplace_back(as_key(name));
  };
  switch (answer.shape) {
    case RouteAnswer::Shape::list:
      add("items", {{"type", "array"}, {"items", std::move(row)}});
      add("next", {{"type", json::array{"integer", "string", "null"}}});
      break;
    case RouteAnswer::Shape::written:
      add("seq", {{"type", "integer"}});
      for (const std::string_view member : answer.members) add(member, member_schema(member));
      // A lease on a task grants nothing while its ownership is not checked.
      if (!required.empty() && required.back() == "token") required.pop_back();
      if (!answer.of.empty()) add(answer.of, or_null(std::move(row)));
      break;
    default:
      return row;
  }
  return {{"type", "object"}, {"properties", std::move(properties)}, {"required", std::move(required)}};
}

std::vector<std::string_view> media_of(const RouteAnswer& answer) {
  if (!answer.media.empty()) return answer.media;
  switch (answer.shape) {
    case RouteAnswer::Shape::lines:
      return {"application/x-ndjson", "text/event-stream"};
    case RouteAnswer::Shape::file:
      return {"*/*"};
    case RouteAnswer::Shape::text:
      return {"text/plain"};
    default:
      return {"application/json"};
  }
}

json::object answer_content(const Route& route) {
  json::object content;
  for (const std::string_view each : media_of(route.answer)) {
    const bool is_json = each == "application/json";
    content[as_key(each)] =
        is_json ? media(answer_schema(route.answer), example_answer(route)) : media({{"type", "string"}}, nullptr);
  }
  return content;
}

std::string sentence(std::string_view words) {
  std::string out(words);
  if (out.empty()) return out;
  const bool is_name = out.front() == '`';
  if (!is_name && out.front() >= 'a' && out.front() <= 'z') out.front() = static_cast<char>(out.front() - 'a' + 'A');
  return out + ".";
}

/// The errors with these codes.
json::object errors_schema(const std::vector<std::string>& codes) {
  json::array words;
  for (const std::string& code : codes) words.emplace_back(code);
  json::object code = {{"type", "string"}, {"enum", std::move(words)}};
  json::object of_code = {{"properties", json::object{{"code", std::move(code)}}}};
  json::object of_error = {{"properties", json::object{{"error", std::move(of_code)}}}};
  return {{"allOf", json::array{reference("schemas", "Error"), std::move(of_error)}}};
}

std::string quoted_list(const std::vector<std::string>& codes) {
  std::string list;
  for (const std::string& code : codes) list += (list.empty() ? "`" : ", `") + code + "`";
  return list;
}

/// Of a call whose errors are not all listed: what else they are.
std::string_view further_errors(const Route& route, int status) {
  const auto is_prose = [](std::string_view error) { return error.find(' ') != std::string_view::npos; };
  const auto found = std::find_if(route.errors.begin(), route.errors.end(), is_prose);
  return status == 409 && found != route.errors.end() ? *found : std::string_view();
}

json::object error_response(const Route& route, int status, const std::vector<std::string>& codes) {
  const std::string_view further = further_errors(route, status);
  json::object example = {
      {"error",
       json::object{{"code", codes.front()}, {"message", "what is wrong, and what to do"}, {"current", nullptr}}}};
  json::object response = {
      {"description", quoted_list(codes) + (further.empty() ? "" : ", " + std::string(further))},
      {"content",
       json::object{{"application/json", media(further.empty() ? errors_schema(codes) : reference("schemas", "Error"),
                                               std::move(example))}}}};
  json::object headers;
  if (status == 429 || status == 503) headers["Retry-After"] = reference("headers", "RetryAfter");
  if (status == 401 && route.role != Role::none) headers["WWW-Authenticate"] = reference("headers", "WwwAuthenticate");
  // A refusal by the machine is an answer too, and is repeated.
  const auto is_refusal = [](const std::string& code) { return outcome_named(code).has_value(); };
  if (takes_key(route) && std::any_of(codes.begin(), codes.end(), is_refusal)) {
    headers["Idempotency-Replayed"] = reference("headers", "IdempotencyReplayed");
  }
  if (!headers.empty()) response["headers"] = std::move(headers);
  return response;
}

json::object headers_of(const Route& route, int status) {
  json::object headers;
  for (const AnswerHeader& each : route.answer.headers) {
    headers[as_key(each.name)] = json::object{{"description", sentence(each.summary)},
                                              {"required", each.sent == AnswerHeader::Sent::always},
                                              {"schema", json::object{{"type", "string"}}}};
  }
  // A 204 says that there was no job: that is not remembered.
  const bool is_repeated = takes_key(route) || route.form == BodyForm::delivery;
  if (is_repeated && status != 204) headers["Idempotency-Replayed"] = reference("headers", "IdempotencyReplayed");
  return headers;
}

json::object retry_after(AnswerHeader::Sent sent) {
  return {{"description", "After how many seconds a retry may help."},
          {"required", sent == AnswerHeader::Sent::always},
          {"schema", json::object{{"type", "integer"}}}};
}

json::object responses_of(const Route& route) {
  json::object responses;
  for (const int status : route.answer.statuses) {
    const bool has_body = status != 204 && status != 304;
    std::string description = sentence(route.summary);
    if (!route.answer.remark.empty()) description += " " + sentence(route.answer.remark);
    json::object response = {{"description", std::move(description)}};
    if (json::object headers = headers_of(route, status); !headers.empty()) response["headers"] = std::move(headers);
    if (has_body) response["content"] = answer_content(route);
    responses[std::to_string(status)] = std::move(response);
  }
  for (const auto& [status, codes] : errors_of(route)) {
    json::object error = error_response(route, status, codes);
    json::value& response = responses[std::to_string(status)];
    if (response.is_null()) {
      response = std::move(error);
      continue;
    }
    // Whether the daemon is ready is the answer of /readyz, in both of its statuses; but a daemon without a free
    // connection, or without its log, does not come to say it.
    json::object& content = response.at("content").at("application/json").as_object();
    content["schema"] = json::object{{"anyOf", json::array{content.at("schema"), errors_schema(codes)}}};
    response.as_object()["headers"] = json::object{{"Retry-After", retry_after(AnswerHeader::Sent::sometimes)}};
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
    parameters.push_back(reference("parameters", "Actor"));
    if (route.boot != BootNeed::none) parameters.push_back(reference("parameters", "Boot"));
    if (takes_key(route)) parameters.push_back(reference("parameters", "IdempotencyKey"));
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
        // A change of a task's turn is about one of several fields: its example shows one of them.
        const bool is_shown = field.name == "reason" || field.name == "priority" || first_asks_for(route, field);
        if (is_required || is_shown) sent[as_key(field.name)] = example_of(route, field);
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
                                                                      {"items", reference("schemas", "Batched")},
                                                                      {"minItems", 1},
                                                                      {"maxItems", limits::requests_per_batch_max}}}}},
                {"required", json::array{"requests"}},
                {"additionalProperties", false}};
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

json::object text_header(std::string_view summary, bool is_required) {
  return {{"description", sentence(summary)}, {"required", is_required}, {"schema", json::object{{"type", "string"}}}};
}

/// What an error is about: the row that its message speaks of.
json::object current_schema() {
  json::array rows;
  for (const char* each : {"Task", "Job", "Lease", "Boot", "Settings", "Pipeline", "Repo"}) {
    rows.push_back(reference("schemas", each));
  }
  rows.push_back(json::object{{"type", "null"}});
  return {{"anyOf", std::move(rows)}};
}

json::object error_schema() {
  const json::object text = {{"type", "string"}};
  const json::object seq = {{"type", "integer"}};
  json::object properties = {{"code", text},
                             {"message", text},
                             {"current", current_schema()},
                             {"seq", seq},
                             {"folded", json::object{{"type", "boolean"}}},
                             {"next", seq}};
  json::object error = {{"type", "object"},
                        {"properties", std::move(properties)},
                        {"required", json::array{"code", "message", "current"}}};
  return {{"type", "object"},
          {"properties", json::object{{"error", std::move(error)}}},
          {"required", json::array{"error"}}};
}

/// A request in a batch.
json::object batched_schema() {
  const json::object text_or_null = {{"type", json::array{"string", "null"}}};
  json::object names;
  for (const char* each : {"Pawl-Actor", "Pawl-Boot", "Idempotency-Key"}) names[each] = text_or_null;
  json::object headers = {
      {"type", json::array{"object", "null"}}, {"properties", std::move(names)}, {"additionalProperties", false}};
  json::object properties = {
      {"method", json::object{{"type", "string"}, {"enum", json::array{"GET", "POST", "DELETE"}}}},
      {"path", json::object{{"type", "string"}, {"pattern", "^/"}, {"maxLength", limits::header_bytes_max}}},
      {"body", json::object{{"type", json::array{"object", "null"}}}},
      {"headers", std::move(headers)}};
  return {{"type", "object"},
          {"properties", std::move(properties)},
          {"required", json::array{"method", "path"}},
          {"additionalProperties", false}};
}

json::object components() {
  json::object schemas = row_schemas();
  for (auto& [name, schema] : report_schemas()) schemas[name] = std::move(schema);
  for (auto& [name, schema] : answer_schemas()) schemas[name] = std::move(schema);
  schemas["Error"] = error_schema();
  schemas["Batched"] = batched_schema();
  return {
      {"schemas", std::move(schemas)},
      {"headers", json::object{{"RetryAfter", retry_after(AnswerHeader::Sent::always)},
                               {"WwwAuthenticate", text_header("How to authenticate: with a bearer token", true)},
                               {"IdempotencyReplayed", text_header("`true`: the answer to an earlier request with this "
                                                                   "Idempotency-Key",
                                                                   false)}}},
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
