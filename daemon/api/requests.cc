#include "daemon/api/requests.h"

#include <boost/json/array.hpp>
#include <boost/json/monotonic_resource.hpp>
#include <boost/json/value.hpp>
#include <xxhash.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "schema/json/json_in_words.h"
#include "schema/json/json_text.h"
#include "schema/json/read_json.h"
#include "schema/limits.h"
#include "schema/names.h"

namespace pawl {
namespace {

namespace json = boost::json;

constexpr std::string_view actor_default = "operator";

Error malformed(std::string message) {
  return {ErrorCode::malformed, std::move(message)};
}

Error field_error(std::string_view field, const std::string& what) {
  return malformed("field " + quoted_json(field) + " " + what);
}

const Field* field_named(const std::vector<Field>& fields, std::string_view name) {
  for (const Field& field : fields) {
    if (field.name == name) return &field;
  }
  return nullptr;
}

/// `"to", "token"`
std::string names_of(const std::vector<Field>& fields) {
  std::string list;
  for (const Field& field : fields) list += (list.empty() ? "" : ", ") + quoted_json(field.name);
  return list.empty() ? "none" : list;
}

/// "clean, owner_dead or expired"
std::string choice_of(const std::vector<std::string_view>& words, bool quoted) {
  std::string choice;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (i > 0) choice += i + 1 == words.size() ? " or " : ", ";
    choice += quoted ? quoted_json(words[i]) : std::string(words[i]);
  }
  return choice;
}

bool contains(const std::vector<std::string_view>& words, std::string_view word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

/// The field's value; null if it is absent or null.
const json::value* value_in(const json::object& object, std::string_view field) {
  const json::value* value = object.if_contains(json::string_view(field.data(), field.size()));
  return value && !value->is_null() ? value : nullptr;
}

std::string must_be_whole(std::int64_t min, std::int64_t max) {
  return "must be a whole number from " + std::to_string(min) + " to " + std::to_string(max);
}

Result<void> check_text(const Field& field, const json::value& value, std::int64_t bytes_max) {
  if (!value.is_string()) return field_error(field.name, "must be a string");
  const std::string_view content = view(value.get_string());
  if (content.size() > static_cast<std::size_t>(bytes_max)) {
    return field_error(field.name, "is longer than " + std::to_string(bytes_max) + " bytes");
  }
  if (content.find('\0') != std::string_view::npos) return field_error(field.name, "contains a NUL byte");
  return {};
}

Result<void> check_names(const Field& field, const json::value& value) {
  const auto is_text = [](const json::value& name) { return name.is_string(); };
  const json::array* list = value.if_array();
  const bool is_right = list && !list->empty() && list->size() <= static_cast<std::size_t>(field.max) &&
                        std::all_of(list->begin(), list->end(), is_text);
  if (is_right) return {};
  return field_error(field.name,
                     "must be a list of 1 to " + std::to_string(field.max) + " names of " + std::string(field.name));
}

/// Checks a body's value against its field. Fields of the event are checked when it is proposed.
Result<void> check_value(const Field& field, const json::value& value) {
  switch (field.type) {
    case Field::Type::event:
      return {};
    case Field::Type::text:
      return check_text(field, value, field.max);
    case Field::Type::word:
      PAWL_TRY(check_text(field, value, limits::name_bytes_max));
      if (contains(field.words, view(value.get_string()))) return {};
      return field_error(field.name, "must be " + choice_of(field.words, true));
    case Field::Type::integer:
      if (value.is_int64() && value.get_int64() >= field.min && value.get_int64() <= field.max) return {};
      return field_error(field.name, must_be_whole(field.min, field.max));
    case Field::Type::flag:
      if (value.is_bool()) return {};
      return field_error(field.name, "must be true or false");
    case Field::Type::names:
      return check_names(field, value);
  }
  return {};
}

Result<void> check_fields(const json::object& object, const std::vector<Field>& fields) {
  for (const auto& member : object) {
    const std::string_view name = view(member.key());
    if (field_named(fields, name)) continue;
    return malformed("unknown field " + quoted_json(name) + "; this call has: " + names_of(fields));
  }
  for (const Field& field : fields) {
    if (field.need == Field::Need::required && !value_in(object, field.name)) {
      return malformed("field " + quoted_json(field.name) + " is missing");
    }
  }
  for (const Field& field : fields) {
    if (const json::value* value = value_in(object, field.name)) PAWL_TRY(check_value(field, *value));
  }
  return {};
}

/// A request's document is read once: its pieces need not be freed one by one.
json::storage_ptr request_storage() {
  return json::make_shared_resource<json::monotonic_resource>(std::size_t{1024});
}

Result<json::object> read_object(std::string_view body) {
  if (body.empty()) return json::object();
  json::value value = PAWL_TRY(parse_json(body, {.storage = request_storage()}));
  if (!value.is_object()) return malformed("the body must be a JSON object");
  return std::move(value.get_object());
}

/// The field names are the settings' names; apply decides which of them exist.
Result<json::object> read_settings(std::string_view body) {
  json::value value = PAWL_TRY(parse_json(body));
  const json::object* settings = value.if_object();
  if (!settings || settings->empty() || settings->size() > static_cast<std::size_t>(settings_per_call_max)) {
    return malformed("the body must be an object of 1 to " + std::to_string(settings_per_call_max) +
                     " settings by name");
  }
  return std::move(value.get_object());
}

/// Checks a header's text: short, and readable in a log.
Result<void> check_header(std::string_view name, std::string_view value, std::size_t bytes_max) {
  const auto refuse = [name](const std::string& why) { return malformed("header " + std::string(name) + why); };
  if (value.size() > bytes_max) return refuse(" is longer than " + std::to_string(bytes_max) + " bytes");
  if (!is_json_text(value)) return refuse(" is not UTF-8");
  return {};
}

std::uint64_t request_hash(const HttpRequest& request) {
  std::string bytes;
  for (const std::string_view part : {request.method, request.path, request.query, request.body}) {
    bytes.append(part);
    bytes.push_back('\n');
  }
  return XXH3_64bits(bytes.data(), bytes.size());
}

/// Checks a query's value against its parameter; returns the number of an integer.
Result<std::int64_t> checked_number(const Field& field, std::string_view text) {
  const auto refuse = [&field](const std::string& why) {
    return malformed("query parameter " + quoted_json(field.name) + " " + why);
  };
  if (field.type == Field::Type::word && !contains(field.words, text)) {
    return refuse("must be " + choice_of(field.words, false));
  }
  if (field.type != Field::Type::integer) return std::int64_t{0};
  std::int64_t number = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  const bool is_whole = failure == std::errc() && end == text.data() + text.size();
  if (!is_whole || number < field.min || number > field.max) {
    return refuse(must_be_whole(field.min, field.max));
  }
  return number;
}

}  // namespace

Result<RequestBody> RequestBody::read(std::string_view body, const Route& route) {
  RequestBody result;
  result.route_ = &route;
  switch (route.form) {
    case BodyForm::ignored:
    case BodyForm::delivery:
    case BodyForm::batch:  // daemon/api/batch_request.h reads it
      break;
    case BodyForm::fields:
      result.object_.emplace(PAWL_TRY(read_object(body)));
      PAWL_TRY(check_fields(*result.object_, route.body));
      break;
    case BodyForm::settings:
      result.object_.emplace(PAWL_TRY(read_settings(body)));
      break;
  }
  return result;
}

const json::value* RequestBody::value_of(std::string_view field, Field::Type type) const {
  PAWL_ASSERT(route_ != nullptr);
  const Field* declared = field_named(route_->body, field);
  PAWL_ASSERT(declared != nullptr && declared->type == type);
  return value_in(fields(), field);
}

const json::object& RequestBody::fields() const {
  static const json::object none;
  return object_ ? *object_ : none;
}

std::optional<std::string_view> RequestBody::text(std::string_view field) const {
  PAWL_ASSERT(route_ != nullptr);
  const Field* declared = field_named(route_->body, field);
  PAWL_ASSERT(declared != nullptr);
  const bool is_word = declared->type == Field::Type::word;
  const json::value* value = value_of(field, is_word ? Field::Type::word : Field::Type::text);
  if (!value) return std::nullopt;
  return view(value->get_string());
}

std::optional<std::int64_t> RequestBody::integer(std::string_view field) const {
  const json::value* value = value_of(field, Field::Type::integer);
  return value ? std::optional(value->get_int64()) : field_named(route_->body, field)->fallback;
}

std::optional<bool> RequestBody::flag(std::string_view field) const {
  const json::value* value = value_of(field, Field::Type::flag);
  return value ? std::optional(value->get_bool()) : std::nullopt;
}

std::vector<std::string> RequestBody::names(std::string_view field) const {
  std::vector<std::string> names;
  const json::value* value = value_of(field, Field::Type::names);
  if (!value) return names;
  for (const json::value& name : value->get_array()) names.emplace_back(view(name.get_string()));
  return names;
}

json::object& RequestBody::event_fields() {
  PAWL_ASSERT(route_ != nullptr && !route_->events.empty() && route_->form == BodyForm::fields);
  for (const Field& field : route_->body) {
    if (field.type != Field::Type::event) object_->erase(json::string_view(field.name.data(), field.name.size()));
  }
  return *object_;
}

const json::object& RequestBody::settings() const {
  PAWL_ASSERT(route_ != nullptr && route_->form == BodyForm::settings);
  return *object_;
}

Result<RequestQuery> RequestQuery::read(std::string_view query, const Route& route) {
  RequestQuery result;
  result.route_ = &route;
  if (route.query.empty()) return result;
  while (!query.empty()) {
    const std::string_view pair = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(query.size(), pair.size() + 1));
    if (pair.empty()) continue;
    const std::size_t equals = std::min(pair.find('='), pair.size());
    std::string spaced(pair.substr(std::min(pair.size(), equals + 1)));
    std::replace(spaced.begin(), spaced.end(), '+', ' ');
    const auto name = percent_decoded(pair.substr(0, equals));
    auto value = percent_decoded(spaced);
    if (!name || !value || !is_json_text(*value)) {
      return malformed("query parameter " + quoted_json(pair) + " is not percent-encoded UTF-8");
    }
    const Field* field = field_named(route.query, *name);
    if (!field) {
      return malformed("unknown query parameter " + quoted_json(*name) + "; this call has: " + names_of(route.query));
    }
    if (result.value_of(*field)) return malformed("query parameter " + quoted_json(*name) + " is given twice");
    result.values_.push_back({.field = field, .text = std::move(*value)});
  }
  for (const Field& field : route.query) {
    const auto sent = std::find_if(result.values_.begin(), result.values_.end(),
                                   [&](const Value& value) { return value.field == &field; });
    if (sent != result.values_.end()) {
      sent->number = PAWL_TRY(checked_number(field, sent->text));
    } else if (field.need == Field::Need::required) {
      return malformed("query parameter " + quoted_json(field.name) + " is missing");
    }
  }
  return result;
}

