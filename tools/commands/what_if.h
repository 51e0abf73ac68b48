// `pawl replay --what-if` and `--each-defence`.
#pragma once

#include <vector>

#include "tools/commands/command.h"
#include "tools/forensics/change.h"
#include "tools/forensics/recorded_log.h"

namespace pawl {

enum class ReportForm { words, json };

/// Retells the log with the changes, and prints where the stories part and how far the other one goes.
Exit run_what_if(const RecordedLog& log, const std::vector<Change>& changes, ReportForm form);

/// Undoes each change of a setting, and tries each setting at its default: prints which would have prevented what
/// `check` finds, the cause first.
Exit run_each_defence(const RecordedLog& log, ReportForm form);

}  // namespace pawl
