// Which decisions rest on a setting, as far as a record shows it.
#pragma once

#include <string>
#include <string_view>

#include "tools/forensics/explain_words.h"

namespace pawl {

/// Whether the record would have been decided, or proposed, differently with another value, or may have been: a reap, a
/// block, a refusal by a limit, a decision with ownership switched off.
bool rests_on(std::string_view setting, const Scene& scene);

/// Tells under which value a decision was made.
void add_setting(std::string_view setting, const Scene& scene, Narration& narration);

}  // namespace pawl
