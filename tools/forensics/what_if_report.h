// The result of a what-if, and of the defences against what went wrong, for people and for programs.
#pragma once

#include <string>
#include <vector>

#include "tools/forensics/defences.h"

namespace pawl {

/// Where the two stories part, and how far the other one goes. `target`: what went wrong; null: nothing did.
std::string what_if_text(const RecordedLog& log, const std::vector<Change>& changes, const Retold& retold,
                         const InQuestion* target);
/// The same as a JSON object.
std::string what_if_json(const RecordedLog& log, const std::vector<Change>& changes, const Retold& retold,
                         const InQuestion* target);

/// "incident of record 12"
std::string finding_in_words(const Finding& finding);

/// A line for each, and what holds if none prevents it.
std::string defences_in_words(const InQuestion& question, const Defences& defences);

}  // namespace pawl
