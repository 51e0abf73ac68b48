// What a what-if came to, for people and for programs.
#pragma once

#include <string>
#include <vector>

#include "tools/command.h"
#include "tools/what_if.h"

namespace pawl {

enum class Form { words, json };

/// Tells the log anew with the changes, and prints where the stories part and how far the other one goes.
Exit run_what_if(const RecordedLog& log, const std::vector<Change>& changes, Form form);

/// Tries every switch the other way, and the grace alone, each by itself: which would have prevented what `check`
/// finds.
Exit run_each_defence(const RecordedLog& log, Form form);

}  // namespace pawl
