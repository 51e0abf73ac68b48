// What became of the attempts, steps, leases, boots and settings of a log, kept while it is read, so that the cause of
// a bad end can be looked up afterwards (engine/forensics/incidents.h). Trusts the outcomes in the records.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/state/effects.h"
#include "engine/state/settings.h"
#include "engine/state/state.h"

namespace pawl {

/// A record of the log, and when it was. Seq 0: there is none, or it is from before the log begins.
struct Mark {
  Seq seq{};
  TimeUs time;

  explicit operator bool() const { return seq != Seq{0}; }
};

struct BootTerm {
  std::string name;
  std::string host;
  bool is_daemon = false;
  Mark started;
  Mark ended;  // by its own end, or by the next boot of the same name
  bool was_replaced = false;
  Mark acted_after;  // the first record under this boot after it had ended: its process was alive
};

struct LeaseTerm {
  enum class End { held, released, reclaimed, taken_over };
  std::string key;
  Owner owner;
  std::optional<std::int64_t> ttl_s;
  Mark taken;
  Mark renewed;
  End end = End::held;
  fb::ReclaimReason reason{};               // if reclaimed
  std::optional<std::int64_t> last_pass_s;  // if a pass of the reaper reclaimed it
  bool was_unchecked = false;               // it was taken, or taken away, while ownership was off
  Mark ended;
  Mark acted_after;  // its owner's first record about it after it had ended, not counting a new request for it
  Mark went_on;  // the first of these while it took itself for the holder: before it gave the lease back or had another
  bool was_given_back = false;  // too late: it had ended already
};

struct AttemptTerm {
  enum class End { running, done, failed, retried, cancelled, reaped, returned };
  JobId job{};
  std::uint64_t attempt = 0;
  Version version{};
  Owner owner;
  Mark claimed;
  Mark renewed;
  Mark started;
  Mark exited;
  std::int64_t exit_code = 0;  // if it exited
  std::string exited_by;       // the boot that reported the exit
  std::string gate;            // what the gate last had against it: "in error: timed out"; empty: nothing
  End end = End::running;
  Mark ended;
  bool ended_by_owner = false;  // its own boot, or the daemon's, ended it
  fb::Tier tier{};              // if reaped, with what the reaper saw
  std::string reason;
  std::optional<std::int64_t> age_s;
  std::optional<std::int64_t> exit_age_s;
  std::optional<std::int64_t> streak;
  std::optional<std::int64_t> last_pass_s;
  std::optional<std::int64_t> ttl_s;  // of the claim
  bool spent_budget = false;          // its end failed the job
  Mark acted_after;                   // a report of its owner after it had been reaped
};

struct StepTerm {
  std::string step;
  std::string to;
  Version version{};
  bool irreversible = false;
  bool exclusive = false;
  std::string boot;
  std::string actor;
  std::string principal;
  Mark started;
  Mark ended;
  fb::StepOutcome outcome{};
  fb::StepBy by{};
  Mark denied;  // a probe or a person said that it had not happened
  fb::StepBy denied_by{};
  Mark disproved;           // its starter reported after that, and was refused, that it had
  bool is_crowded = false;  // it is exclusive, and another task's in its repository began before it had ended
};

/// One time that a task was blocked.
struct BlockTerm {
  std::string reason;
  Mark at;
  std::string actor;
  bool is_by_request = false;  // a TaskBlocked, rather than a consequence of another record
  Mark let_go;
};

struct TaskTerm {
  TaskId id{};
  std::string repo;
  std::string work_item;
  Seq pipeline{};  // its definition
  Mark created;
  std::vector<AttemptTerm> attempts;
  std::vector<StepTerm> steps;
  std::vector<BlockTerm> blocks;
  Mark entered;  // its last move
  Mark cancel_requested;
  bool was_committed = false;  // when the cancel was requested
  Mark cancelled;
  Mark gate_began;  // the lease under which its edge was last entered
};

/// How attempts ended that failed by themselves or went well.
struct AttemptRate {
  std::int64_t failed = 0;
  std::int64_t done = 0;
  std::int64_t tasks = 0;  // of the failed attempts
  TaskId last_task{};
  bool is_bad() const { return failed >= 2 && failed >= 4 * done; }
  bool is_good() const { return done >= 2 && done > failed; }
};

struct AttemptRates {
  std::map<Seq, AttemptRate> of_pipeline;
  std::map<std::string, AttemptRate> of_boot;
  std::map<std::pair<Seq, std::string>, AttemptRate> of_both;

  /// Counts all attempts of a task. Call it once for each task.
  void add(const TaskTerm& task);
};

/// A definition of a pipeline.
struct PipelineTerm {
  Mark at;
  std::string actor;
};

struct SettingTerm {
  Mark at;
  SettingValue value;
  SettingValue before;  // the value that it replaced
  std::string actor;
};

/// A stretch without records that no boot's start and no TimeGap accounts for.
struct QuietTerm {
  Mark after;  // the record that ended it
  std::int64_t us = 0;
};

/// A pass of the reaper that wrote when the one before began: in whole seconds by a clock that never leaps.
struct PassTerm {
  Mark at;
  std::int64_t since_s = 0;
};

/// A TimeGap, in which nothing aged.
struct GapTerm {
  Seq seq{};
  std::int64_t us = 0;
};

/// Of a task that came to a good end only its attempts are counted: what is kept grows with what went wrong, and with
/// what is live (history_forget.cc).
class History {
 public:
  /// Takes a group, with the state before it and what applying it gave. Call it before the state after is looked at.
  void see(const State& before, std::span<const fb::Record* const> group);
  /// Takes what the group's records caused, the state after it, and the tasks that left it.
  void settle(const State& after, std::span<const fb::Record* const> group, std::span<const Effects* const> effects,
              std::span<const ArchivedTask> archived);

