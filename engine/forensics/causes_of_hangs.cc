// Causes of tasks that do not move at the end of a log.
#include <algorithm>

#include "engine/forensics/causes.h"
#include "engine/rules/claim.h"
#include "engine/state/holds.h"

namespace pawl {
namespace {

Cause none_known() {
  return {.at = {}, .words = ""};
}

std::int64_t integer_in(const SettingValue& value) {
  const auto* number = std::get_if<std::int64_t>(&value);
  return number ? *number : 0;
}

}  // namespace

/// What a task that depends on others waits for, at its root.
Cause Causes::of_root(const State& end, const Task& task) const {
  const Task* root = &task;
  for (std::size_t depth = 0; depth < 64 && (root == &task || root->blocked.empty()); ++depth) {
    const Task* further = nullptr;
    for (const TaskId id : root->depends_on) {
      const Task* other = end.tasks.find(id);
      if (other && !is_terminal(other->stage) && other != root && (!further || !other->blocked.empty()))
        further = other;
    }
    if (!further) break;
    root = further;
  }
  const TaskTerm* term = history_.task(root->id);
  if (root != &task && !root->blocked.empty() && term && !term->blocks.empty()) {
    const BlockTerm& block = term->blocks.back();
    Cause cause = of_block(*term, block);
    if (!cause.is_own()) return cause;
    return {.at = block.at,
            .words = "task " + std::to_string(raw(root->id)) + " (" + root->work_item + ") was blocked (" +
                     cause.words + "), and others depend on it"};
  }
  const TaskTerm* lost = task.lost_dependency ? history_.task(*task.lost_dependency) : nullptr;
  if (!lost || !lost->cancelled) return none_known();
  Cause cause = of_setting("queue.cancelled_dependency", end.last_seq, [](const SettingValue& value) {
    const auto* word = std::get_if<std::string>(&value);
    return word && *word == "hold";
  });
  if (cause.is_own()) {
    cause = {.at = lost->cancel_requested ? lost->cancel_requested : lost->cancelled,
             .words = "task " + std::to_string(raw(*task.lost_dependency)) + " was cancelled, and others depend on it"};
  }
  if (lost->cancelled.seq != cause.at.seq) cause.chain.push_back(lost->cancelled.seq);
  return cause;
}

/// Who has the slots that a job waits for: one that hangs itself is to blame, else their number.
Cause Causes::of_slots(const State& end, const Task& task, const Stuck& stuck, TimeUs now) const {
  const bool is_serial = stuck.reason == name(Outcome::serial_gate);
  if (!is_serial) {
    const auto running = static_cast<std::int64_t>(end.indexes.running.size());
    const Cause few = of_setting("queue.max_concurrency", end.last_seq,
                                 [&](const SettingValue& value) { return integer_in(value) <= running; });
    if (!few.is_own()) return few;
  }
  Cause oldest = none_known();
  for (const JobId id : end.indexes.running) {
    const Job& job = *end.jobs.find(id);
    const Task* other = end.tasks.find(job.task);
    if (!other || other->id == task.id || (is_serial && other->repo != task.repo)) continue;
    Cause cause = none_known();
    if (const auto their = why_stuck(end, *other, now, {}); their && !their->held_by.empty()) {
      cause = of_hang(end, *other, *their, now);
    }
    const TaskTerm* term = history_.task(other->id);
    if (cause.is_own() && term && !term->attempts.empty()) {
      cause = {.at = term->attempts.back().claimed,
               .words = "job " + std::to_string(raw(id)) + " of task " + std::to_string(raw(other->id)) +
                        " has been running since this record, and keeps others waiting"};
    }
    if (!cause.is_own() && (oldest.is_own() || cause.at.seq < oldest.at.seq)) oldest = std::move(cause);
  }
  return oldest;
}

/// Who placed the hold, or who gave the pipeline the calendar that no daemon has planned.
Cause Causes::of_hold(const State& end, const Task& task, TimeUs now) const {
  const Stage* stage = end.stage_of(task);
  const auto held = held_by(end, task, now, stage ? std::string_view(stage->agent) : std::string_view());
  if (!held) return none_known();
  if (const HoldRow* row = held->is_freeze ? nullptr : end.holds.find(held->place)) {
    return {.at = {row->seq, row->since},
            .words = held->place + " has been held by " + held->by + " since this record" +
                     (held->reason.empty() ? "" : ": " + held->reason)};
  }
  const auto terms = history_.pipelines().find(end.pipeline_of(task).name);
  if (terms == history_.pipelines().end()) return none_known();
  for (const PipelineTerm& term : terms->second) {
    if (term.at.seq != held->seq) continue;
    return {.at = term.at,
            .words = "this definition has a calendar that no daemon has planned, which freezes " + held->place};
  }
  return none_known();
}

Cause Causes::of_hang(const State& end, const Task& task, const Stuck& stuck, TimeUs now) const {
  const auto off = [&](std::string_view key) {
    return of_setting(key, end.last_seq, [](const SettingValue& value) {
      const bool* flag = std::get_if<bool>(&value);
      return flag && !*flag;
    });
  };
  const TaskTerm* term = history_.task(task.id);
  Cause cause = none_known();
  if (!stuck.held_by.empty()) cause = off(stuck.held_by);
  if (cause.is_own() && !stuck.held_by_if_dead.empty()) cause = off(stuck.held_by_if_dead);
  if (cause.is_own() && stuck.reason == name(Outcome::held)) cause = of_hold(end, task, now);
  if (cause.is_own() && stuck.reason == stuck_reason::reconciler_off) cause = off("reconciler.enabled");
  if (cause.is_own() && stuck.reason == name(Outcome::dependency)) cause = of_root(end, task);
  if (cause.is_own() && (stuck.reason == name(Outcome::limit) || stuck.reason == name(Outcome::serial_gate))) {
    cause = of_slots(end, task, stuck, now);
  }
  if (cause.is_own() && stuck.reason == stuck_reason::unclaimed) {  // a slot is free at last, but was not for long
    const auto running = static_cast<std::int64_t>(end.indexes.running.size());
    cause = of_setting("queue.max_concurrency", end.last_seq,
                       [&](const SettingValue& value) { return integer_in(value) <= running + 1; });
  }
  if (cause.is_own() && stuck.reason == name(Outcome::retry_delay)) {
    cause = of_setting("job.retry_delay_s", end.last_seq,
                       [](const SettingValue& value) { return integer_in(value) > Settings().job.retry_delay_s; });
  }
  if (cause.is_own() && stuck.owner_boot && stuck.owner_boot->stale) cause = of_boot_end(stuck.owner_boot->boot_id);
  if (cause.is_own() && stuck.reason == stuck_reason::outcome_unknown && term) {
    cause = of_unknown_step(*term, {.reason = "outcome_unknown", .at = {end.last_seq, now}, .let_go = {}});
  }
  if (cause.is_own() && stuck.reason == stuck_reason::lease && stuck.owner) {
    const Lease* lease = end.lease(task_key(task.id));
    if (!lease) lease = end.lease(repo_key(task.repo));
    if (lease) {
      cause = {.at = {Seq{raw(lease->token)}, lease->acquired},
               .words = lease->owner.actor + " has held the lease '" + lease->key + "' since this record"};
    }
  }
  if (cause.is_own()) cause.words = stuck.detail;
  return cause;
}

}  // namespace pawl
