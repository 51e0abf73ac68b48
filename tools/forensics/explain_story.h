// The story of one task, job, record, repository, boot, lease or setting of a log, made from the records alone.
// explain_render.h shows it.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/forensics/invariants.h"
#include "tools/forensics/explain_subject.h"
#include "tools/forensics/explain_words.h"
#include "tools/forensics/log_source.h"

namespace pawl {

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
  std::string line;         // the record, as exported; empty: not kept
  std::optional<Seq> like;  // the first of a run of records like this one; none: not one of a run, or its first
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
  std::string how;    // "released", "done", "reaped"
  bool holds = true;  // false: a lease that was taken with ownership switched off, and kept no one out
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
  std::vector<std::string> lanes;       // actors, in the order of their first record here
  std::vector<std::string> lane_hosts;  // of each lane: its machine if several go by one name; else empty
  std::vector<StoryEntry> entries;
  std::vector<StorySpan> spans;
  std::vector<StageSpan> intervals;
  Findings findings;  // the findings of `pawl check` that concern it
  std::uint64_t log_records = 0;
  TimeUs log_end;
  std::optional<Seq> torn_at;
  std::optional<LogBreak> broken = std::nullopt;  // the log goes on, but cannot be told
  bool is_redacted = false;                       // the log is: its names are replaced
};

/// Marks runs of at least four records in a row that say the same of the same thing: renewals, refusals. What check
/// points at, and the record `subject`, stay by themselves.
void fold(Story& story, std::optional<Seq> subject);

class TimelineBuilder {
 public:
  /// Whether the entries have their records as exported: a story for a terminal does not show them, and readers of the
  /// daemon do not see all of them (schema/json/record_json.h).
  enum class Lines { kept, for_readers, left_out };
  explicit TimelineBuilder(StorySubject subject, Lines lines = Lines::kept)
      : subject_(std::move(subject)), lines_(lines) {}

  /// Call it before the first record if the log begins with a checkpoint.
  void begin(const State& state);
  /// Takes every group of the log, in order; `state` is the one after it. Keeps only what concerns the subject.
  void add(std::span<const AppliedRecord> group, const State& state);
  /// The story, with those of the log's findings that belong to it. `missing` if the log has nothing about the subject.
  Result<Story> finish(const Findings& found);

 private:
  /// An owner that is moving a task over an edge.
  struct Path {
    Owner owner;
    std::string edge;
  };
  struct Lane {
    std::string actor;
    std::string boot;  // its id
    friend auto operator<=>(const Lane&, const Lane&) = default;
  };

  // Building (explain_story.cc).
  void take_in(const AppliedRecord& item, const State& state, bool is_group_ours);
  void tell(const AppliedRecord& item, const State& state);
  void learn_ids(const AppliedRecord& item, const State& state);
  StoryEntry entry_of(const AppliedRecord& item, const State& state);
  std::size_t lane_of(const std::string& actor, const std::string& boot);
  void keep_what_bears_on_it(Story& story) const;
  void take_findings(Story& story, const Findings& found, std::set<Seq>& pointed_at) const;
  void name_machines(Story& story);

  // Which records belong to it (explain_concerns.cc).
  bool concerns(const AppliedRecord& item, const State& state) const;
  bool creates_a_task(const AppliedRecord& item) const;
  bool concerns_a_task(const fb::Record& record) const;
  bool holds_a_task(const fb::Record& record, const State& state) const;
  bool concerns_the_boot(const AppliedRecord& item) const;
  bool concerns_the_key(const AppliedRecord& item, const State& state) const;
  bool is_told(const AppliedRecord& item) const;
  bool touches(const fb::Record& record) const;
  bool may_bear_on_it(const fb::Record& record) const;
  bool concerns(const fb::TaskCreated& event) const;
  bool concerns(const fb::LeaseAcquired& event) const;
  bool frees_its_own(const AppliedRecord& item) const;
  bool is_folded_into_it(const fb::RefusalsFolded& event) const;

  // What lasts (explain_spans.cc). Each record touches only what it opens, ends or moves: a story of a repository has
  // a good part of the log, and what it looked through for each record would grow with that.
  void open(StorySpan span);
  void follow_spans(const AppliedRecord& item);
  void follow_lease(const AppliedRecord& item, const fb::LeaseAcquired& event);
  void follow_boot(const AppliedRecord& item);
  void open_obstacle(const AppliedRecord& item, const State& state);
  void follow_obstacles(const AppliedRecord& item);
  void leave_path(const AppliedRecord& item);
  void close(StorySpan::Kind kind, const std::string& label, const AppliedRecord& item, const std::string& how);
  void follow_interval(const AppliedRecord& item);
  /// Begins a stay of the task on its stage, if its version is a new one. `at`: the record that ends the stay before.
  void begin_interval(TaskId id, std::optional<Seq> at);

  StorySubject subject_;
  Lines lines_;
  StoryContext context_;
  std::set<TaskId> tasks_;
  std::set<Token> tokens_;     // of leases taken for these tasks, or by this boot
  std::set<Token> obstacles_;  // leases of others that the story's records ran into
  std::map<TaskId, Path> paths_;
  std::optional<TaskId> leased_in_group_;  // the task whose lease the current group takes
  std::set<std::string> boots_;            // names of those that acted or owned something
  std::set<std::string> boot_ids_;         // their ids
  std::map<Seq, std::string> boot_starts_;
  std::set<std::string> own_boots_;  // ids of the boots that it is about
  std::set<std::string> own_keys_;   // what they hold
  std::set<JobId> own_jobs_;         // what they run
  std::vector<Lane> lanes_;
  std::map<Lane, std::size_t> lane_at_;
  std::vector<StoryEntry> entries_;
  std::map<Seq, StoryEntry>
      circumstances_;  // settings, pipelines and boots: in the story only if something in it points to them
  std::vector<StorySpan> spans_;
  std::map<std::pair<StorySpan::Kind, std::string>, std::vector<std::size_t>> open_spans_;  // leases and jobs, by label
  std::vector<std::size_t> unheld_spans_;  // open bars of leases that keep no one out
  std::map<Seq, std::size_t> step_spans_;  // by the step's start
  std::vector<StageSpan> intervals_;
  std::map<TaskId, std::size_t> last_interval_;
  bool is_found_ = false;  // a restore, which is in every story, is not enough
  std::uint64_t records_ = 0;
  TimeUs end_;
  std::optional<std::string> nearest_;  // the name in the log that is most like the subject's
};

}  // namespace pawl
