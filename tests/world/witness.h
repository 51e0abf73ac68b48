// The witness: its own state follows the durable records one by one, checks every invariant after each, and keeps
// account of what everyone was told. After a crash the log must be at least what the witness saw.
#pragma once

#include <array>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "engine/forensics/invariants.h"
#include "engine/policies/machine.h"
#include "engine/rules/group.h"
#include "store/chain.h"
#include "store/memory_log.h"
#include "tests/world/entitled.h"
#include "tests/world/left_behind.h"
#include "tests/world/lost.h"
#include "tests/world/outside.h"

namespace pawl::hostile {

constexpr std::size_t event_types = static_cast<std::size_t>(fb::Event::MAX) + 1;
constexpr std::size_t outcomes = outcome_rows.size();
/// How often each type of event had each outcome.
using Reach = std::array<std::array<std::uint64_t, outcomes>, event_types>;

/// How long daemons have served so far, on a machine that was awake, and how often one was started.
struct Served {
  Us us = 0;
  std::uint64_t starts = 0;
};

class Witness {
 public:
  /// What is known about steps that may still happen.
  enum class Doubt { first_no, second_no, came_late };

  /// `broken` is called with each fault. `machines`: which processes are really dead. `served`: none: unknown.
  Witness(std::function<void(std::string)> broken, const Machines& machines, std::function<Served()> served = {})
      : broken_([this, broken = std::move(broken)](std::string what) {
          if (!is_rewinding_) broken(std::move(what));
        }),
        machines_(machines),
        served_(std::move(served)),
        left_behind_(broken_, machines),
        entitled_(broken_) {}

  std::function<void(Doubt)> on_doubt = [](Doubt) {};

  /// Records that have just become durable.
  void see(const std::vector<Decided>& groups);
  /// A party was told of a decision.
  void told(const Decision& decision);
  /// What a restart made of the log. Records that no one was told of may have survived: they are read now.
  void recovered(const State& state, const Chain& chain, Journal& journal);
  /// The log has been replaced by a restored one. What was told of the other is lost.
  void restored(Journal& journal);
  /// All records of a log after those already seen.
  Result<void> follow(Journal& journal);
  /// An effect happened outside.
  void effect(const StepKey& key);
  /// At the end: checks the whole ledger.
  void check_ledger(const Targets& targets);

  const State& state() const { return state_; }
  const Chain& chain() const { return chain_; }
  /// How many were seen, including those that a restore removed.
  std::uint64_t records() const { return records_; }
  const Lost& lost() const { return lost_; }
  const Reach& reach() const { return reach_; }
  /// Whether the task is held by the lease under which that start was made: then no one else may settle it.
  bool is_owners_step(TaskId task, Seq started) const;
  /// Whether stop.enabled was ever switched off: what was left alone then is left alone for good.
  bool was_stop_off() const { return was_stop_off_; }
  /// Whether the task began its branch at origin.
  bool has_begun_branch(TaskId task) const { return begun_.contains(task); }
  TimeUs settings_changed() const { return settings_changed_; }
  /// Decided at some time with ownership off: then no one was kept out.
  bool was_unchecked(TaskId task) const { return unchecked_.contains(task) || deceived_.contains(task); }
  /// A party says of an irreversible step of the task that it did not happen, and makes it happen: what it does from
  /// then on rests on a lie of the only party that can know.
  void deceive(TaskId task) { deceived_.insert(task); }

 private:
  struct Left {
    std::string from;
    std::string to;
    Seq pipeline{};
  };
  void see_group(std::span<const fb::Record* const> group);
  void check_explained(std::span<const fb::Record* const> group);
  void note_departures(std::span<const fb::Record* const> group);
  void check_reap(const fb::Record& record, const fb::JobReaped& reaped);
  void check_attempts(std::span<const fb::Record* const> group);
  template <class Event>
  void check_reporter(const fb::Record& record, const Event* event);
  void check_contradiction(const fb::Record& record);
  void note_work(const fb::Record& record);
  void note_began(const fb::Record& record);
  void check_aged(const fb::Record& record);
  void check_served(const fb::Record& record, const Served& since, std::int64_t bound_s, const std::string& what);
  void check_interrupted(const Job& job, std::uint64_t due);
  std::map<JobId, std::uint64_t> interruptions_due(std::span<const fb::Record* const> group) const;
  void check_freed(const fb::Record& record);
  void check_entitled(const fb::Record& record);
  void check_said_dead(const fb::Record& record, const Owner& owner);
  void note(const fb::Record& record, const Applied& applied);

  std::function<void(std::string)> broken_;
  const Machines& machines_;
  std::function<Served()> served_;
  LeftBehind left_behind_;
  Entitled entitled_;
  State state_;
  Chain chain_{};
  bool is_rewinding_ = false;  // what is seen now was seen before, when the world was different
  std::uint64_t records_ = 0;
  Lost lost_;
  std::map<Seq, std::uint16_t> outcomes_;
  Seq told_until_{};
  std::map<std::string, Seq> keys_;  // the record that first decided each key
  std::map<std::pair<TaskId, Version>, Left> left_;
  std::map<Seq, Token> step_tokens_;                           // the token each step was started with, by its start
  std::map<JobId, std::uint64_t> exited_;                      // by job: the attempt whose exit is recorded
  std::map<JobId, std::pair<TaskId, Version>> finished_work_;  // jobs whose agent exited with 0, with no objection
  std::set<JobId> to_be_cancelled_;        // jobs that the current group ends, of tasks with a standing request
  std::map<JobId, Served> claimed_;        // when each job was last claimed
  std::map<std::string, Served> renewed_;  // when each lease was last taken or renewed
  TimeUs settings_changed_;
  TimeUs ownership_changed_;
  bool was_stop_off_ = false;
  std::set<TaskId> begun_;  // tasks, their branches at origin
  std::set<TaskId> unchecked_;
  std::set<TaskId> deceived_;
  Reach reach_{};
};

}  // namespace pawl::hostile
