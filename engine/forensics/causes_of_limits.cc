// Causes of limits that were passed: an agent or a step that did not end, a leap of the clock, or a daemon that did not
// run.
#include <algorithm>

#include "engine/forensics/causes.h"
#include "engine/rules/claim.h"

namespace pawl {
namespace {

/// How far a limit may be passed before it shows that no pass could act in time.
constexpr std::int64_t late_s = 180;
/// How late a pass may be, and how long it may take, beyond its interval.
constexpr std::int64_t pass_late_s = 60;

std::string span_in_words(std::int64_t s) {
  return s < 120 ? std::to_string(s) + " s" : std::to_string(s / 60) + " min";
}

}  // namespace

bool Causes::was_changed(std::string_view key, Seq from, Seq to) const {
  const SettingTerm* last = history_.change_before(key, to);
  return last && last->at.seq > from;
}

std::int64_t Causes::number_in_force(std::string_view key, Seq at, std::int64_t otherwise) const {
  const SettingTerm* last = history_.change_before(key, at);
  const auto* number = last ? std::get_if<std::int64_t>(&last->value) : nullptr;
  return number ? *number : otherwise;
}

/// The count of the pass after a quiet stretch, if no pass ran in that stretch.
std::optional<std::int64_t> Causes::slept_s(const QuietTerm& quiet) const {
  const PassTerm* pass = history_.pass_from(quiet.after.seq);
  if (!pass) return std::nullopt;
  const std::int64_t quiet_s = quiet.us / us_per_s;
  return pass->since_s + pass_late_s >= quiet_s + history_.lasted_s(quiet.after, pass->at)
             ? std::optional(pass->since_s)
             : std::nullopt;
}

/// A limit that was passed by far: had the clock gone on as usual, a pass would have acted at the limit. Where the
/// record says when the pass before was, that decides, for it is counted by a clock that never leaps. That pass began
/// before the limit, so by whatever the limit was passed beyond that count the clock leapt; what the count covers is no
/// leap. Records of others can be judged by the first pass after the stretch.
Cause Causes::of_leap(const Overrun& overrun) const {
  const Cause none{.at = {}, .words = ""};
  const QuietTerm* quiet = history_.quiet_between(overrun.from, overrun.to.seq);
  if (!quiet || quiet->us / us_per_s < overrun.over_s / 2) return none;
  const std::int64_t quiet_s = quiet->us / us_per_s;
  // Passes that were switched off prove nothing.
  const SettingTerm* enabled = history_.change_before("reaper.enabled", overrun.to.seq);
  const bool is_steady = !was_changed("reaper.enabled", overrun.from, overrun.to.seq) &&
                         !was_changed("lease.reclaim_enabled", overrun.from, overrun.to.seq);
  const bool runs = is_steady && (!enabled || std::get<bool>(enabled->value));
  const std::int64_t interval_s = number_in_force("reaper.interval_s", overrun.to.seq, Settings().reaper.interval_s);
  const bool is_covered = overrun.last_pass_s && overrun.over_s <= *overrun.last_pass_s + pass_late_s;

  std::string words;
  const std::optional<std::int64_t> slept = overrun.last_pass_s ? overrun.last_pass_s : slept_s(*quiet);
  if (overrun.last_pass_s && !is_covered) {
    if (!overrun.is_due || !is_steady) return none;
    words = "the clock leapt in the " + span_in_words(quiet_s) + " before this record: a limit was passed by " +
            span_in_words(overrun.over_s) + ", although the reaper's pass before was only " +
            span_in_words(*overrun.last_pass_s) + " earlier by a clock that never leaps";
  } else if (overrun.over_s <= late_s) {
    return none;
  } else if (slept) {
    if (!runs || *slept <= 2 * interval_s + pass_late_s) return none;
    words = "the daemon did not run for " + span_in_words(std::min(quiet_s, *slept)) +
            " before this record: the reaper's pass before was " + span_in_words(*slept) +
            " earlier, by a clock that never leaps";
  } else {
    words = "the clock leapt by " + span_in_words(quiet_s) +
            " before this record: no pass ran in that time, and no restart or gap explains it";
  }
  Cause cause{.at = quiet->after, .words = std::move(words)};
  if (overrun.to && overrun.to.seq != cause.at.seq) cause.chain.push_back(overrun.to.seq);
  return cause;
}

/// The grace of a finalizer. It is due only if the task's lease was free, for a live finalizer is deferred to. For
/// exit code 0 the reaper takes the lease first, and then a gate may take long.
Cause Causes::of_grace(const TaskTerm& task, const AttemptTerm& attempt) const {
  Mark acts = attempt.ended;
  const std::deque<LeaseTerm>& terms = history_.terms(task_key(task.id));
  const auto lease = std::find_if(terms.rbegin(), terms.rend(), [&](const LeaseTerm& term) {
    return term.taken.seq > attempt.exited.seq && term.taken.seq < attempt.ended.seq;
  });
  if (attempt.exit_code == 0 && attempt.last_pass_s && lease != terms.rend()) acts = lease->taken;
  const bool was_held = std::any_of(terms.begin(), terms.end(), [&](const LeaseTerm& term) {
    return term.taken.seq < acts.seq && (!term.ended || term.ended.seq > attempt.exited.seq);
  });
  std::int64_t age_s = attempt.exit_age_s.value_or(0);
  if (acts.seq != attempt.ended.seq) age_s = history_.lasted_s(attempt.exited, acts);
  return of_leap({.from = attempt.exited.seq,
                  .to = acts,
                  .over_s = age_s - Settings().reaper.finalize_grace_s,
                  .last_pass_s = attempt.last_pass_s,
                  .is_due = !was_held});
}

Cause Causes::of_ceiling(const TaskTerm& task, const AttemptTerm& attempt) const {
  const std::int64_t age_s = attempt.age_s.value_or((attempt.ended.time.us - attempt.claimed.time.us) / 1'000'000);
  Cause cause = of_setting("reaper.max_running_s", attempt.ended.seq, [&](const SettingValue& value) {
    const auto* limit_s = std::get_if<std::int64_t>(&value);
    return age_s >= (limit_s ? *limit_s : 0);
  });
  const std::int64_t limit_s =
      number_in_force("reaper.max_running_s", attempt.ended.seq, Settings().reaper.max_running_s);
  if (cause.is_own()) {
    // While the daemon itself finishes a job that exited, its passes leave it alone.
    const std::deque<LeaseTerm>& held = history_.terms(task_key(task.id));
    const bool is_others = std::any_of(held.begin(), held.end(), [&](const LeaseTerm& term) {
      const BootTerm* owner = history_.boot(term.owner.boot_id);
      const bool covers = term.taken.seq < attempt.ended.seq && (!term.ended || term.ended.seq >= attempt.ended.seq);
      return covers && owner && !owner->is_daemon;
    });
    cause = of_leap({.from = attempt.claimed.seq,
                     .to = attempt.ended,
                     .over_s = age_s - limit_s,
                     .last_pass_s = attempt.last_pass_s,
                     .is_due = !attempt.exited || is_others});
  }
  if (!cause.is_own()) return cause;
  // Its agent was done: what followed did not end.
  if (attempt.exited && attempt.exit_code == 0) {
    const auto open = std::find_if(task.steps.rbegin(), task.steps.rend(), [&](const StepTerm& step) {
      return step.started.seq > attempt.exited.seq && step.started.seq < attempt.ended.seq &&
             (!step.ended || step.ended.seq > attempt.ended.seq);
    });
    const bool is_step = open != task.steps.rend();
    const std::deque<LeaseTerm>& terms = history_.terms(task_key(task.id));
    const auto lease = std::find_if(terms.rbegin(), terms.rend(), [&](const LeaseTerm& term) {
      return term.taken.seq > attempt.exited.seq && term.taken.seq < attempt.ended.seq;
    });
    const Mark began = is_step ? open->started : lease != terms.rend() ? lease->taken : attempt.exited;
    cause = {.at = began,
             .words = is_step ? "step '" + open->step + "', which began here, did not end"
                              : "the gate that was asked from here on did not end"};
    if (attempt.exited.seq != cause.at.seq) cause.chain.push_back(attempt.exited.seq);
    return cause;
  }
  return {.at = attempt.started ? attempt.started : attempt.claimed,
          .words = "the agent of job " + std::to_string(raw(attempt.job)) +
                   ", which began here, did not end within reaper.max_running_s"};
}

}  // namespace pawl
