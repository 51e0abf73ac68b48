// The policies of a story: passes that act in it but not in the log, and passes that act in the log but not in it.
#include <algorithm>

#include "engine/policies/reconciler.h"
#include "tools/forensics/what_if_story.h"

namespace pawl {

void WhatIf::begin_passes() {
  last_reaper_ = machine_.now();
  last_reconciler_ = machine_.now();
}

void WhatIf::pass_until(TimeUs moment) {
  while (!retold_.horizon && machine_.state().boot_named(daemon_name)) {
    const Settings& settings = machine_.state().settings();
    const TimeUs reaper = plus_s(last_reaper_, settings.reaper.interval_s);
    const TimeUs reconciler = plus_s(last_reconciler_, settings.reconciler.interval_s);
    const TimeUs next = std::min(reaper, reconciler);
    if (next >= moment) return;
    set_now(next);
    if (next == reaper) {
      last_reaper_ = next;
      if (settings.reaper.enabled) reaper_pass();
    } else {
      last_reconciler_ = next;
      if (settings.reconciler.enabled) reconciler_pass();
    }
  }
}

Requester WhatIf::policy(std::string_view actor) const {
  return {
      .boot = machine_.state().boot_named(daemon_name)->boot_id, .actor = std::string(actor), .key = {}, .request = {}};
}

bool WhatIf::was_no_pass(TaskId task, std::string_view interval) const {
  return !parted_.contains(task) && !is_changed_key(interval);
}

void WhatIf::reaper_pass() {
  const std::set<JobId> running = machine_.state().indexes.running;
  for (const JobId id : running) {
    const Job* job = machine_.state().jobs.find(id);
    if (!job || retold_.horizon) continue;
    const auto look = look_at(job->task, id);
    if (!look) continue;
    const ReapDecision decision = reap_decision(look->observation);
    if (decision.move == ReapMove::leave) {
      remember_streak(id, decision.streak);
      continue;
    }
    const ReapDecision by_log = decision_of_the_log(*look);
    const bool is_alike = by_log.move == decision.move && by_log.tier == decision.tier;
    if (is_alike && was_no_pass(job->task, "reaper.interval_s")) continue;
    const TaskId task = job->task;
    turn(std::nullopt, recorded_in_words(*look, by_log, recorded_settings_), in_words(*look, decision));
    parted_.insert(task);
    reap_job(machine_, world_, task, id, streaks_, policy(reaper_actor), daemon_pid());
    note_unanswered();
    note_waiting(task);
  }
  if (!retold_.horizon) reclaim_pass();
}

void WhatIf::reclaim_pass() {
  const auto is_alive = [&](const Owner& owner, const Boot& boot) { return world_.is_alive(owner, boot); };
  for (const LeaseToReclaim& found : leases_to_reclaim(machine_.state(), machine_.now(), is_alive)) {
    const Lease lease = *machine_.state().lease(found.key);
    const TaskId task = task_of_key(found.key).value_or(TaskId{0});
    const bool is_alike =
        recorded_settings_.reaper.enabled && reason_of(replay_.as_recorded(lease), recorded_settings_) == found.reason;
    const bool has_parted = task == TaskId{0} && parted_keys_.contains(found.key);
    if (is_alike && !has_parted && was_no_pass(task, "reaper.interval_s")) continue;
    turn(std::nullopt, "leaves the lease " + found.key + " with " + lease.owner.actor,
         "reaper reclaims the lease " + found.key + " from " + lease.owner.actor + ": " +
             fb::EnumNameReclaimReason(found.reason));
    parted_keys_.insert(found.key);
    if (task != TaskId{0}) parted_.insert(task);
    fb::LeaseReclaimedT event;
    event.key = found.key;
    event.token = raw(found.token);
    event.reason = found.reason;
    machine_.propose(propose_group(policy(reaper_actor), event));
  }
}

void WhatIf::reconciler_pass() {
  for (const TaskId task : reconcile_candidates(machine_.state())) {
    if (retold_.horizon) return;
    const auto view = machine_.view(task);
    if (!view) continue;
    const bool owner_alive = view->lease && world_.is_alive(view->lease->owner, *view->lease_boot);
    const ReconcileMove move = reconcile_move(*view, owner_alive);
    if (move == ReconcileMove::none || move == ReconcileMove::defer) continue;
    if (recorded_settings_.reconciler.enabled && was_no_pass(task, "reconciler.interval_s")) continue;
    turn(std::nullopt, "leaves task " + std::to_string(raw(task)) + " where it is",
         "reconciler drives task " + std::to_string(raw(task)) + " on from " + view->task.stage);
    parted_.insert(task);
    reconcile(machine_, world_, task, policy(reconciler_actor), daemon_pid());
    note_unanswered();
  }
}

std::optional<ReapLook> WhatIf::look_at(TaskId task, JobId id) {
  std::optional<TaskView> view = machine_.view(task);
  if (!view) return std::nullopt;
  for (const RunningJob& running : view->running) {
    if (running.job.id != id) continue;
    ReapObservation observation =
        reap_observation(watched_run(*view, running), view->settings, world_, machine_.now(), streaks_);
    RunningJob copy = running;
    return ReapLook{std::move(*view), std::move(copy), std::move(observation)};
  }
  return std::nullopt;
}

ReapDecision WhatIf::decision_of_the_log(const ReapLook& look) {
  if (!recorded_settings_.reaper.enabled) return {};
  const WatchedRun run = watched_run(look.view, look.running);
  return reap_decision(reap_observation(run, recorded_settings_, world_, machine_.now(), streaks_));
}

std::optional<fb::ReclaimReason> WhatIf::reason_of(const Lease& lease, const Settings& settings) {
  const auto task = task_of_key(lease.key);
  const bool alive = world_.is_alive(lease.owner, *machine_.state().boots.find(lease.owner.boot_id));
  return reclaim_reason(lease, settings, machine_.now(), alive, task && machine_.state().running_job(*task));
}

void WhatIf::remember_streak(JobId job, const Streak& streak) {
  if (streak.passes > 0) {
    streaks_[job] = streak;
  } else {
    streaks_.erase(job);
  }
}

bool WhatIf::is_reaper_agreed(const Events& events, TaskId task) {
  for (const RecordedEvent* event : events) {
    if (const auto* reclaimed = event->record().event_as_LeaseReclaimed(); reclaimed && events.size() == 1) {
      return is_reclaim_agreed(*event, *reclaimed);
    }
  }
  if (!has_type(events, {fb::Event::LeaseAcquired, fb::Event::GateEvaluated, fb::Event::JobReaped})) return true;
  const RecordedEvent* reap = reap_of(*events.front(), task);
  const auto* reaped = reap ? reap->record().event_as_JobReaped() : nullptr;
  const auto job = reaped ? replay_.job_of(reaped->job()) : std::nullopt;
  if (!reaped) return true;
  if (job && reaped->evidence() && reaped->evidence()->streak().value_or(0) > 0) {
    const fb::Evidence& seen = *reaped->evidence();
    const Job* row = machine_.state().jobs.find(*job);
    streaks_[*job] = {row ? row->attempts : 0, *seen.streak() - 1, {seen.first_dead().value_or(0)}};
  }
  const auto look = job ? look_at(task, *job) : std::nullopt;
  const Settings& settings = machine_.state().settings();
  const bool is_pass = settings.reaper.enabled && !is_changed_key("reaper.interval_s");
  const ReapDecision decision = look && is_pass ? reap_decision(look->observation) : ReapDecision{};
  if (decision.move != ReapMove::leave && decision.tier == reaped->tier()) return true;
  // A reap that this version's reaper would not have made by the log's own settings either was made by hand.
  const ReapDecision by_log = look ? decision_of_the_log(*look) : ReapDecision{};
  if (by_log.move == ReapMove::leave && !parted_.contains(task)) return true;
  std::string changed = "the job is not running";
  if (look) changed = in_words(*look, decision);
  if (!settings.reaper.enabled) changed = "the reaper is switched off";
  if (is_changed_key("reaper.interval_s")) changed = "there is no pass at that moment";
  turn(events.front()->seq(), recorded_in_words(*reap), changed);
  return false;
}

bool WhatIf::is_reclaim_agreed(const RecordedEvent& event, const fb::LeaseReclaimed& reclaimed) {
  const Lease* lease = machine_.state().lease(reclaimed.key()->str());
  const Settings& settings = machine_.state().settings();
  const bool is_pass = settings.reaper.enabled && !is_changed_key("reaper.interval_s");
  const auto reason = lease && is_pass ? reason_of(*lease, settings) : std::nullopt;
  if (reason == reclaimed.reason()) return true;
  const bool is_by_hand = lease && reason_of(replay_.as_recorded(*lease), recorded_settings_) != reclaimed.reason();
  if (is_by_hand) return true;
  turn(event.seq(), recorded_in_words(event),
       lease ? "the lease stays with " + lease->owner.actor : "the lease is not held");
  parted_keys_.insert(reclaimed.key()->str());
  return false;
}

bool WhatIf::is_reconciler_agreed(const Events& events, TaskId task) {
  const bool is_policy =
      has_type(events, {fb::Event::LeaseAcquired, fb::Event::GateEvaluated, fb::Event::StageTransition});
  if (!is_policy) return true;
  const auto view = machine_.view(task);
  const bool owner_alive = view && view->lease && world_.is_alive(view->lease->owner, *view->lease_boot);
  const ReconcileMove move = view ? reconcile_move(*view, owner_alive) : ReconcileMove::none;
  const Settings& settings = machine_.state().settings();
  const bool is_pass = settings.reconciler.enabled && !is_changed_key("reconciler.interval_s");
  if (is_pass && move != ReconcileMove::none && move != ReconcileMove::defer) return true;
  const bool is_by_hand = view && is_pass && !parted_.contains(task);
  if (is_by_hand) return true;
  std::string changed = "the reconciler has nothing to do for it";
  if (move == ReconcileMove::defer) changed = "the reconciler defers to " + view->lease->owner.actor;
  if (!settings.reconciler.enabled) changed = "the reconciler is switched off";
  if (is_changed_key("reconciler.interval_s")) changed = "there is no pass at that moment";
  turn(events.front()->seq(), recorded_in_words(*events.front()), changed);
  return false;
}

const RecordedEvent* WhatIf::reap_of(const RecordedEvent& opening, TaskId task) const {
  return log_.reap_from(Seq{opening.record().stamp()->group()}, task);
}

}  // namespace pawl
