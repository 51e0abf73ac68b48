// What one record of a log makes of another: an effect that began twice, an item that was rolled back by one path and
// delivered by another, the reap of an owner that was alive. Each record by itself is as the rules say, also with the
// defences off; only side by side do they show the incident. For `pawl check`: nothing here is needed to decide.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/forensics/invariants.h"

namespace pawl {

/// Wants every group of a log, in order. What was accepted is what the records say: nothing is decided here.
class Conflicts {
 public:
  /// `before` is the state that the group meets.
  void see(const State& before, std::span<const fb::Record* const> group);

  /// All that was found, in the order of the seqs. Findings about something that later records showed bear the seq of
  /// the record that did it.
  Findings findings() const;

 private:
  struct Who {
    std::string boot;
    std::string actor;
    friend auto operator<=>(const Who&, const Who&) = default;
  };
  /// Who did something, and by which record.
  struct Entry {
    Who who;
    Seq seq{};
  };
  /// How a task left a version.
  struct Departure {
    Seq seq{};
    std::string to;
    std::string actor;
    bool is_rollback = false;
  };
  /// Who entered a guarded edge at a version while ownership was off: nobody is kept out then.
  struct Crossing {
    Version version{};
    std::vector<Entry> entries;
  };
  struct Reap {
    Finding finding;       // counts once it has followers
    std::set<Who> owners;  // who could still act on what was taken from them
    Version version{};
    Who reaper;
  };
  struct DoubleEntry {
    Finding finding;  // likewise
    Who first;
    Who second;
    Version version{};
  };
  struct Place {
    TaskId task{};
    Version version{};
  };
  using ReapAt = std::pair<TaskId, std::size_t>;

  void see_overdue(const State& before, const fb::Record& record);
  void see_record(const State& before, const fb::Record& record);
  void see_life(const fb::Record& record);
  void see_unchecked(const fb::Record& record);
  void see_act(const fb::Record& record, const Place& place);
  void see_step_start(const State& before, const fb::Record& record, const fb::StepStarted& event);
  void see_transition(const State& before, const fb::Record& record, const fb::StageTransition& event);
  void see_entry(const State& before, const fb::Record& record, const fb::LeaseAcquired& event);
  void see_reap(const State& before, const fb::Record& record, const fb::JobReaped& event);
  void see_reclaim(const State& before, const fb::Record& record, const fb::LeaseReclaimed& event);
  void see_claim(const State& before, JobId id);
  void take_for_dead(const std::string& boot, TaskId task, Reap reap);
  void begins_afresh(TaskId task, const Who& who);
  void leaves(const State& before, TaskId id, Departure departure);
  void forget(const State& state);

  static Who who_of(const fb::Record& record);
  /// The last change of a setting; 0 if none was seen.
  Seq change_of(std::string_view setting) const;
  Seq switch_of_ownership() const;
  Version version_of(const Task& task) const;
  std::vector<Seq> led_to(const State& before, const Task& task, Version version) const;

  Findings found_;
  Findings unchecked_;                               // one for each time that ownership was off
  std::map<std::string, Seq, std::less<>> changes_;  // the last change of each setting that was seen
  std::set<Seq> overdue_;                            // claims and tokens that were told of
  Seq group_{};
  std::map<TaskId, Version> moved_in_group_;
  std::map<TaskId, std::map<Version, Departure>> departures_;
  std::map<TaskId, Crossing> crossings_;
  std::map<JobId, Entry> claims_;
  std::map<JobId, Entry> exits_;  // who reported the exit of the attempt
  std::map<TaskId, std::vector<Reap>> reaps_;
  std::map<TaskId, std::vector<DoubleEntry>> double_entries_;
  std::map<std::string, std::vector<ReapAt>> taken_for_dead_;  // by boot: any record of it shows that it was not
  std::uint64_t groups_ = 0;
};

}  // namespace pawl
