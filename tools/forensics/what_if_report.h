// The result of a what-if, for people and for programs.
#pragma once

#include <string>
#include <vector>

#include "tools/commands/command.h"
#include "tools/forensics/defences.h"

namespace pawl {

enum class ReportForm { words, json };

/// Retells the log with the changes, and prints where the stories part and how far the other one goes.
Exit run_what_if(const RecordedLog& log, const std::vector<Change>& changes, ReportForm form);

/// Undoes each change of a setting, and tries each setting at its default: prints which would have prevented what
/// `check` finds, the cause first.
Exit run_each_defence(const RecordedLog& log, ReportForm form);

/// A line for each, and what holds if none prevents it.
std::string defences_in_words(const InQuestion& question, const Defences& defences);

}  // namespace pawl
