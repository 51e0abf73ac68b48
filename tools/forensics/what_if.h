// The counterfactual of `pawl replay --what-if` (docs/FORENSICS.md): the log's facts are kept, and what the policies
// made of them is decided anew with other settings.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/forensics/invariants.h"
#include "tools/forensics/change.h"
#include "tools/forensics/recorded_log.h"

namespace pawl {

/// A decision that differs: what each side has, and on what evidence.
struct TurningPoint {
  TimeUs time;
  std::optional<Seq> seq;  // of the log's record; none: the log has none
  std::string recorded;
  std::string changed;
};

/// Where the story ends before the log does.
struct Horizon {
  TimeUs time;
  std::optional<Seq> seq;  // the log's record that is there
  std::string why;
};

struct Retold {
  std::vector<TurningPoint> turns;  // the first is where the stories part
  std::optional<Horizon> horizon;
  std::vector<std::string> waits;  // what stands still because the log does not hold how it goes on
  Findings findings;               // in the story retold, its own seqs
  std::vector<Seq> lost;           // the log's accepted records that it does not have
  TimeUs end;                      // as far as it was told
};

/// Tells the log anew. `malformed`: the settings refuse the change, for a pipeline in use.
Result<Retold> retell(const RecordedLog& log, const std::vector<Change>& changes);

/// What `pawl check` finds in the log itself.
Findings findings_in(const RecordedLog& log);

}  // namespace pawl
