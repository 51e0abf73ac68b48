// Which settings would have kept off what went wrong in a log: each change that the log itself made is undone, and each
// setting is tried at its default. It never tries to switch a defence off.
#pragma once

#include <optional>
#include <vector>

#include "tools/forensics/change.h"
#include "tools/forensics/what_if_judge.h"

namespace pawl {

struct Defence {
  Change change;
  Retold retold;
  Judged judged;
};

/// How much to try: each story may cost as much as two replays of the log.
enum class Effort {
  all,
  likely,  // a few, those that the incident has to do with first, and none after the one that undoes its cause
};

struct Defences {
  std::vector<Defence> tried;  // those that prevent it first, and of these the one that undoes its cause
  std::vector<Change> untried;
};

/// A value that does not fit the log's other settings or pipelines is left out.
Result<Defences> defences_against(const RecordedLog& log, const InQuestion& question, Effort effort);

}  // namespace pawl
