// The JSON Schemas of OpenAPI's document: of rows, from visit(); of fields, from the routes' table and the schema.
#include <boost/json/array.hpp>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "daemon/api/openapi.h"
#include "engine/state/rows.h"
#include "engine/state/settings.h"
#include "schema/json/record_json.h"
#include "schema/result.h"

namespace pawl {
namespace {

namespace json = boost::json;

json::object type(std::string_view name) {
  return {{"type", as_key(name)}};
}

json::object list_of(json::object items) {
  return {{"type", "array"}, {"items", std::move(items)}};
}

json::object time() {
  return {{"type", "string"}, {"format", "date-time"}};
}

template <class Values, class Name>
json::object names_of(const Values& values, Name name_of) {
  json::array words;
  for (const auto value : values) words.emplace_back(name_of(value));
  return {{"type", "string"}, {"enum", std::move(words)}};
}

json::object setting_schema(const SettingValue& value) {
  struct Schema {
    json::object operator()(bool) const { return type("boolean"); }
    json::object operator()(std::int64_t) const { return type("integer"); }
    json::object operator()(const std::string&) const { return type("string"); }
    json::object operator()(const std::vector<std::string>&) const { return list_of(type("string")); }
  };
  return std::visit(Schema{}, value);
}

/// Describes the object that engine/json/state_json.h writes for a row. Construct, visit, take().
class RowSchema {
 public:
  template <class T>
  void operator()(int, std::string_view name, const T& value) {
    if constexpr (std::is_same_v<T, std::string>) {
      if (name == "run") return;  // never shown
    }
    constexpr std::string_view time_suffix = "_us";
    std::string shown(name);
    if (name.ends_with(time_suffix)) shown.replace(shown.size() - time_suffix.size(), time_suffix.size(), "_at");
    properties_[shown] = schema(value);
    // Variables are left out when there are none.
    if (!std::is_same_v<T, Variables>) required_.emplace_back(shown);
  }

  json::object take() {
    return {{"type", "object"}, {"properties", std::move(properties_)}, {"required", std::move(required_)}};
  }

 private:
  static json::object schema(const std::string&) { return or_null(type("string")); }
  static json::object schema(TimeUs) { return time(); }
  static json::object schema(bool) { return type("boolean"); }
  static json::object schema(JobStatus) {
    return names_of(fb::EnumValuesJobStatus(), [](JobStatus status) { return fb::EnumNameJobStatus(status); });
  }
  static json::object schema(StepState) {
    return names_of(fb::EnumValuesStepState(), [](StepState state) { return fb::EnumNameStepState(state); });
  }
  static json::object schema(ApprovalTimeout) {
    return names_of(fb::EnumValuesApprovalTimeout(),
                    [](ApprovalTimeout end) { return fb::EnumNameApprovalTimeout(end); });
  }
  static json::object schema(const CommandLine&) { return or_null(list_of(type("string"))); }
  template <class T>
  static json::object schema(const std::optional<T>&) {
    return or_null(schema(T{}));
  }
  template <class T>
  static json::object schema(const std::shared_ptr<const T>&) {
    return schema(T{});
  }
  template <class T>
  static json::object schema(const std::vector<T>&) {
    return list_of(schema(T{}));
  }
  template <class T>
  static json::object schema(const T& value) {
    if constexpr (std::is_enum_v<T> || std::is_integral_v<T>) {
      return type("integer");
    } else {
      RowSchema inner;
      visit(value, inner);
      return inner.take();
    }
  }

