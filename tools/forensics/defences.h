// Which settings would have kept off what went wrong in a log: each change that the log itself made is undone, and each
// setting is tried at its default. A defence that is on is never switched off: that is no remedy.
#pragma once

#include <optional>
#include <vector>

#include "tools/forensics/change.h"
#include "tools/forensics/what_if_judge.h"

namespace pawl {

struct Defence {
  Change change;
  std::optional<Seq> undoes;  // the record that had set it otherwise; none: the log never changed it
  Retold retold;
  Judged judged;
};

/// All that were tried, those that prevent it first, and of these the one that undoes its cause. `malformed`: a value
/// does not fit the log's other settings or pipelines.
Result<std::vector<Defence>> defences_against(const RecordedLog& log, const InQuestion& question);

}  // namespace pawl
