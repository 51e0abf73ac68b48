// The settings that live in the log.
#include "engine/state/settings.h"

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>

#include <algorithm>
#include <optional>

#include "schema/json/json_text.h"
#include "schema/json/read_json.h"
#include "tools/commands/answers.h"
#include "tools/commands/output.h"

namespace pawl {
namespace {

namespace json = boost::json;

/// One setting per line, in the form that `pawl settings KEY=VALUE` accepts.
std::string show(const json::value& answer) {
  const json::value settings = part_of(answer, "settings");
  if (!settings.is_object()) return fields_of(settings);
  json::object shown = settings.get_object();
  for (auto& member : shown) {
    if (member.value().is_bool()) member.value() = member.value().get_bool() ? "true" : "false";
  }
  return fields_of(shown);
}

/// A boolean as people write it, in upper or lower case; none for any other word.
std::optional<bool> boolean_from(std::string_view word) {
  std::string lower;
  for (const char c : word) lower += static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  if (lower == "true" || lower == "yes" || lower == "on") return true;
  if (lower == "false" || lower == "no" || lower == "off") return false;
  return std::nullopt;
}

/// `{"key":value,…}` from words `key=value`. A value that reads as a boolean, a number or a list is JSON; any other is
/// a string.
Result<std::string> body_from(const std::vector<std::string>& words) {
  std::string body = "{";
  for (const std::string& word : words) {
    const std::size_t equals = word.find('=');
    if (equals == std::string::npos || equals == 0) {
      return Error{ErrorCode::malformed, "settings: '" + word + "' is not KEY=VALUE"};
    }
    const std::string value = word.substr(equals + 1);
    const auto is_same = [&](const std::string& other) { return other.starts_with(word.substr(0, equals + 1)); };
    if (std::count_if(words.begin(), words.end(), is_same) > 1) {
      return Error{ErrorCode::malformed, "settings: '" + word.substr(0, equals) + "' is given twice"};
    }
    if (body.size() > 1) body += ',';
    append_json_text(body, word.substr(0, equals));
    body += ':';
    const SettingKey* known = setting_named(word.substr(0, equals));
    const auto boolean = known && known->type == "boolean" ? boolean_from(value) : std::nullopt;
    const auto read = parse_json(value);
    if (boolean) {
      body += *boolean ? "true" : "false";
    } else if (read && (read->is_bool() || read->is_int64() || read->is_array())) {
      body += json::serialize(*read);
    } else {
      append_json_text(body, value);
    }
  }
  return body + '}';
}

Exit run_settings(const Arguments& arguments) {
  if (arguments.positional().empty()) return run_call(arguments, {.method = "GET", .path = "/v1/settings"}, show);
  const auto body = body_from(arguments.positional());
  if (!body) return fail(body.error());
  return run_call(arguments, {.method = "POST", .path = "/v1/settings", .body = *body}, show);
}

}  // namespace

const Command settings_command = {
    .name = "settings",
    .arguments = "[KEY=VALUE ...]",
    .summary = "Shows the settings, or changes the named ones, all or none",
    .details =
        "A value is true or false (also yes, no, on, off), a whole number, a word, or a list such as\n"
        "'[\"shop\",\"depot\"]'. docs/SETTINGS.md describes each setting.\n",
    .options = with_daemon_options({}),
    .positional_max = 64,
    .run = run_settings};

}  // namespace pawl
