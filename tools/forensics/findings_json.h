// What `pawl check` finds, as JSON.
#pragma once

#include <optional>
#include <string>

#include "engine/forensics/incidents.h"
#include "tools/forensics/headings.h"

namespace pawl {

/// `{"kind":…,"invariant":…,"seq":…,…}`. `heading`: of its record; none: it is not known.
void append_finding(std::string& out, const Finding& finding, const std::optional<Heading>& heading);
/// `{"task":…,"work_item":…,"seq":…,…}`
void append_end(std::string& out, const BadEnd& end);
/// `[12,15]`
void append_seqs(std::string& out, const std::vector<Seq>& seqs);

}  // namespace pawl
