// A whole log in memory, with the effects of each record: for a what-if, which looks ahead in it.
#pragma once

#include <compare>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "engine/state/effects.h"
#include "engine/state/state.h"
#include "schema/record_view.h"
#include "schema/result.h"
#include "store/chain.h"
#include "tools/forensics/log_source.h"

namespace pawl {

struct RecordedEvent {
  std::vector<std::uint8_t> bytes;
  Effects effects;
  /// For a gate's result: whether it counts. A result from a requester that does not own the task is only recorded.
  bool is_heeded = true;

  const fb::Record& record() const { return *fb::GetRecord(bytes.data()); }
  Seq seq() const { return Seq{record().stamp()->seq()}; }
  bool is_accepted() const { return Outcome{record().stamp()->outcome()} == Outcome::accepted; }
};
using RecordedGroup = std::vector<RecordedEvent>;

/// Identifies the same job in two stories: its task, its version, and how many jobs that version had before it.
struct JobPlace {
  TaskId task{};
  Version version{};
  std::uint64_t ordinal = 0;
  friend auto operator<=>(const JobPlace&, const JobPlace&) = default;
};

/// The places of one story's jobs.
class JobPlaces {
 public:
  void add(const Job& job);
  /// Adds the jobs that a group created; those of a finished task have left memory.
  void add(const State& after, const std::vector<ArchivedTask>& archived, const Effects& effects);
  std::optional<JobPlace> place_of(JobId job) const;
  std::optional<JobId> job_at(const JobPlace& place) const;

 private:
  std::map<JobId, JobPlace> places_;
  std::map<JobPlace, JobId> jobs_;
};

struct RecordedLog {
  std::vector<std::uint8_t> checkpoint;  // at its start; empty: the log begins at 1
  std::vector<RecordedGroup> groups;
  JobPlaces jobs;
  std::optional<Seq> torn_at = std::nullopt;
  std::optional<LogBreak> broken = std::nullopt;  // it goes on, but cannot be read or proved
};

/// The state and the chain before the first record. Each call makes a new one.
struct LogBeginning {
  State state;
  Chain chain{};
};
LogBeginning beginning_of(const RecordedLog& log);

/// Reads a data folder, a file of exported lines, or '-', and proves it on the way: `damaged` names the first record
/// that differs from the rules. Memory use grows with the log.
Result<RecordedLog> read_recorded(const std::string& path);
/// The same, but of a log that is damaged, of a later version or divergent from some record on, what is before it.
Result<RecordedLog> read_recorded_part(const std::string& path);

}  // namespace pawl
