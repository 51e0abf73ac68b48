#include "daemon/api/requests.h"

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <xxhash.h>

#include <algorithm>
#include <charconv>

#include "schema/json/json_in_words.h"
#include "schema/json/json_text.h"
#include "schema/json/read_json.h"
#include "schema/limits.h"

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

bool contains(std::initializer_list<std::string_view> names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

std::string list_of(std::initializer_list<std::string_view> first, std::initializer_list<std::string_view> second) {
  std::string list;
  for (const auto& names : {first, second}) {
    for (const std::string_view name : names) list += (list.empty() ? "" : ", ") + quoted_json(name);
  }
  return list.empty() ? "none" : list;
}

/// The field's value; null if it is absent or null.
const json::value* value_of(const json::object& object, std::string_view field) {
  const json::value* value = object.if_contains(json::string_view(field.data(), field.size()));
  return value && !value->is_null() ? value : nullptr;
}

void remove(json::object& object, std::string_view field) {
  object.erase(json::string_view(field.data(), field.size()));
}

/// A header's text: short, and nothing that would be a riddle in a log.
Result<void> check_header(std::string_view name, std::string_view value, std::size_t bytes_max) {
  const std::string header = "header " + std::string(name);
  if (value.size() > bytes_max) {
    return malformed(header + " is longer than " + std::to_string(bytes_max) + " bytes");
  }
  if (!is_json_text(value)) return malformed(header + " is not UTF-8");
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

Result<std::int64_t> integer_in(std::string_view what, std::string_view text, std::int64_t min, std::int64_t max) {
  std::int64_t number = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failure != std::errc() || end != text.data() + text.size() || number < min || number > max) {
    return malformed(std::string(what) + " must be a whole number from " + std::to_string(min) + " to " +
                     std::to_string(max));
  }
  return number;
}

}  // namespace

Result<json::object> read_body(std::string_view body, const BodyFields& fields) {
  json::object object;
  if (!body.empty()) {
    json::value value = PAWL_TRY(parse_json(body));
    if (!value.is_object()) return malformed("the body must be a JSON object");
    object = std::move(value.get_object());
  }
  for (const auto& member : object) {
    const std::string_view name(member.key().data(), member.key().size());
    if (contains(fields.required, name) || contains(fields.optional, name)) continue;
    return malformed("there is no field " + quoted_json(name) +
                     " here; there are: " + list_of(fields.required, fields.optional));
  }
  for (const std::string_view name : fields.required) {
    if (!value_of(object, name)) return malformed("field " + quoted_json(name) + " is missing");
  }
  return object;
}

Result<std::optional<std::string>> take_text(json::object& object, std::string_view field, std::size_t bytes_max) {
  const json::value* value = value_of(object, field);
  if (!value) return std::optional<std::string>();
  if (!value->is_string()) return field_error(field, "must be a text");
  const json::string& content = value->get_string();
  const std::string text(content.data(), content.size());
  if (text.size() > bytes_max) return field_error(field, "is longer than " + std::to_string(bytes_max) + " bytes");
  if (text.find('\0') != std::string::npos) return field_error(field, "has a zero byte in it");
  remove(object, field);
  return std::optional<std::string>(text);
}

Result<std::optional<std::int64_t>> take_integer(json::object& object, std::string_view field, std::int64_t min,
                                                 std::int64_t max) {
  const json::value* value = value_of(object, field);
  if (!value) return std::optional<std::int64_t>();
  const bool in_range = value->is_int64() && value->get_int64() >= min && value->get_int64() <= max;
  if (!in_range) {
    return field_error(field, "must be a whole number from " + std::to_string(min) + " to " + std::to_string(max));
  }
  const std::int64_t number = value->get_int64();
  remove(object, field);
  return std::optional<std::int64_t>(number);
}

Result<std::optional<bool>> take_bool(json::object& object, std::string_view field) {
  const json::value* value = value_of(object, field);
  if (!value) return std::optional<bool>();
  if (!value->is_bool()) return field_error(field, "must be true or false");
  const bool flag = value->get_bool();
  remove(object, field);
  return std::optional<bool>(flag);
}

Result<Query> Query::read(std::string_view query, std::initializer_list<std::string_view> known) {
  Query result;
  while (!query.empty()) {
    const std::string_view pair = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(query.size(), pair.size() + 1));
    if (pair.empty()) continue;
    const std::size_t equals = std::min(pair.find('='), pair.size());
    std::string spaced(pair.substr(std::min(pair.size(), equals + 1)));
    std::replace(spaced.begin(), spaced.end(), '+', ' ');
    const auto name = percent_decoded(pair.substr(0, equals));
    const auto value = percent_decoded(spaced);
    if (!name || !value || !is_json_text(*value)) {
      return malformed("query parameter " + quoted_json(pair) + " is not percent-encoded UTF-8");
    }
    if (!contains(known, *name)) {
      return malformed("there is no query parameter " + quoted_json(*name) + " here; there are: " + list_of(known, {}));
    }
    if (result.text(*name)) return malformed("query parameter " + quoted_json(*name) + " is there twice");
    result.values_.emplace_back(*name, *value);
  }
  return result;
}

std::optional<std::string_view> Query::text(std::string_view name) const {
  for (const auto& [known, value] : values_) {
    if (known == name) return value;
  }
  return std::nullopt;
}

Result<std::optional<std::int64_t>> Query::integer(std::string_view name, std::int64_t min, std::int64_t max) const {
  const auto value = text(name);
  if (!value) return std::optional<std::int64_t>();
  const std::int64_t number = PAWL_TRY(integer_in("query parameter " + quoted_json(name), *value, min, max));
  return std::optional<std::int64_t>(number);
}

Result<Asker> asker_of(const HttpRequest& request, const std::string& daemon_boot) {
  PAWL_TRY(check_header("Pawl-Actor", request.actor, limits::actor_bytes_max));
  PAWL_TRY(check_header("Pawl-Boot", request.boot, limits::boot_id_bytes_max));
  PAWL_TRY(check_header("Idempotency-Key", request.idempotency_key, limits::idempotency_key_bytes_max));
  Asker asker{.boot = request.boot.empty() ? daemon_boot : std::string(request.boot),
              .actor = std::string(request.actor.empty() ? actor_default : request.actor),
              .key = std::string(request.idempotency_key),
              .request = std::nullopt};
  if (!asker.key.empty()) asker.request = request_hash(request);
  return asker;
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
