#include "tools/forensics/change.h"

#include <algorithm>
#include <charconv>
#include <vector>

namespace pawl {

Result<Change> change_from(std::string_view text) {
  const auto malformed = [](std::string what) { return Error{ErrorCode::malformed, "--what-if: " + std::move(what)}; };
  const std::size_t equals = text.find('=');
  if (equals == std::string_view::npos) return malformed("'" + std::string(text) + "' is not KEY=VALUE");
  const std::string name(text.substr(0, equals));
  const std::string_view value = text.substr(equals + 1);
  const SettingKey* key = setting_named(name);
  if (!key) return malformed(no_setting_named(name));
  Settings settings;
  SettingValue read = key->get(settings);
  if (std::holds_alternative<bool>(read)) {
    read = value == "true" || value == "false" ? SettingValue(value == "true") : SettingValue(std::string(value));
  } else if (std::holds_alternative<std::int64_t>(read)) {
    std::int64_t number = 0;
    const auto [end, failed] = std::from_chars(value.data(), value.data() + value.size(), number);
    const bool is_number = failed == std::errc() && end == value.data() + value.size();
    read = is_number ? SettingValue(number) : SettingValue(std::string(value));
  } else {
    std::vector<std::string> list;
    for (std::size_t at = 0; !value.empty() && at <= value.size();) {
      const std::size_t comma = std::min(value.find(',', at), value.size());
      list.emplace_back(value.substr(at, comma - at));
      at = comma + 1;
    }
    read = std::move(list);
  }
  if (!key->set(settings, read)) {
    return malformed(name + " cannot be '" + std::string(value) + "': it must be " + key->form);
  }
  return Change{key, std::move(read)};
}

std::string in_words(const Change& change) {
  return std::string(change.key->name) + "=" + in_words(change.value);
}

std::string in_words(const SettingValue& value) {
  if (const bool* flag = std::get_if<bool>(&value)) return *flag ? "true" : "false";
  if (const std::int64_t* number = std::get_if<std::int64_t>(&value)) return std::to_string(*number);
  if (const std::string* text = std::get_if<std::string>(&value)) return *text;
  std::string out;
  for (const std::string& item : std::get<std::vector<std::string>>(value)) out += (out.empty() ? "" : ",") + item;
  return out;
}

}  // namespace pawl
