// The counterfactual of `pawl replay --what-if` (docs/FORENSICS.md): keeps the log's facts, and decides again what the
// policies made of them, with other settings.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "engine/forensics/incidents.h"
#include "tools/forensics/change.h"
#include "tools/forensics/recorded_log.h"

namespace pawl {

/// A decision that differs: what each side decided, and on what evidence.
struct TurningPoint {
  TimeUs time;
  std::optional<Seq> seq;  // of the log's record; none: the log has no such record
  std::string recorded;
  std::string changed;
};

/// Where the story ends before the log does.
struct EndOfEvidence {
  TimeUs time;
  std::optional<Seq> seq;  // the log's record at that point
  std::string why;
};

/// A reap in the retold story.
struct RetoldReap {
  JobPlace job;
  TimeUs time;
  fb::Tier tier{};
};

struct Retold {
  std::vector<TurningPoint> turns;  // the stories part at the first
  std::optional<EndOfEvidence> horizon;
  std::vector<std::string> waits;  // what stops because the log does not show how it goes on
  Findings findings;               // in the retold story, with its own seqs
  std::vector<BadEnd> ended;       // in the retold story
  std::set<TaskId> freed;          // their jobs are queued again, and the log does not show their next run
  std::vector<Seq> lost;           // the log's accepted records that the story lacks
  std::vector<RetoldReap> reaps;
  TimeUs end;  // how far the story goes
};

/// Retells the log, reading it once more. `malformed`: the changed settings do not fit each other or a pipeline of the
/// log.
Result<Retold> retell(const RecordedLog& log, const std::vector<Change>& changes);
/// The same with each of several lists of changes, in few readings; the stories are in the same order. Memory grows
/// with a few stories, not with all.
Result<std::vector<Result<Retold>>> retell_each(const RecordedLog& log, const std::vector<std::vector<Change>>& all);

}  // namespace pawl
