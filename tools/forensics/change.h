// A change as given to `pawl replay --what-if`: of a setting, or of when something is held.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/state/settings.h"
#include "schema/ids.h"
#include "schema/result.h"
#include "schema/time.h"

namespace pawl {

/// When a place is held, or a pipeline frozen, instead of what the log says of it.
struct HeldInstead {
  struct Stretch {
    TimeUs from;
    std::optional<TimeUs> until;  // none: for good
  };
  std::string place;  // of a freeze: the pipeline's
  bool is_freeze = false;
  std::vector<Stretch> stretches;  // in order of their beginnings
};

struct Change {
  const SettingKey* key = nullptr;  // null: `held` is changed, and no setting
  SettingValue value;
  /// The log's record of a change that did not happen: until then the story is the log's, and `value` is what the
  /// setting keeps. None: the value is in force from the beginning on, and every change of the key in the log is
  /// omitted.
  std::optional<Seq> undoes = std::nullopt;
  std::optional<HeldInstead> held = std::nullopt;
};

/// "reaper.dead_ticks=3"; a list is "a,b", or empty. Also "freeze:PIPELINE=FROM/UNTIL,…" and "hold:PLACE=FROM/UNTIL,…",
/// where UNTIL may be absent, and nothing at all means never. `malformed` names the invalid key or value.
Result<Change> change_from(std::string_view text);

/// Before the `=`.
std::string name_of(const Change& change);
/// "reaper.dead_ticks=3".
std::string in_words(const Change& change);
std::string in_words(const SettingValue& value);

}  // namespace pawl
