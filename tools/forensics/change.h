// A setting as given to `pawl replay --what-if`.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "engine/state/settings.h"
#include "schema/ids.h"
#include "schema/result.h"

namespace pawl {

struct Change {
  const SettingKey* key = nullptr;
  SettingValue value;
  /// The log's record of a change that did not happen: until then the story is the log's, and `value` is what the
  /// setting keeps. None: the value is in force from the beginning on, and every change of the key in the log is
  /// omitted.
  std::optional<Seq> undoes = std::nullopt;
};

/// "reaper.dead_ticks=3"; a list is "a,b", or empty. `malformed` names the invalid key or value.
Result<Change> change_from(std::string_view text);

/// "reaper.dead_ticks=3".
std::string in_words(const Change& change);
std::string in_words(const SettingValue& value);

}  // namespace pawl