  json::object properties_;
  json::array required_;
};

template <class Row>
json::object schema_of_row(const Row& row) {
  RowSchema schema;
  visit(row, schema);
  return schema.take();
}

json::object job_schema() {
  RowSchema schema;
  const Job row;
  visit(row, schema);
  schema(0, "pid", std::optional<std::int64_t>());
  schema(0, "exit_code", std::optional<std::int64_t>());
  return schema.take();
}

void add(json::object& schema, std::string_view name, json::object of) {
  schema["properties"].as_object()[as_key(name)] = std::move(of);
  schema["required"].as_array().emplace_back(as_key(name));
}

json::object repo_schema() {
  json::object schema = {{"type", "object"}, {"properties", json::object()}, {"required", json::array()}};
  add(schema, "repo", type("string"));
  add(schema, "url", or_null(type("string")));
  add(schema, "by", or_null(type("string")));
  return schema;
}

json::object settings_schema() {
  json::object schema = {{"type", "object"}, {"properties", json::object()}, {"required", json::array()}};
  const Settings defaults;
  for (const SettingKey& key : setting_keys()) add(schema, key.name, setting_schema(key.get(defaults)));
  return schema;
}

/// A record's fields as a client sends them, and as they are shown: nothing is left out, except what is hidden.
enum class Way { sent, shown };

json::object layout_schema(const FieldLayout& field, Way way);

json::object table_schema(const TableLayout& table, Way way) {
  // These two are shorter in JSON (schema/json/record_json.h).
  if (table.name == "Command") return list_of(type("string"));
  if (table.name == "SettingValue") {
    return {{"anyOf", json::array{type("boolean"), type("integer"), type("string"), list_of(type("string"))}}};
  }
  json::object properties;
  json::array required;
  for (const FieldLayout& field : table.fields) {
    if (way == Way::shown && field.is_hidden) continue;
    json::object schema = layout_schema(field, way);
    const bool may_be_null = way == Way::shown && !field.required;
    properties[field.name] = may_be_null ? or_null(std::move(schema)) : std::move(schema);
    const bool is_there = way == Way::sent ? is_asked_for(table, field) : !field.is_added;
    if (is_there) required.emplace_back(field.name);
  }
  return {{"type", "object"},
          {"properties", std::move(properties)},
          {"required", std::move(required)},
          {"additionalProperties", false}};
}

json::object layout_schema(const FieldLayout& field, Way way) {
  switch (field.type) {
    case FieldLayout::Type::boolean:
      return type("boolean");
    case FieldLayout::Type::integer: {
      if (!field.enumeration) return field.is_time ? time() : type("integer");
      json::array words;
      for (const auto& [number, spelling] : field.enumeration->values) words.emplace_back(spelling);
      return {{"type", "string"}, {"enum", std::move(words)}};
    }
    case FieldLayout::Type::text: {
      json::object schema = type("string");
      if (way == Way::sent) schema["maxLength"] = text_bytes_max(field.name);
      return schema;
    }
    case FieldLayout::Type::table:
      return table_schema(*field.table, way);
    case FieldLayout::Type::texts:
      return list_of(type("string"));
    case FieldLayout::Type::integers:
      return list_of(type("integer"));
    case FieldLayout::Type::tables:
      return list_of(table_schema(*field.table, way));
  }
  return {};
}

json::object record_schema() {
  json::object schema = {{"type", "object"}, {"properties", json::object()}, {"required", json::array()}};
  for (const char* name : {"seq", "group", "rules"}) add(schema, name, type("integer"));
  add(schema, "time", time());
  for (const char* name : {"boot", "actor"}) add(schema, name, type("string"));
  // A log from before principals has none.
  schema["properties"].as_object()["principal"] = type("string");
  for (const char* name : {"key", "request"}) add(schema, name, or_null(type("string")));
  json::array types;
  json::array tables;
  for (const fb::Event event : fb::EnumValuesEvent()) {
    const TableLayout* layout = layout_of(event);
    if (!layout) continue;
    types.emplace_back(fb::EnumNameEvent(event));
    tables.push_back(table_schema(*layout, Way::shown));
  }
  add(schema, "type", {{"type", "string"}, {"enum", std::move(types)}});
  add(schema, "data", {{"anyOf", std::move(tables)}});
  add(schema, "outcome", type("string"));
  add(schema, "unchecked", type("boolean"));
  // They are not stored: only a story, which replays the log, has them.
  add(schema, "effects", or_null(list_of({{"$ref", "#/components/schemas/Effect"}})));
  for (const char* name : {"digest", "chain"}) add(schema, name, type("string"));
  return schema;
}

json::object stuck_schema() {
  json::object schema = {{"type", "object"}, {"properties", json::object()}, {"required", json::array()}};
  add(schema, "task", or_null(type("integer")));
  for (const char* name : {"work_item", "repo", "stage", "reason", "detail", "frees"}) {
    add(schema, name, or_null(type("string")));
  }
  for (const char* name : {"since", "until"}) add(schema, name, or_null(time()));
  add(schema, "owner", or_null(schema_of_row(Owner())));
  for (const char* name : {"held_by", "by"}) add(schema, name, or_null(type("string")));
  add(schema, "waits", type("boolean"));
  return schema;
}

json::object hold_schema() {
  json::object schema = {{"type", "object"}, {"properties", json::object()}, {"required", json::array()}};
  add(schema, "place", type("string"));
  for (const char* name : {"active", "freeze"}) add(schema, name, type("boolean"));
  add(schema, "stages", list_of(type("string")));
  add(schema, "since_at", time());
  add(schema, "until_at", or_null(time()));
  add(schema, "seq", type("integer"));
  for (const char* name : {"reason", "by", "boot"}) add(schema, name, or_null(type("string")));
  return schema;
}

}  // namespace

json::object or_null(json::object schema) {
  if (const json::value* name = schema.if_contains("type"); name && name->is_string() && !schema.contains("enum")) {
    schema["type"] = json::array{name->get_string(), "null"};
    return schema;
  }
  return {{"anyOf", json::array{std::move(schema), type("null")}}};
}

json::object row_schemas() {
  return {{"Task", schema_of_row(Task())},
          {"Job", job_schema()},
          {"Lease", schema_of_row(Lease())},
          {"Boot", schema_of_row(Boot())},
          {"Pipeline", schema_of_row(PipelineRow())},
          {"Repo", repo_schema()},
          {"Settings", settings_schema()},
          {"Record", record_schema()},
          {"Stuck", stuck_schema()},
          {"Hold", hold_schema()}};
}

std::string_view schema_of(std::string_view of) {
  struct Named {
    std::string_view of;
    std::string_view schema;
  };
  constexpr Named all[] = {
      {"task", "Task"},         {"job", "Job"},     {"lease", "Lease"},           {"boot", "Boot"},
      {"pipeline", "Pipeline"}, {"repo", "Repo"},   {"settings", "Settings"},     {"record", "Record"},
      {"log", "Log"},           {"story", "Story"}, {"report", "IncidentReport"}, {"hold", "Hold"}};
  const auto* found = std::find_if(std::begin(all), std::end(all), [&](const Named& each) { return each.of == of; });
  PAWL_ASSERT(found != std::end(all));
  return found->schema;
}

const FieldLayout* layout_in(const Route& route, std::string_view field) {
  for (const fb::Event event : route.events) {
    for (const FieldLayout& layout : layout_of(event)->fields) {
      if (layout.name == field) return &layout;
    }
  }
  return nullptr;
}

json::object field_schema(const Route& route, const Field& field) {
  switch (field.type) {
    case Field::Type::event: {
      const FieldLayout* layout = layout_in(route, field.name);
      return layout ? layout_schema(*layout, Way::sent) : json::object();
    }
    case Field::Type::text: {
      json::object schema = type("string");
      if (field.max > 0) schema["maxLength"] = field.max;
      return schema;
    }
    case Field::Type::word: {
      json::array words;
      for (const std::string_view word : field.words) words.emplace_back(as_key(word));
      return {{"type", "string"}, {"enum", std::move(words)}};
    }
    case Field::Type::integer: {
      json::object schema = {{"type", "integer"}, {"minimum", field.min}};
      // INT64_MAX stands for "unbounded": a client need not be told.
      if (field.max < INT64_MAX - 1) schema["maximum"] = field.max;
      if (field.fallback) schema["default"] = *field.fallback;
      return schema;
    }
    case Field::Type::flag:
      return type("boolean");
    case Field::Type::names:
      return {{"type", "array"}, {"items", type("string")}, {"minItems", 1}, {"maxItems", field.max}};
  }
  return {};
}

}  // namespace pawl
