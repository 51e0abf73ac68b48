// The story of one thing in a log: of a task, a job or a record. Made of the records alone; how it is shown is in
// explain_render.h.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "tools/forensics/audit.h"
#include "tools/forensics/explain_words.h"

namespace pawl {

/// What somebody asks about: one of these, but for a record, which comes with what about() says of it.
struct StorySubject {
  std::optional<TaskId> task;
  std::optional<JobId> job;
  std::optional<Seq> seq;
  std::optional<std::string> work_item;
  std::optional<std::string> key;  // of a lease that is no task's
};

/// "task:12", "job:7", "31" or "record:31"; anything else, and all behind "item:", is a work item. `malformed` if
/// such a word is followed by no number.
Result<StorySubject> subject_of(std::string_view text);
/// The subject of one record, which has its task, job or lease beside its seq. `state` and `archived` are those after
/// its group.
StorySubject about(const AppliedRecord& item, const State& state, std::span<const ArchivedTask> archived);
/// A subject for people: "task 12", "work item SHOP-1".
std::string in_words(const StorySubject& subject);

struct StoryEntry {
  Seq seq{};
  Seq group{};
  TimeUs time;
  std::size_t lane = 0;  // of who asked
  std::string type;
  Outcome outcome = Outcome::accepted;
  bool unchecked = false;
  bool is_rollback = false;
  Told told;
  std::vector<std::size_t> findings;  // those that begin with this record
  std::optional<TaskId> task;
  std::optional<JobId> job;
  std::string line;  // the record as it is exported
};

/// Something that lasted: a bar on the lane of who did or had it.
struct StorySpan {
  enum class Kind { lease, job, step };
  Kind kind{};
  std::string label;  // "task:1", "job 3", "merge"
  std::size_t lane = 0;
  Seq from{};
  TimeUs begun;
  std::optional<Seq> to;  // none: it had not ended when the log did
  TimeUs ended;
  std::string how;  // "released", "done", "reaped"
};
std::string_view name(StorySpan::Kind kind);

/// A task at one version.
struct StageStay {
  TaskId task{};
  std::string stage;
  Version version{};
  Seq from{};
  TimeUs begun;
  std::optional<Seq> to;
};

struct Story {
  std::string subject;  // in words
  std::map<TaskId, TaskSeen> tasks;
  std::vector<std::string> lanes;  // actors, in the order of their first record here
  std::vector<StoryEntry> entries;
  std::vector<StorySpan> spans;
  std::vector<StageStay> stays;
  Findings findings;  // those that concern it, as `pawl check` has them
  std::uint64_t log_records = 0;
  TimeUs log_end;
  std::optional<Seq> torn_at;
};

class StoryTeller {
 public:
  explicit StoryTeller(StorySubject subject) : subject_(std::move(subject)) {}

  /// Before the first record, of a log that begins with a checkpoint.
  void begin(const State& state);
  /// Every group of the log, in order; `state` is that after it. Keeps only what concerns the subject.
  void add(std::span<const AppliedRecord> group, const State& state);
  /// The story, with the findings of `audit` that belong to it. `missing` if the log has nothing of the subject.
  Result<Story> finish(const Audit& audit);

 private:
  /// Who is on its way over an edge with a task.
  struct Path {
    Owner owner;
    std::string edge;
  };

  void take_in(const AppliedRecord& item, const State& state);
  bool concerns(const fb::Record& record);
  bool may_bear_on_it(const fb::Record& record) const;
  bool concerns(const fb::TaskCreated& event) const;
  bool concerns(const fb::LeaseAcquired& event) const;
  StoryEntry entry_of(const AppliedRecord& item, const State& state);
  std::size_t lane_of(const std::string& actor, const std::string& boot);
  void follow_spans(const AppliedRecord& item);
  void follow_lease(const AppliedRecord& item, const fb::LeaseAcquired& event);
  void close(StorySpan::Kind kind, const std::string& label, const AppliedRecord& item, const std::string& how);
  void follow_stay(const AppliedRecord& item);
  void keep_what_bears_on_it(Story& story) const;

  StorySubject subject_;
  Memory memory_;
  std::set<TaskId> tasks_;
  std::set<Token> tokens_;  // of leases that were taken for these tasks
  std::map<TaskId, Path> paths_;
  std::optional<TaskId> leased_in_group_;  // the task whose lease the group in hand takes
  std::set<std::string> boots_;            // names of those that acted, or had something
  std::vector<std::string> lanes_;
  std::map<std::string, std::size_t> lane_at_;
  std::vector<StoryEntry> entries_;
  std::map<Seq, StoryEntry>
      circumstances_;  // settings, pipelines and boots: in the story if something in it points there
  std::vector<StorySpan> spans_;
  std::vector<StageStay> stays_;
  std::uint64_t records_ = 0;
  TimeUs end_;
};

}  // namespace pawl
