// A setting as it is given to `pawl replay --what-if`.
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

/// "reaper.dead_ticks=3"; a list is "a,b", or nothing. `malformed` names the key or the value that there cannot be.
Result<Change> change_from(std::string_view text);

/// "reaper.dead_ticks=3".
std::string in_words(const Change& change);
std::string in_words(const SettingValue& value);

}  // namespace pawl
