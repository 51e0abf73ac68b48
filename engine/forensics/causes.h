// The rules by which a bad end is walked back to its cause. Only for engine/forensics/incidents.cc.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/forensics/history.h"
#include "engine/policies/stuck.h"

namespace pawl {

/// The earliest record without which the bad end would not have come about.
struct Cause {
  Mark at;                      // none: it ended badly by itself
  std::string words;            // "reaper.max_running_s was set to 60 by admin", or why it ended so by itself
  std::vector<Seq> chain = {};  // what led from it to the end, in order
  bool is_mischance = false;    // a death or a restart: what pawl is built to outlive

  bool is_own() const { return !at; }
};

/// "an operator said of 'merge' that it had not happened"
std::string said_not_happened(const StepTerm& step);

/// The name of its host, which says more than that, such as which start of the machine it is.
std::string host_name(const BootTerm& boot);
/// Whether another party ended its process.
bool was_killed(const AttemptTerm& attempt);
/// Whether the attempt failed by its own agent, gate or step.
bool failed_itself(const AttemptTerm& attempt);

/// A limit that was passed before anything came of it.
struct Overrun {
  Seq from{};                                    // since when the limit counted
  Mark to;                                       // what came of it
  std::int64_t over_s = 0;                       // how long after the limit
  std::optional<std::int64_t> last_pass_s = {};  // at `to`, if it says so: since the reaper's pass before
  bool is_due = false;  // once the limit is passed, the next pass acts, whatever else is the case
};

class Causes {
 public:
  explicit Causes(const History& history) : history_(history), rates_(history.rates_of_forgotten()) {
    count_attempts();
  }

  Cause of_block(const TaskTerm& task, const BlockTerm& block) const;
  /// Of a task that does not move at the end of the log.
  Cause of_hang(const State& end, const Task& task, const Stuck& stuck, TimeUs now) const;
  /// Of the end of a lease under its owner's hands.
  Cause of_lost_lease(const LeaseTerm& term) const;
  Cause of_reap(const TaskTerm& task, const AttemptTerm& attempt) const;
  /// Of what a record did in a repository for which ownership was off; none if it was on.
  Cause of_unchecked(const std::string& repo, Seq at) const;
  Cause of_boot_end(const std::string& boot) const;
  /// The record from which two machines used that boot's name; none if only one did.
  Mark twins_of(const std::string& name) const;
  /// Of the record itself, if it changed a setting.
  Cause setting_at(Seq seq) const;

 private:
  using Rate = AttemptRate;
  static std::string in_words(const Rate& rate);
  void count_attempts();
  Rate rate_of_boot(const std::string& id) const;
  const BootTerm* first_bad_boot(const std::string& id) const;
  Cause of_change(const TaskTerm& task, const std::vector<const AttemptTerm*>& of_job) const;
  /// The change of a setting that decided something, if with the value before it, or the default, it would have been
  /// decided otherwise.
  Cause of_setting(std::string_view key, Seq decided, const std::function<bool(const SettingValue&)>& decides) const;
  Cause of_root(const State& end, const Task& task) const;
  Cause of_hold(const State& end, const Task& task, TimeUs now) const;
  Cause of_slots(const State& end, const Task& task, const Stuck& stuck, TimeUs now) const;
  Cause of_leap(const Overrun& overrun) const;
  std::optional<std::int64_t> slept_s(const QuietTerm& quiet) const;
  bool was_changed(std::string_view key, Seq from, Seq to) const;
  std::int64_t number_in_force(std::string_view key, Seq at, std::int64_t otherwise) const;
  std::int64_t restarts_around(const std::string& boot, const Mark& at) const;
  Cause of_unchecked(const LeaseTerm& term) const;
  Mark word_after(const LeaseTerm& term) const;
  const StepTerm* unreported_step(const LeaseTerm& term) const;
  Cause of_budget(std::string_view key, Seq decided, const std::function<bool(const SettingValue&)>& decides) const;
  Cause of_failed_job(const TaskTerm& task, const BlockTerm& block) const;
  Cause of_unknown_step(const TaskTerm& task, const BlockTerm& block) const;
  Cause of_grace(const TaskTerm& task, const AttemptTerm& attempt) const;
  Cause of_ceiling(const TaskTerm& task, const AttemptTerm& attempt) const;

  const History& history_;
  AttemptRates rates_;
};

}  // namespace pawl