const Field& RequestQuery::declared(std::string_view name) const {
  PAWL_ASSERT(route_ != nullptr);
  const Field* field = field_named(route_->query, name);
  PAWL_ASSERT(field != nullptr);
  return *field;
}

const RequestQuery::Value* RequestQuery::value_of(const Field& field) const {
  for (const Value& value : values_) {
    if (value.field == &field) return &value;
  }
  return nullptr;
}

std::optional<std::string_view> RequestQuery::text(std::string_view name) const {
  const Field& field = declared(name);
  PAWL_ASSERT(field.type != Field::Type::integer);
  const Value* value = value_of(field);
  if (!value) return std::nullopt;
  return value->text;
}

std::optional<std::int64_t> RequestQuery::integer(std::string_view name) const {
  const Field& field = declared(name);
  PAWL_ASSERT(field.type == Field::Type::integer);
  const Value* value = value_of(field);
  return value ? std::optional(value->number) : field.fallback;
}

std::int64_t RequestQuery::number(std::string_view name) const {
  const std::optional<std::int64_t> number = integer(name);
  PAWL_ASSERT(number.has_value());
  return *number;
}

Result<Requester> requester_of(const HttpRequest& request, const std::string& daemon_boot) {
  PAWL_TRY(check_header("Pawl-Actor", request.actor, limits::actor_bytes_max));
  if (const auto seen = check_seen(request.actor); !seen) {
    return malformed("header Pawl-Actor must not " + seen.error().message);
  }
  PAWL_TRY(check_header("Pawl-Boot", request.boot, limits::boot_id_bytes_max));
  PAWL_TRY(check_header("Idempotency-Key", request.idempotency_key, limits::idempotency_key_bytes_max));
  Requester requester{.boot = request.boot.empty() ? daemon_boot : std::string(request.boot),
                      .actor = std::string(request.actor.empty() ? actor_default : request.actor),
                      .key = std::string(request.idempotency_key),
                      .request = std::nullopt};
  if (!requester.key.empty()) requester.request = request_hash(request);
  return requester;
}

std::optional<std::uint64_t> id_of(std::string_view text) {
  std::uint64_t id = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), id);
  if (failure != std::errc() || end != text.data() + text.size() || id == 0 || text.starts_with('0')) {
    return std::nullopt;
  }
  return id;
}

}  // namespace pawl
