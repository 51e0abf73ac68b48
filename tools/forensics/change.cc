#include "tools/forensics/change.h"

#include <algorithm>
#include <charconv>
#include <vector>

#include "engine/state/holds.h"
#include "tools/forensics/log_source.h"

namespace pawl {
namespace {

constexpr std::string_view freeze_prefix = "freeze:";
constexpr std::string_view hold_prefix = "hold:";

Error malformed(std::string what) {
  return {ErrorCode::malformed, "--what-if: " + std::move(what)};
}

Result<HeldInstead::Stretch> stretch_from(std::string_view text) {
  const std::size_t slash = text.find('/');
  const auto from = slash == std::string_view::npos ? std::nullopt : std::optional(time_from(text.substr(0, slash)));
  const std::string_view end = from ? text.substr(slash + 1) : std::string_view();
  const auto until = end.empty() ? std::nullopt : std::optional(time_from(end));
  if (!from || !*from || (until && !*until)) {
    return malformed("'" + std::string(text) +
                     "' is not FROM/UNTIL, such as 2026-12-24T18:00:00Z/2027-01-02T08:00:00Z; without UNTIL it is for "
                     "good");
  }
  if (until && **until <= **from) return malformed("'" + std::string(text) + "' ends before it begins");
  return HeldInstead::Stretch{.from = **from, .until = until ? std::optional(**until) : std::nullopt};
}

Result<Change> held_from(std::string_view name, std::string_view value) {
  HeldInstead held;
  held.is_freeze = name.starts_with(freeze_prefix);
  held.place = held.is_freeze ? place_of_pipeline(name.substr(freeze_prefix.size()))
                              : std::string(name.substr(hold_prefix.size()));
  if (!place_from(held.place)) {
    return malformed("'" + std::string(name) +
                     "' is not freeze:PIPELINE, or hold: with one of pipeline:NAME, repo:NAME, stage:NAME, agent:NAME "
                     "and task:ID");
  }
  for (std::size_t at = 0; !value.empty() && at <= value.size();) {
    const std::size_t comma = std::min(value.find(',', at), value.size());
    held.stretches.push_back(PAWL_TRY(stretch_from(value.substr(at, comma - at))));
    at = comma + 1;
  }
  std::sort(held.stretches.begin(), held.stretches.end(),
            [](const auto& one, const auto& other) { return one.from < other.from; });
  Change change;
  change.held = std::move(held);
  return change;
}

}  // namespace

Result<Change> change_from(std::string_view text) {
  const std::size_t equals = text.find('=');
  if (equals == std::string_view::npos) return malformed("'" + std::string(text) + "' is not KEY=VALUE");
  const std::string name(text.substr(0, equals));
  const std::string_view value = text.substr(equals + 1);
  if (name.starts_with(freeze_prefix) || name.starts_with(hold_prefix)) return held_from(name, value);
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

std::string name_of(const Change& change) {
  if (!change.held) return std::string(change.key->name);
  if (!change.held->is_freeze) return std::string(hold_prefix) + change.held->place;
  return std::string(freeze_prefix) + change.held->place.substr(place_of_pipeline("").size());
}

std::string in_words(const Change& change) {
  if (!change.held) return name_of(change) + "=" + in_words(change.value);
  std::string stretches;
  for (const HeldInstead::Stretch& each : change.held->stretches) {
    stretches += (stretches.empty() ? "" : ",") + rfc3339(each.from) + '/' + (each.until ? rfc3339(*each.until) : "");
  }
  return name_of(change) + "=" + stretches;
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
