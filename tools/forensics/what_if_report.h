// The result of a what-if, for people and for programs.
#pragma once

#include <string>
#include <vector>

#include "tools/commands/command.h"
#include "tools/forensics/what_if.h"

namespace pawl {

enum class ReportForm { words, json };

/// Retells the log with the changes, and prints where the stories part and how far the other one goes.
Exit run_what_if(const RecordedLog& log, const std::vector<Change>& changes, ReportForm form);

/// Flips every switch and raises the grace, one at a time, and prints which would have prevented what `check` finds.
Exit run_each_defence(const RecordedLog& log, ReportForm form);

}  // namespace pawl
