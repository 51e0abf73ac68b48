// One story of `pawl replay --what-if`: the log's, with other settings. tools/forensics/what_if.cc plays the log's
// groups; tools/forensics/what_if_passes.cc has the reaper's and the reconciler's passes.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/policies/reaper.h"
#include "tools/forensics/audit.h"
#include "tools/forensics/recorded_group.h"
#include "tools/forensics/recorded_world.h"
#include "tools/forensics/replay_with_changes.h"
#include "tools/forensics/what_if.h"
#include "tools/forensics/what_if_words.h"
#include "tools/simulation/direct_machine.h"

namespace pawl {

constexpr std::string_view reaper_actor = "reaper";
constexpr std::string_view reconciler_actor = "reconciler";

class WhatIf {
 public:
  WhatIf(const RecordedLog& log, std::vector<Change> changes, LogBeginning begun, LogBeginning audited);

  /// Continues a story that was the log's so far, with changes that undo records from here on.
  WhatIf(const WhatIf& trunk, std::vector<Change> changes);

  /// Takes every group of the log, in order. Returns false once the story has ended.
  bool add(const RecordedGroup& group);
  /// The same for a story that does not differ from the log yet: nothing is decided again. Requires: no changes, and no
  /// add() before.
  void follow(const RecordedGroup& group, const AppliedGroup& applied);
  /// The story. Call it once, after the last group.
  Result<Retold> finish();

  /// Whether nothing differed, and nothing can any more: the state is the log's (`recorded`), and so are its settings.
  /// Call it after add() returned true.
  bool is_the_log_again(const State& recorded) const;
  /// The story, if it is the log again: what follows is the log's. Call it once.
  Retold finish_as_the_log();

 private:
  enum class Path { kept, dropped };
  struct PathKey {
    std::string boot;
    std::string actor;
    TaskId task{};
    friend auto operator<=>(const PathKey&, const PathKey&) = default;
  };
  void set_now(TimeUs now);
  bool is_over() const { return retold_.horizon || !fits_; }

  /// A question to the outside that the log cannot answer ends the story before the record that would depend on it.
  void take(Decided& decided);

  // Settings.

  /// Whether the setting is another than the log's by now.
  bool is_changed_key(std::string_view key) const;
  bool is_omitted(const RecordedEvent& event) const;
  /// A change that is undone keeps its record, and sets the value that the setting has: so the story has the log's seqs
  /// for as long as nothing differs.
  Proposal proposal_of(const RecordedEvent& event) const;

  /// Applies them as soon as there is a boot that can change settings.
  Result<void> apply_changes();
  void follow_settings(const RecordedEvent& event);

  // Holds and freezes (what_if_holds.cc).

  /// Whether the record says of a place when it is held, and this story says otherwise.
  bool is_held_instead(const fb::Record& record) const;
  /// Places this story's holds that begin up to a moment, each at its time.
  void hold_until(TimeUs moment);
  /// Plans this story's freezes, as soon as there is the pipeline and again after a definition.
  void freeze_instead();
  /// `malformed`: a place that this story holds is none of the log's.
  Result<void> all_held() const;

  // Passes.

  void begin_passes();

  /// Runs the passes before a moment: at the boot's start + n × interval.
  void pass_until(TimeUs moment);
  Requester policy(std::string_view actor) const;
  std::int64_t daemon_pid() const { return machine_.state().boot_named(daemon_name)->pid; }

  /// Whether the log shows that there was no pass at this time: with the log's settings a pass would have acted alike.
  bool was_no_pass(TaskId task, std::string_view interval) const;
  void reaper_pass();
  void reclaim_pass();
  void reconciler_pass();

  // The policies' views and decisions.

  std::optional<ReapLook> look_at(TaskId task, JobId id);

  /// The decision about the same job under the log's settings.
  ReapDecision decision_of_the_log(const ReapLook& look);
  std::optional<fb::ReclaimReason> reason_of(const Lease& lease, const Settings& settings);
  void remember_streak(JobId job, const Streak& streak);

  // The log's groups.

  /// The path that the events of a group belong to.
  PathKey path_of(const Events& events);
  void play(const RecordedGroup& group);
  void begin_boot(const RecordedEvent& event);

  /// Whether the reaper would open the same path now.
  bool is_reaper_agreed(const Events& events, TaskId task);
  bool is_reclaim_agreed(const RecordedEvent& event, const fb::LeaseReclaimed& reclaimed);
  bool is_reconciler_agreed(const Events& events, TaskId task);

  /// The reap in a path of the reaper, starting with its opening; null if there is none.
  const RecordedEvent* reap_of(const RecordedEvent& opening, TaskId task) const;

  /// Takes records that this story does not have.
  void drop(const Events& events);
  bool is_irreversible(const fb::Record& record) const;

  /// Proposes the records again. False: their requester is refused here, but was accepted in the log.
  bool propose(const Events& wanted, const PathKey& key);
  bool is_key_void(const RecordedEvent& event, const std::string& key, const Lease* held) const;

  /// Compares what the machine itself added to the same answer: the jobs that a restart reaps, deferred cancellations,
  /// tasks blocked after too many rollbacks or failures.
  void compare_consequences(Seq seq, TaskId task);

  /// Handles the same request with a different answer.
  bool part(const Events& events, Outcome recorded, const Decision& decision, TaskId task);

  /// This version's monitor always marks what it finalizes, at once (SPEC §7). A log from before the marks cannot show
  /// what they would have prevented.
  void add_mark(const Events& events);

  // What the story reports.

  void turn(std::optional<Seq> seq, std::string recorded, std::string changed);
  void end_at(std::optional<Seq> seq, std::string why);
  void note_unanswered();
  void note_waiting(TaskId task);

  const RecordedLog& log_;
  std::vector<Change> changes_;
  DirectMachine machine_;
  RecordedWorld world_;
  ReplayWithChanges replay_;
  Audit audit_;
  Replica audited_;  // replays this story's records for audit_
  Chain chain_;
  Settings recorded_settings_;
  bool is_changed_ = false;
  Seq heard_{};  // the last record of the log that was played
  Streaks streaks_;
  TimeUs last_reaper_;
  TimeUs last_reconciler_;
  std::map<PathKey, Path> paths_;
  std::map<std::pair<std::string, std::string>, TaskId> last_task_;
  std::set<TaskId> parted_;  // tasks whose stories differ by now
  std::set<std::string> parted_keys_;
  std::map<JobId, TimeUs> waiting_;
  std::vector<std::string> recorded_consequences_;    // of the log's current group
  std::vector<std::string> consequences_;             // of the last group of this story
  Result<void> fits_;                                 // whether the changes fit every pipeline of the log
  std::map<std::string, std::size_t> holds_placed_;   // by place: how many of its stretches have begun
  std::map<std::string, std::string> holds_refused_;  // by place: why it could not be held
  Retold retold_;
};

}  // namespace pawl
