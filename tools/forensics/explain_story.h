// The story of one task, job or record of a log, made from the records alone. explain_render.h shows it.
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

/// What the story is about: one of these; for a record also what about() adds.
struct StorySubject {
  std::optional<TaskId> task;
  std::optional<JobId> job;
  std::optional<Seq> seq;
  std::optional<std::string> work_item;
  std::optional<std::string> key;  // of a lease that belongs to no task
};

/// "task:12", "job:7", "31" or "record:31"; anything else, and everything after "item:", is a work item. `malformed` if
/// the number is missing.
Result<StorySubject> subject_of(std::string_view text);
/// The subject for one record: its seq and its task, job or lease. `state` and `archived` are those after its group.
StorySubject about(const AppliedRecord& item, const State& state, std::span<const ArchivedTask> archived);
/// A subject for people: "task 12", "work item SHOP-1".
std::string in_words(const StorySubject& subject);

struct StoryEntry {
  Seq seq{};
  Seq group{};
  TimeUs time;
  std::size_t lane = 0;  // of the requester
  std::string type;
  Outcome outcome = Outcome::accepted;
  bool unchecked = false;
  bool is_rollback = false;
  Narration narration;
  std::vector<std::size_t> findings;  // those whose record this is
  std::optional<TaskId> task;
  std::optional<JobId> job;
  std::string line;  // the record, as exported
};

/// Something that lasted: a bar on the lane of its owner.
struct StorySpan {
  enum class Kind { lease, job, step };
  Kind kind{};
  std::string label;  // "task:1", "job 3", "merge"
  std::size_t lane = 0;
  Seq from{};
  TimeUs begun;
  std::optional<Seq> to;  // none: it had not ended by the end of the log
  TimeUs ended;
  std::string how;  // "released", "done", "reaped"
};
std::string_view name(StorySpan::Kind kind);

/// A task at one version.
struct StageSpan {
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
  std::vector<StageSpan> intervals;
  Findings findings;  // the findings of `pawl check` that concern it
  std::uint64_t log_records = 0;
  TimeUs log_end;
  std::optional<Seq> torn_at;
};

class TimelineBuilder {
 public:
  explicit TimelineBuilder(StorySubject subject) : subject_(std::move(subject)) {}

  /// Call it before the first record if the log begins with a checkpoint.
  void begin(const State& state);
  /// Takes every group of the log, in order; `state` is the one after it. Keeps only what concerns the subject.
  void add(std::span<const AppliedRecord> group, const State& state);
  /// The story, with the findings of `audit` that belong to it. `missing` if the log has nothing about the subject.
  Result<Story> finish(const Audit& audit);

 private:
  /// An owner that is moving a task over an edge.
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
  void follow_interval(const AppliedRecord& item);
  void keep_what_bears_on_it(Story& story) const;

  StorySubject subject_;
  StoryContext context_;
  std::set<TaskId> tasks_;
  std::set<Token> tokens_;  // of leases taken for these tasks
  std::map<TaskId, Path> paths_;
  std::optional<TaskId> leased_in_group_;  // the task whose lease the current group takes
  std::set<std::string> boots_;            // names of those that acted or owned something
  std::vector<std::string> lanes_;
  std::map<std::string, std::size_t> lane_at_;
  std::vector<StoryEntry> entries_;
  std::map<Seq, StoryEntry>
      circumstances_;  // settings, pipelines and boots: in the story only if something in it points to them
  std::vector<StorySpan> spans_;
  std::vector<StageSpan> intervals_;
  std::uint64_t records_ = 0;
  TimeUs end_;
};

}  // namespace pawl
