#include "engine/forensics/causes.h"

#include <algorithm>

#include "engine/rules/claim.h"

namespace pawl {
namespace {

/// Restarts of a daemon that follow each other within this time are one crash loop.
constexpr std::int64_t crash_loop_us = 3'600'000'000;
/// More restarts in a row than these are not a mischance.
constexpr std::int64_t restarts_outlived = 2;

std::string value_in_words(const SettingValue& value) {
  if (const bool* flag = std::get_if<bool>(&value)) return *flag ? "true" : "false";
  if (const auto* number = std::get_if<std::int64_t>(&value)) return std::to_string(*number);
  if (const auto* word = std::get_if<std::string>(&value)) return *word;
  std::string out;
  for (const std::string& each : std::get<std::vector<std::string>>(value)) out += (out.empty() ? "" : ",") + each;
  return out.empty() ? "(all)" : out;
}

std::int64_t number_of(const SettingValue& value) {
  const auto* number = std::get_if<std::int64_t>(&value);
  return number ? *number : 0;
}

void add(Cause& cause, const Mark& mark) {
  if (mark && mark.seq != cause.at.seq) cause.chain.push_back(mark.seq);
}

Cause by_itself(std::string words) {
  return {.at = {}, .words = std::move(words)};
}

std::string time_in_words(std::int64_t us) {
  const std::int64_t s = us / us_per_s;
  return s < 120 ? std::to_string(s) + " s" : std::to_string(s / 60) + " min";
}

}  // namespace

std::string said_not_happened(const StepTerm& step) {
  const fb::StepBy by = step.denied ? step.denied_by : step.by;
  const std::string who = by == fb::StepBy::probe       ? "its probe"
                          : by == fb::StepBy::operator_ ? "an operator"
                                                        : "its command";
  return who + " said of '" + step.step + "' that it had not happened";
}

Cause Causes::of_setting(std::string_view key, Seq decided,
                         const std::function<bool(const SettingValue&)>& decides) const {
  const std::vector<SettingTerm>& changes = history_.changes(key);
  const SettingTerm* last = history_.change_before(key, decided);
  const SettingKey* known = setting_named(key);
  if (!last || !known || !decides(last->value)) return by_itself("");
  // The first of the changes in a row that each decide alike is the cause.
  const SettingTerm* cause = last;
  for (const SettingTerm& change : changes) {
    if (change.at.seq > last->at.seq) break;
    if (!decides(change.value)) continue;
    const bool is_unbroken = std::all_of(changes.begin(), changes.end(), [&](const SettingTerm& other) {
      return other.at.seq < change.at.seq || other.at.seq > last->at.seq || decides(other.value);
    });
    if (is_unbroken) {
      cause = &change;
      break;
    }
  }
  const bool had_prevented = !decides(cause->before) || !decides(known->get(Settings()));
  if (!had_prevented) return by_itself("");
  return setting_at(cause->at.seq);
}

Cause Causes::setting_at(Seq seq) const {
  for (const SettingKey& key : setting_keys()) {
    for (const SettingTerm& term : history_.changes(key.name)) {
      if (term.at.seq != seq) continue;
      return {.at = term.at,
              .words = std::string(key.name) + " was set to " + value_in_words(term.value) + " by " + term.actor +
                       " (before: " + value_in_words(term.before) + ")"};
    }
  }
  return by_itself("");
}

/// The same for a budget that a task's own failures spent: one that was set before there was any task is how pawl is
/// meant to work here.
Cause Causes::of_budget(std::string_view key, Seq decided,
                        const std::function<bool(const SettingValue&)>& decides) const {
  Cause cause = of_setting(key, decided, decides);
  return cause.at.seq < history_.first_task().seq ? by_itself("") : cause;
}

Cause Causes::of_block(const TaskTerm& task, const BlockTerm& block) const {
  if (block.reason == "job_failed") return of_failed_job(task, block);
  if (block.reason.starts_with(blocked_as_restored)) {
    return by_itself("the log was restored from a backup (record " + std::to_string(raw(history_.restored().seq)) +
                     "), and what was lost has to be looked at first");
  }
  if (block.reason == "outcome_unknown") return of_unknown_step(task, block);
  if (block.reason == "max_rollbacks") {
    Cause cause = of_budget("pipeline.max_rollbacks", block.at.seq, [&](const SettingValue& value) {
      return number_of(value) < Settings().pipeline.max_rollbacks;
    });
    if (!cause.is_own()) add(cause, block.at);
    return cause.is_own() ? by_itself("it was rolled back more often than pipeline.max_rollbacks allows") : cause;
  }
  if (block.reason.starts_with("gate_red")) {
    Cause cause = of_budget("job.max_attempts", block.at.seq,
                            [](const SettingValue& value) { return number_of(value) < Settings().job.max_attempts; });
    if (!cause.is_own()) add(cause, block.at);
    return cause.is_own() ? by_itself("its gate was red") : cause;
  }
  if (block.is_by_request && block.reason != "outcome_unknown") return by_itself(block.actor + " blocked it");
  return by_itself("blocked as " + block.reason);
}

/// How many boots of that boot's name began, one soon after the other, around a record.
std::int64_t Causes::restarts_around(const std::string& boot, const Mark& at) const {
  const BootTerm* term = history_.boot(boot);
  if (!term) return 0;
  std::int64_t count = 0;
  std::int64_t longest = 0;
  bool is_around = false;
  TimeUs last;
  for (const std::string& id : history_.boots_named(term->name)) {
    const TimeUs begun = history_.boot(id)->started.time;
    if (begun.us - last.us > crash_loop_us) {
      if (is_around) break;
      count = 0;
    }
    ++count;
    last = begun;
    is_around = is_around || (begun.us <= at.time.us && at.time.us - begun.us <= crash_loop_us);
    longest = count;
  }
  return is_around ? longest : 0;
}

/// A job has no attempts left: whatever took one from it that was not its own agent is to blame.
Cause Causes::of_failed_job(const TaskTerm& task, const BlockTerm& block) const {
  const auto last = std::find_if(task.attempts.rbegin(), task.attempts.rend(),
                                 [&](const AttemptTerm& each) { return each.ended.seq == block.at.seq; });
  if (last == task.attempts.rend()) return by_itself("its job failed");
  std::vector<const AttemptTerm*> of_job;
  for (const AttemptTerm& each : task.attempts) {
    if (each.job == last->job && each.end != AttemptTerm::End::returned) of_job.push_back(&each);
  }
  const auto is_restart = [](const AttemptTerm* each) {
    return each->end == AttemptTerm::End::reaped && each->tier == fb::Tier::restart;
  };
  const auto interruptions = std::count_if(of_job.begin(), of_job.end(), is_restart);
  const auto charged = static_cast<std::int64_t>(of_job.size()) - interruptions;

  if (is_restart(&*last)) {
    // So many restarts would have spent the usual number, too.
    const bool is_storm = restarts_around(last->owner.boot_id, block.at) > Settings().recovery.max_interruptions;
    Cause cause = by_itself("");
    if (!is_storm) {
      cause = of_setting("recovery.max_interruptions", block.at.seq,
                         [&](const SettingValue& value) { return interruptions > number_of(value); });
    }
    if (cause.is_own()) {
      const auto first = std::find_if(of_job.begin(), of_job.end(), is_restart);
      cause = of_boot_end((*first)->owner.boot_id);
      if (cause.is_own()) cause.at = (*first)->ended;
      const BootTerm* boot = history_.boot((*first)->owner.boot_id);
      if (interruptions > 1 && boot && boot->is_daemon) {
        cause.words = "from here on " + std::to_string(static_cast<std::uint64_t>(interruptions)) +
                      " restarts of the daemon interrupted job " + std::to_string(raw(last->job)) + " within " +
                      time_in_words(block.at.time.us - (*first)->ended.time.us);
        cause.is_mischance = interruptions <= restarts_outlived;
      }
    }
    for (const AttemptTerm* each : of_job) {
      if (is_restart(each)) add(cause, each->ended);
    }
    return cause;
  }
  // The earliest of what took an attempt from outside.
  Cause earliest = by_itself("");
  for (const AttemptTerm* each : of_job) {
    if (is_restart(each) || failed_itself(*each)) continue;
    Cause cause = of_reap(task, *each);
    if (cause.is_own()) continue;
    if (earliest.is_own() || cause.at.seq < earliest.at.seq) earliest = std::move(cause);
  }
  if (earliest.is_own()) {
    earliest = of_budget("job.max_attempts", block.at.seq, [&](const SettingValue& value) {
      return charged >= number_of(value) && charged < Settings().job.max_attempts;
    });
  }
  if (earliest.is_own()) earliest = of_change(task, of_job);
  if (earliest.is_own()) {
    return by_itself("its own " + std::to_string(static_cast<std::uint64_t>(charged)) + " attempts failed");
  }
  for (const AttemptTerm* each : of_job) add(earliest, each->ended);
  return earliest;
}

Cause Causes::of_reap(const TaskTerm& task, const AttemptTerm& attempt) const {
  if (was_killed(attempt)) {
    Cause cause{.at = attempt.exited,
                .words = "the agent of job " + std::to_string(raw(attempt.job)) +
                         " was killed from outside (exit code " + std::to_string(attempt.exit_code) + ")"};
    add(cause, attempt.ended);
    return cause;
  }
  if (attempt.end == AttemptTerm::End::retried || attempt.end == AttemptTerm::End::failed ||
      attempt.end == AttemptTerm::End::cancelled) {
    if (attempt.ended_by_owner) return by_itself("");
    return {.at = attempt.ended,
            .words = "job " + std::to_string(raw(attempt.job)) + " was taken from its owner by hand"};
  }
  if (attempt.end != AttemptTerm::End::reaped) return by_itself("");
  Cause cause;
  switch (attempt.tier) {
    case fb::Tier::restart:
      cause = of_boot_end(attempt.owner.boot_id);
      break;
    case fb::Tier::ceiling:
      cause = of_ceiling(task, attempt);
      break;
    case fb::Tier::finalizer_dead: {
      const std::int64_t age_s = attempt.exit_age_s.value_or(0);
      cause = of_setting("reaper.finalize_grace_s", attempt.ended.seq,
                         [&](const SettingValue& value) { return age_s >= number_of(value); });
      if (cause.is_own()) {
        cause = of_grace(task, attempt);
      }
      if (cause.is_own()) cause = of_boot_end(attempt.owner.boot_id);
      break;
    }
    case fb::Tier::pid_dead: {
      const bool is_claim = attempt.reason == reaped_for_ttl;
      if (!is_claim && attempt.streak) {
        cause = of_setting("reaper.dead_ticks", attempt.ended.seq, [&](const SettingValue& value) {
          return number_of(value) <= *attempt.streak && number_of(value) < Settings().reaper.dead_ticks;
        });
      }
      if (cause.is_own()) {
        const QuietTerm* quiet = history_.quiet_between(attempt.renewed.seq, attempt.ended.seq);
        const bool is_counted = attempt.last_pass_s && attempt.ttl_s;
        Overrun overrun{.from = attempt.renewed.seq, .to = attempt.ended};
        if (is_counted) {
          overrun.over_s = history_.lasted_s(attempt.renewed, attempt.ended) - *attempt.ttl_s;
          overrun.last_pass_s = attempt.last_pass_s;
          overrun.is_due = true;
        } else if (quiet) {
          overrun.over_s = quiet->us / us_per_s;
        }
        if (is_claim && quiet && (is_counted || attempt.acted_after)) cause = of_leap(overrun);
      }
      if (cause.is_own()) {
        const BootTerm* boot = history_.boot(attempt.owner.boot_id);
        if (boot && boot->ended && boot->ended.seq <= attempt.ended.seq) cause = of_boot_end(attempt.owner.boot_id);
      }
      if (cause.is_own()) {
        cause = {
            .at = attempt.ended,
            .words = is_claim
                         ? attempt.owner.actor + " did not renew its claim on job " + std::to_string(raw(attempt.job))
                         : "the process of job " + std::to_string(raw(attempt.job)) + " was gone without an exit",
            .is_mischance = true};
        add(cause, attempt.started);
      }
      break;
    }
  }
  if (!cause.is_own()) {
    add(cause, attempt.claimed);
    add(cause, attempt.ended);
    add(cause, attempt.acted_after);
  }
  return cause;
}

Mark Causes::twins_of(const std::string& name) const {
  const std::vector<std::string>& ids = history_.boots_named(name);
  for (std::size_t i = 1; i < ids.size(); ++i) {
    const BootTerm& earlier = *history_.boot(ids[i - 1]);
    const BootTerm& later = *history_.boot(ids[i]);
    if (earlier.host == later.host || !earlier.was_replaced) continue;
    // A machine that was started again has another host text: it never comes back as it was before.
    const bool comes_back = std::any_of(ids.begin() + static_cast<std::ptrdiff_t>(i) + 1, ids.end(),
                                        [&](const std::string& id) { return history_.boot(id)->host == earlier.host; });
    const bool is_other = host_name(earlier) != host_name(later);
    if (comes_back || (is_other && earlier.acted_after)) return later.started;
  }
  return {};
}

Cause Causes::of_boot_end(const std::string& id) const {
  const BootTerm* boot = history_.boot(id);
  if (!boot || !boot->ended) return by_itself("");
  Cause cause;
  if (const Mark twins = twins_of(boot->name); twins && twins.seq <= boot->ended.seq) {
    const auto& ids = history_.boots_named(boot->name);
    cause = {.at = twins,
             .words = "from here on two machines use the name '" + boot->name + "', and each makes the other stale"};
    for (const std::string& each : ids) {
      const BootTerm& term = *history_.boot(each);
      if (term.started.seq >= twins.seq && cause.chain.size() < 6) add(cause, term.started);
    }
    add(cause, boot->ended);
    return cause;
  }
  if (boot->is_daemon) {
    // The first restart of the series.
    const auto& ids = history_.boots_named(boot->name);
    auto at = std::find(ids.begin(), ids.end(), id);
    Mark first = boot->ended;
    std::int64_t restarts = 1;
    while (at != ids.begin()) {
      const BootTerm& term = *history_.boot(*at);
      if (term.ended.time.us - term.started.time.us > crash_loop_us) break;
      first = term.started;
      ++restarts;
      --at;
    }
    cause = {.at = first,
             .words = restarts > restarts_outlived
                          ? "from here on the daemon was restarted " + std::to_string(restarts) + " times in a row"
                          : "the daemon was restarted"};
    add(cause, boot->ended);
    cause.is_mischance = true;
    return cause;
  }
  cause = {.at = boot->ended,
           .words = "the boot of '" + boot->name + "' on " + host_name(*boot) +
                    (boot->was_replaced ? " was replaced by its next one" : " ended"),
           .is_mischance = true};
  add(cause, boot->acted_after);
  return cause;
}

/// The change that took ownership from a key's repository.
Cause Causes::of_unchecked(const LeaseTerm& term) const {
  const TaskTerm* task = history_.task(task_of_key(term.key).value_or(TaskId{0}));
  const std::string repo = task                                ? task->repo
                           : term.key.starts_with(repo_prefix) ? term.key.substr(repo_prefix.size())
                                                               : "";
  return of_unchecked(repo, term.ended.seq);
}

Cause Causes::of_unchecked(const std::string& repo, Seq at) const {
  Cause cause = of_setting("ownership.enabled", at, [](const SettingValue& value) { return !std::get<bool>(value); });
  if (!cause.is_own()) return cause;
  return of_setting("ownership.repos", at, [&](const SettingValue& value) {
    const auto& repos = std::get<std::vector<std::string>>(value);
    return !repos.empty() && std::find(repos.begin(), repos.end(), repo) == repos.end();
  });
}

/// The step that the owner of a lease had begun under it and never reported; null if there is none.
const StepTerm* Causes::unreported_step(const LeaseTerm& term) const {
  for (const auto& [id, task] : history_.tasks()) {
    for (const StepTerm& step : task.steps) {
      const bool is_his = step.boot == term.owner.boot_id && step.actor == term.owner.actor &&
                          step.started.seq > term.taken.seq && step.started.seq < term.ended.seq;
      if (is_his && (!step.ended || step.by != fb::StepBy::command)) return &step;
    }
  }
  return nullptr;
}

/// What a person then said of the step that its owner was at; none if nothing.
Mark Causes::word_after(const LeaseTerm& term) const {
  const TaskTerm* task = history_.task(task_of_key(term.key).value_or(TaskId{0}));
  if (!task) return {};
  for (const StepTerm& step : task->steps) {
    const bool is_under_it = step.started.seq > term.taken.seq && step.started.seq < term.ended.seq;
    if (is_under_it && step.denied.seq > term.ended.seq) return step.denied;
  }
  return {};
}

Cause Causes::of_lost_lease(const LeaseTerm& term) const {
  Cause cause;
  const bool is_reclaimed = term.end == LeaseTerm::End::reclaimed;
  const BootTerm* owner = history_.boot(term.owner.boot_id);
  // With ownership, too, a restart takes the daemon's leases.
  const bool is_restart = owner && owner->is_daemon && owner->ended && owner->ended.seq <= term.ended.seq;
  if (is_restart) {
    cause = of_boot_end(term.owner.boot_id);
  } else if (term.was_unchecked) {
    cause = of_unchecked(term);
  }
  if (!cause.is_own()) {
    // It was the daemon's, or nothing was checked.
  } else if (is_reclaimed && term.reason == fb::ReclaimReason::forced) {
    cause = {.at = term.ended,
             .words = "the lease '" + term.key + "' was released by force while " + term.owner.actor + " held it"};
    add(cause, word_after(term));
  } else if (is_reclaimed && term.reason == fb::ReclaimReason::stale_boot) {
    cause = of_boot_end(term.owner.boot_id);
  } else if (is_reclaimed && term.reason == fb::ReclaimReason::owner_dead) {
    if (owner && owner->ended && owner->ended.seq <= term.ended.seq) cause = of_boot_end(term.owner.boot_id);
    if (cause.is_own()) {
      cause = {.at = term.ended,
               .words = term.owner.actor + ", which held the lease '" + term.key + "', was found dead"};
    }
  } else if (term.ttl_s && (is_reclaimed || term.end == LeaseTerm::End::taken_over)) {
    const std::int64_t ttl_s = *term.ttl_s;
    if (term.key.starts_with(repo_prefix)) {
      cause = of_setting("lease.merge_ttl_s", term.renewed.seq,
                         [&](const SettingValue& value) { return number_of(value) == ttl_s; });
    }
    if (cause.is_own()) {
      const bool is_expired = is_reclaimed && term.reason == fb::ReclaimReason::ttl_expired;
      cause = of_leap({.from = term.renewed.seq,
                       .to = term.ended,
                       .over_s = history_.lasted_s(term.renewed, term.ended) - ttl_s,
                       .last_pass_s = is_expired ? term.last_pass_s : std::nullopt,
                       .is_due = is_expired});
    }
    const StepTerm* step = cause.is_own() && !term.acted_after ? unreported_step(term) : nullptr;
    if (step) {
      cause = {.at = step->started,
               .words = "'" + step->step + "', which " + term.owner.actor +
                        " began here, did not end, and its lease '" + term.key + "' ran out"};
    }
    if (cause.is_own()) {
      cause = {.at = term.taken,
               .words = term.owner.actor + " took the lease '" + term.key + "' for " + std::to_string(ttl_s) +
                        " s, which ran out while it was at work"};
    }
  }
  if (!cause.is_own()) {
    // A lost lease is outlived, if a person lets the task go on: its old owner can do nothing more with it.
    cause.is_mischance = cause.is_mischance || setting_at(cause.at.seq).is_own();
    add(cause, term.taken);
    add(cause, term.ended);
    add(cause, term.acted_after);
  }
  return cause;
}

/// It is not known whether a step happened: its starter lost what it held, or a report contradicts another.
Cause Causes::of_unknown_step(const TaskTerm& task, const BlockTerm& block) const {
  const StepTerm* step = nullptr;
  for (const StepTerm& each : task.steps) {
    if (each.irreversible && each.started.seq < block.at.seq) step = &each;
  }
  if (!step) return by_itself("it is not known whether a step happened");
  Cause cause;
  // A `no` that a later report contradicted.
  for (const StepTerm& each : task.steps) {
    const bool is_contradicted =
        each.denied && each.outcome == fb::StepOutcome::done && each.ended.seq > each.denied.seq;
    const bool is_begun_again = each.denied && each.step == step->step && &each != step;
    if (!each.irreversible || each.denied.seq >= block.at.seq || (!is_contradicted && !is_begun_again)) continue;
    cause = {.at = each.denied, .words = said_not_happened(each)};
  }
  if (cause.is_own()) {
    for (const LeaseTerm& term : history_.terms(task_key(task.id))) {
      const bool covers = term.taken.seq <= step->started.seq && term.ended && term.ended.seq > step->started.seq;
      if (!covers || term.end == LeaseTerm::End::released || term.end == LeaseTerm::End::held) continue;
      cause = of_lost_lease(term);
      break;
    }
  }
  if (cause.is_own()) cause = of_boot_end(step->boot);
  if (cause.is_own() && step->ended && step->outcome == fb::StepOutcome::failed) {
    return by_itself("its step '" + step->step + "' failed, and nothing shows whether it had its effect");
  }
  if (cause.is_own()) return by_itself("nothing shows whether '" + step->step + "' happened");
  add(cause, step->started);
  add(cause, step->ended);
  add(cause, block.at);
  return cause;
}

}  // namespace pawl
