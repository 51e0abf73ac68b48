// One story of `pawl replay --what-if`: the log's, with other settings. tools/forensics/what_if.cc plays the log's
// groups, tools/forensics/what_if_passes.cc has what the reaper and the reconciler make of them.
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
#include "tools/forensics/retelling.h"
#include "tools/forensics/what_if.h"
#include "tools/forensics/what_if_words.h"
#include "tools/simulation/direct_machine.h"

namespace pawl {

constexpr std::string_view reaper_actor = "reaper";
constexpr std::string_view reconciler_actor = "reconciler";

class WhatIf {
 public:
  WhatIf(const RecordedLog& log, const std::vector<Change>& changes, LogBeginning begun, LogBeginning audited);
  Result<Retold> tell();

 private:
  enum class Path { kept, dropped };
  struct PathKey {
    std::string boot;
    std::string actor;
    TaskId task{};
    friend auto operator<=>(const PathKey&, const PathKey&) = default;
  };
  void set_now(TimeUs now);

  /// What was asked of the outside and cannot be known ends the story before the record that would tell of it.
  void take(Decided& decided);

  // Settings.

  bool is_changed_key(std::string_view key) const;

  /// As soon as there is a boot that can say it.
  Result<void> apply_changes();
  void follow_settings(const RecordedEvent& event);

  // Passes.

  void begin_passes();

  /// Boot start + n × interval, before a moment.
  void pass_until(TimeUs moment);
  Asker policy(std::string_view actor) const;
  std::int64_t daemon_pid() const { return machine_.state().boot_named(daemon_name)->pid; }

  /// Whether the log shows that no pass was at this moment: one by its own settings would have done the same.
  bool was_no_pass(TaskId task, std::string_view interval) const;
  void reaper_pass();
  void reclaim_pass();
  void reconciler_pass();

  // What a policy sees and decides.

  std::optional<ReapLook> look_at(TaskId task, JobId id);

  /// The same job under the settings that were in force in the log.
  ReapDecision decision_of_the_log(const ReapLook& look);
  std::optional<fb::ReclaimReason> reason_of(const Lease& lease, const Settings& settings);
  void remember_streak(JobId job, const Streak& streak);

  // The log's groups.

  void play(const RecordedGroup& group);
  void begin_boot(const RecordedEvent& event);

  /// Whether the reaper would open the same path now.
  bool is_reaper_agreed(const Events& events, TaskId task);
  bool is_reclaim_agreed(const RecordedEvent& event, const fb::LeaseReclaimed& reclaimed);
  bool is_reconciler_agreed(const Events& events, TaskId task);

  /// The reap that a path of the reaper comes to, its opening included; null if it comes to none.
  const RecordedEvent* reap_of(const RecordedEvent& opening, TaskId task) const;

  /// Records that this story does not have.
  void drop(const Events& events);
  bool is_irreversible(const fb::Record& record) const;

  /// Asks again. False: its speaker is turned away here, where the log let him in.
  bool propose(const Events& wanted, const PathKey& key);
  bool is_key_void(const RecordedEvent& event, const std::string& key, const Lease* held) const;

  /// The answer is the same, but what the machine itself made of it may not be: whom a restart reaps, what is cancelled
  /// now, which task has been sent back or has failed too often.
  void compare_consequences(Seq seq, TaskId task);

  /// The same was asked, and the answer is another.
  bool part(const Events& events, Outcome recorded, const Decision& decision, TaskId task);

  /// The monitor of this version marks what it finishes, at once and whatever the settings (SPEC §7). A log that was
  /// made without the marks cannot show what they would have kept off.
  void add_mark(const Events& events);

  // What is told of it.

  void turn(std::optional<Seq> seq, std::string recorded, std::string changed);
  void end_at(std::optional<Seq> seq, std::string why);
  void note_unanswered();
  void note_waiting(TaskId task);

  const RecordedLog& log_;
  const std::vector<Change>& changes_;
  DirectMachine machine_;
  RecordedWorld world_;
  Retelling retelling_;
  Audit audit_;
  Replica audited_;  // of what this story decides, seen by audit_
  Chain chain_;
  Settings recorded_settings_;
  bool is_changed_ = false;
  Streaks streaks_;
  TimeUs last_reaper_;
  TimeUs last_reconciler_;
  std::set<std::uint64_t> marked_;  // jobs of the log
  std::map<PathKey, Path> paths_;
  std::map<std::pair<std::string, std::string>, TaskId> last_task_;
  std::set<TaskId> parted_;  // whose stories are others by now
  std::set<std::string> parted_keys_;
  std::map<JobId, TimeUs> waiting_;
  std::vector<std::string> recorded_consequences_;  // of the log's group in hand
  std::vector<std::string> consequences_;           // of the last group of this story
  Result<void> fits_;                               // the changes, every pipeline of the log
  Retold retold_;
};

}  // namespace pawl
