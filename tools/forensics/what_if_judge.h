// Whether what went wrong in a log also goes wrong in another story of it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tools/forensics/what_if.h"

namespace pawl {

/// What a change does to what went wrong.
enum class WhatIfVerdict { prevented, not_prevented, not_known };
std::string_view name(WhatIfVerdict verdict);

struct Judged {
  WhatIfVerdict verdict = WhatIfVerdict::not_known;
  std::string why;
};

/// Whether something went wrong, as opposed to what a reader should only know.
bool is_grave(const Finding& finding);
/// The record where the trouble began; none if only unchecked records were found. Requires: in the audit's order.
std::optional<Seq> culprit_of(const Findings& findings);
/// "record 12"
std::string record_name(Seq seq);

/// What is in question: a finding and, of an incident, all that ended badly because of it.
struct InQuestion {
  Finding finding;
  std::vector<BadEnd> ends;
  Findings shown_by;          // other findings in its chain
  std::vector<BadEnd> other;  // bad ends of the log that are not in question
};

/// The first incident, else the first contradiction, else the first finding; none if nothing went wrong.
std::optional<InQuestion> in_question(const FoundInLog& found);

/// Prevented only if none of it comes about in the other story, in this way or another.
Judged judge(const RecordedLog& log, const InQuestion& question, const Retold& retold);

}  // namespace pawl
