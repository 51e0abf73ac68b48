// A whole log in memory, with what apply made of each record: for a what-if, which looks ahead in it.
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

namespace pawl {

struct RecordedEvent {
  std::vector<std::uint8_t> bytes;
  Effects effects;
  /// Of a gate's result: whether anything follows from it. What somebody says who has not the task in hand is recorded,
  /// and no more.
  bool is_heeded = true;

  const fb::Record& record() const { return *fb::GetRecord(bytes.data()); }
  Seq seq() const { return Seq{record().stamp()->seq()}; }
  bool is_accepted() const { return Outcome{record().stamp()->outcome()} == Outcome::accepted; }
};
using RecordedGroup = std::vector<RecordedEvent>;

/// What makes a job the same in two stories: its task, the version that it is for, and how many there were before it.
struct JobPlace {
  TaskId task{};
  Version version{};
  std::uint64_t ordinal = 0;
  friend auto operator<=>(const JobPlace&, const JobPlace&) = default;
};

/// Where the jobs of one story have their places.
class JobPlaces {
 public:
  void add(const Job& job);
  /// The jobs that a group gave out; those of a finished task have left memory.
  void add(const State& after, const std::vector<ArchivedTask>& archived, const Effects& effects);
  std::optional<JobPlace> place_of(JobId job) const;
  std::optional<JobId> job_at(const JobPlace& place) const;

 private:
  std::map<JobId, JobPlace> places_;
  std::map<JobPlace, JobId> jobs_;
};

struct RecordedLog {
  std::vector<std::uint8_t> checkpoint;  // that it begins with; empty: it begins at 1
  std::vector<RecordedGroup> groups;
  JobPlaces jobs;
};

/// The state before the first record, and that record's chain before it. Each call makes another.
struct LogBeginning {
  State state;
  Chain chain{};
};
LogBeginning beginning_of(const RecordedLog& log);

/// Reads a data folder, a file of exported lines, or '-', and proves it on the way: `damaged` names the first record
/// that is not as the rules say. Memory grows with the log.
Result<RecordedLog> read_recorded(const std::string& path);

}  // namespace pawl
