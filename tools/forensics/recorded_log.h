// A log for a what-if and for the report of an incident: what one reading of it shows, and a way to read it again. The
// records themselves are not kept, since a log may have millions of them.
#pragma once

#include <compare>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/state/effects.h"
#include "engine/state/state.h"
#include "schema/record_view.h"
#include "schema/result.h"
#include "store/chain.h"
#include "store/replica.h"
#include "tools/forensics/audit.h"
#include "tools/forensics/log_source.h"
#include "tools/forensics/recorded_facts.h"

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
  JobPlaces() = default;
  /// For a story that is another's until it parts from it: the other's jobs are not copied, and must outlive these.
  explicit JobPlaces(const JobPlaces* shared) : shared_(shared) {}

  void add(const Job& job);
  /// Adds the jobs that a group created; those of a finished task have left memory.
  void add(const State& after, const std::vector<ArchivedTask>& archived, const Effects& effects);
  /// Takes the same from the story that is shared, of which nothing was added here yet.
  void share(const Effects& effects);
  std::optional<JobPlace> place_of(JobId job) const;
  std::optional<JobId> job_at(const JobPlace& place) const;

 private:
  const JobPlaces* shared_ = nullptr;
  JobId shared_to_{};                               // the last one of it that is this story's, too
  std::vector<std::pair<JobId, JobPlace>> places_;  // by job
  std::vector<std::pair<TaskId, JobId>> of_task_;   // in order
};

/// The state and the chain before the first record. Each call makes a new one.
struct LogBeginning {
  State state;
  Chain chain{};
};

/// What `pawl check` finds in a log, and what ended badly in it.
struct FoundInLog {
  Findings findings;
  std::vector<BadEnd> ended;
};

/// Memory grows by some dozens of bytes with each job and each gate's result of the log, and by some bytes with each
/// record, but not with the records' size.
class RecordedLog {
 public:
  /// Reads a data folder, a file of exported lines, or '-', proves and audits it on the way. `damaged` names the first
  /// record that differs from the rules. Standard input is copied to a temporary file, to be read again.
  static Result<RecordedLog> read(const std::string& path);
  /// The same, but of a log that is damaged, of a later version or divergent from some record on, what is before it.
  static Result<RecordedLog> read_part(const std::string& path);
  /// The same of a log that is open, up to where it is at this moment.
  static Result<RecordedLog> read_part(Journal& journal);

  /// Called with a group of the log, the same with the state after it, and returns whether to go on.
  using Reader = std::function<bool(const RecordedGroup&, const AppliedGroup&)>;
  /// Reads the log once more, up to where it ended the first time. An error if it has changed meanwhile.
  Result<void> walk(const Reader& each) const;

  LogBeginning beginning() const;
  bool begins_with_checkpoint() const { return !checkpoint_.empty(); }
  std::uint64_t records() const { return audit_.records(); }
  Seq first() const { return audit_.first(); }
  /// The last record; if there is none, the one before the first.
  Seq last() const { return end_->last_seq; }
  /// The times of the first and the last record; zero if there is none.
  TimeUs begin_time() const { return begin_time_; }
  TimeUs end_time() const { return end_time_; }
  /// The state after the last record.
  const State& end() const { return *end_; }

  /// The seq from which a folder's log is torn.
  std::optional<Seq> torn_at() const { return torn_at_; }
  /// Where it goes on, but cannot be read or proved.
  const std::optional<LogBreak>& broken() const { return broken_; }

  /// Concluded.
  const Audit& audit() const { return audit_; }
  FoundInLog found() const { return {.findings = audit_.findings(), .ended = audit_.ended()}; }
  /// When a record was, and of what type; zero and none if the log does not have it.
  TimeUs time_of(Seq seq) const;
  std::optional<fb::Event> type_of(Seq seq) const { return audit_.type_of(seq); }

  const JobPlaces& jobs() const { return jobs_; }
  const RecordedFacts& facts() const { return facts_; }
  /// Every JobReaped, accepted or not; null if the record is not one.
  const RecordedEvent* reap(Seq seq) const;
  const std::map<Seq, RecordedEvent>& reaps() const { return reaps_; }
  /// The reaper's first reap of a job of `task` at or after a record; null if there is none.
  const RecordedEvent* reap_from(Seq seq, TaskId task) const;
  /// Whether the log marked that job as being finalized.
  bool was_marked(JobId job) const;
  /// The accepted changes of settings, in order.
  const std::vector<RecordedEvent>& settings() const { return settings_; }

 private:
  explicit RecordedLog(Audit audit) : audit_(std::move(audit)) {}

  enum class Extent { whole, part };
  static Result<RecordedLog> read_of(const std::string& path, Extent extent);
  /// `to`: the last record to read.
  static Result<RecordedLog> read_up_to(const LogWalker& walker, Seq to, Extent extent);

  void begin(const State& state, const Chain& chain);
  void learn(const AppliedGroup& group);

  LogWalker walker_;
  std::vector<std::uint8_t> checkpoint_;  // at its start; empty: the log begins at 1
  Audit audit_;
  std::optional<State> end_;
  std::optional<Seq> torn_at_;
  std::optional<LogBreak> broken_;
  TimeUs begin_time_;
  TimeUs end_time_;
  JobPlaces jobs_;
  RecordedFacts facts_;
  std::map<Seq, RecordedEvent> reaps_;
  std::map<TaskId, std::vector<Seq>> reaps_of_;  // by the reaper
  std::vector<JobId> marked_;                    // in order
  std::vector<RecordedEvent> settings_;
};

/// The events of a group that was read and applied.
RecordedGroup recorded(const AppliedGroup& applied);

/// The task that a record is about, by its fields, its key or its job in the log; none if there is none.
std::optional<TaskId> task_of(const RecordedLog& log, const fb::Record& record);

}  // namespace pawl
