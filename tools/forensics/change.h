// A setting as given to `pawl replay --what-if`.
#pragma once

#include <string>
#include <string_view>

#include "engine/state/settings.h"
#include "schema/result.h"

namespace pawl {

struct Change {
  const SettingKey* key = nullptr;
  SettingValue value;
};

/// "reaper.dead_ticks=3"; a list is "a,b", or empty. `malformed` names the invalid key or value.
Result<Change> change_from(std::string_view text);

/// "reaper.dead_ticks=3".
std::string in_words(const Change& change);
std::string in_words(const SettingValue& value);

}  // namespace pawl
