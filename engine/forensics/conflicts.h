// Finds records in a log that conflict with each other: an effect that was started twice, a task that one path rolled
// back and another delivered, a reap of a live owner. Each record by itself obeys the rules, even with the defences
// off; only together do they show the incident. For `pawl check`: nothing here is needed to decide.
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

/// Feed it every group of a log, in order. It trusts the outcomes in the records and decides nothing.
class Conflicts {
 public:
  /// `before` is the state before the group.
  void see(const State& before, std::span<const fb::Record* const> group);

  /// All findings, in seq order. A finding that only later records revealed has the seq of the record that caused it.
  Findings findings() const;

 private:
  struct Who {
    std::string boot;
    std::string actor;
    friend auto operator<=>(const Who&, const Who&) = default;
  };
  /// Who acted, and in which record.
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
  /// Who entered a guarded edge at a version while ownership was off, when no one is kept out.
  struct Crossing {
    Version version{};
    std::vector<Entry> entries;
  };
  struct Reap {
    Finding finding;       // reported only once followed_by is not empty
    std::set<Who> owners;  // actors that may not know what was taken from them
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
  Findings unchecked_;                               // one for each period with ownership off
  std::map<std::string, Seq, std::less<>> changes_;  // the last seen change of each setting
  std::set<Seq> overdue_;                            // claims and tokens already reported
  Seq group_{};
  std::map<TaskId, Version> moved_in_group_;
  std::map<TaskId, std::map<Version, Departure>> departures_;
  std::map<TaskId, Crossing> crossings_;
  std::map<JobId, Entry> claims_;
  std::map<JobId, Entry> exits_;  // who reported the exit of the attempt
  std::map<TaskId, std::vector<Reap>> reaps_;
  std::map<TaskId, std::vector<DoubleEntry>> double_entries_;
  std::map<std::string, std::vector<ReapAt>>
      taken_for_dead_;  // by boot: any later record of the boot shows that it was alive
  std::uint64_t groups_ = 0;
};

}  // namespace pawl