  /// Makes it the history of a story in which a change of a setting set another value.
  void undo(Seq change, std::string_view key, const SettingValue& value);

  /// Those that have not ended, and those that anything can still be about.
  const std::map<TaskId, TaskTerm>& tasks() const { return tasks_; }
  /// The attempts of all others.
  const AttemptRates& rates_of_forgotten() const { return forgotten_; }
  const TaskTerm* task(TaskId id) const { return find(tasks_, id); }
  const BootTerm* boot(const std::string& id) const { return find(boots_, id); }
  /// The boots of a name, in the order of their starts.
  const std::vector<std::string>& boots_named(const std::string& name) const;
  const std::map<std::string, std::vector<std::string>>& names() const { return boots_by_name_; }
  /// The terms of a lease's key, in order. Only the last few of a key are kept.
  const std::deque<LeaseTerm>& terms(const std::string& key) const;
  const std::map<std::string, std::deque<LeaseTerm>>& leases() const { return leases_; }
  /// The definitions of a pipeline, in order, by its name.
  const std::map<std::string, std::vector<PipelineTerm>>& pipelines() const { return pipelines_; }
  /// The changes of a setting, in order.
  const std::vector<SettingTerm>& changes(std::string_view key) const;
  /// The last change of a setting up to a record; null if there is none.
  const SettingTerm* change_before(std::string_view key, Seq seq) const;
  /// The longest quiet stretch that ended between two records; null if there is none.
  const QuietTerm* quiet_between(Seq from, Seq to) const;
  /// The first pass that wrote when the one before was, at or after a record; null if there is none.
  const PassTerm* pass_from(Seq seq) const;
  /// For how long something had lasted at a later record, in whole seconds without the gaps in between.
  std::int64_t lasted_s(const Mark& from, const Mark& to) const;
  const Mark& restored() const { return restored_; }
  /// The record that created the first task; none if the log has none.
  const Mark& first_task() const { return first_task_; }
  Mark last() const { return last_; }

 private:
  template <class Map, class Key>
  static const typename Map::mapped_type* find(const Map& map, const Key& key) {
    const auto found = map.find(key);
    return found == map.end() ? nullptr : &found->second;
  }

  void begin(const State& state);
  void see_record(const State& before, const fb::Record& record);
  void see_refused_report(const fb::Record& record, const fb::StepFinished& event);
  void see_accepted(const State& before, const fb::Record& record);
  void see_sign_of_life(const fb::Record& record);
  void see_quiet(std::span<const fb::Record* const> group);
  void see_step(const State& before, const fb::Record& record, const fb::StepStarted& event);
  void see_step_end(const fb::Record& record, const fb::StepFinished& event);
  void see_lease(const fb::Record& record, const fb::LeaseAcquired& event);
  void end_lease(const std::string& key, LeaseTerm::End end, const Mark& mark, fb::ReclaimReason reason);
  AttemptTerm* attempt_of(const State& before, std::uint64_t job, std::uint64_t attempt);
  void see_reap(const State& before, const fb::Record& record, const fb::JobReaped& event);

  // What may be forgotten (history_forget.cc).
  void see_exclusive(const std::string& repo, TaskId id, StepTerm& step);
  void see_exclusive_end(const TaskTerm& task, StepTerm& step, bool is_again);
  void forget(const State& after, std::span<const ArchivedTask> archived);
  void settle_exclusive(const TaskTerm& task);
  bool may_forget(const TaskTerm& task) const;
  bool is_awaited(const State& after, const TaskTerm& task) const;
  bool has_doubtful_neighbour(const TaskTerm& task) const;
  void forget_leases(const State& after);

  std::map<TaskId, TaskTerm> tasks_;
  AttemptRates forgotten_;
  std::set<TaskId> to_forget_;  // they ended, but something live may still concern them
  std::map<std::pair<std::string, std::string>, std::set<TaskId>> of_work_item_;  // by repository and work item
  /// By repository: the exclusive steps that have not ended, or whose end may be told again.
  std::map<std::string, std::map<Seq, TaskId>> open_exclusive_;
  std::uint64_t groups_ = 0;
  std::map<std::string, BootTerm> boots_;
  std::map<std::string, std::vector<std::string>> boots_by_name_;
  std::map<std::string, std::deque<LeaseTerm>> leases_;
  std::map<std::string, std::vector<SettingTerm>, std::less<>> settings_;
  std::map<std::string, std::vector<PipelineTerm>> pipelines_;
  std::vector<QuietTerm> quiet_;
  std::vector<GapTerm> gaps_;
  std::vector<PassTerm> passes_;
  Mark restored_;
  Mark first_task_;
  Mark last_;
};

}  // namespace pawl
