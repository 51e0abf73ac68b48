#include "engine/forensics/deciding.h"

#include <algorithm>

#include "engine/rules/claim.h"
#include "schema/subject.h"

namespace pawl {
namespace {

constexpr std::string_view red_on_same_commit = "gate_red on the same commit";

std::string counted(std::int64_t number, const std::string& thing) {
  return std::to_string(number) + ' ' + thing + (number == 1 ? "" : "s");
}

std::string seconds(std::int64_t number) {
  return std::to_string(number) + " s";
}

std::string source_in_words(const DecidedBy& decided) {
  switch (decided.by) {
    case DecidedBy::By::default_value:
      return "the default";
    case DecidedBy::By::record:
      return "set by " + std::to_string(raw(decided.set_by));
    case DecidedBy::By::before_log:
      return "set before this log begins";
    case DecidedBy::By::chosen:
      return decided.set_by == Seq{0} ? "its ttl, chosen before this log begins"
                                      : "its ttl, chosen in " + std::to_string(raw(decided.set_by));
  }
  return "?";
}

/// "2 interruptions > 1"
std::string comparison(const DecidedBy& it) {
  const bool may_reach = it.what == DecidedBy::What::interruptions || it.what == DecidedBy::What::rollbacks;
  const std::string than = may_reach ? (it.is_passed ? " > " : " <= ") : (it.is_passed ? " >= " : " < ");
  const std::string limit = than + std::to_string(it.limit);
  const std::string by_record = it.set_by == Seq{0} ? "" : " with record " + std::to_string(raw(it.set_by));
  switch (it.what) {
    case DecidedBy::What::interruptions:
      return counted(it.value, "interruption") + limit;
    case DecidedBy::What::attempts:
      return counted(it.value, "attempt") + limit;
    case DecidedBy::What::jobs_of_version:
      return counted(it.value, "job") + " of this version" + limit;
    case DecidedBy::What::rollbacks:
      return counted(it.value, "rollback") + limit;
    case DecidedBy::What::exited:
      return "exited " + seconds(it.value) + " ago" + limit;
    case DecidedBy::What::claimed:
      return "claimed " + seconds(it.value) + " ago" + limit;
    case DecidedBy::What::claim_quiet:
      return "the claim was not renewed for " + seconds(it.value) + limit;
    case DecidedBy::What::lease_quiet:
      return "the lease was not renewed for " + seconds(it.value) + limit;
    case DecidedBy::What::lease_held:
      return "the lease was held for " + seconds(it.value) + limit;
    case DecidedBy::What::dead_passes:
      return "seen dead in " + std::to_string(it.value) + (it.value == 1 ? " pass" : " passes") + limit;
    case DecidedBy::What::running:
      return std::to_string(it.value) + " running" + limit;
    case DecidedBy::What::repo_running:
      return "a job of the repository was running";
    case DecidedBy::What::pause:
      return "the next attempt waits " + seconds(it.value);
    case DecidedBy::What::pause_left:
      return seconds(it.value) + " of its pause were left";
    case DecidedBy::What::not_counted:
      return seconds(it.value) + " of it do not count: no one could act (the clock gap of record " +
             std::to_string(raw(it.set_by)) + ")";
    case DecidedBy::What::owner_ended:
      return "the owner's boot had ended" + by_record;
    case DecidedBy::What::owner_gone:
      return "the owner's process was dead";
    case DecidedBy::What::same_commit:
      return "the gate was red before on the same commit";
  }
  return "?";
}

}  // namespace

std::string in_words(const DecidedBy& decided) {
  std::string out = comparison(decided);
  if (decided.by == DecidedBy::By::chosen) return out + " (" + source_in_words(decided) + ')';
  if (decided.setting.empty()) return out;
  out += " (" + std::string(decided.setting);
  // Where the comparison does not have the value itself.
  if (decided.what == DecidedBy::What::pause || decided.what == DecidedBy::What::pause_left) {
    out += ' ' + std::to_string(decided.limit);
  }
  if (decided.what == DecidedBy::What::repo_running) out += " is on";
  if (decided.what == DecidedBy::What::same_commit) out += " is block";
  return out + ", " + source_in_words(decided) + ')';
}

DecidingValues::Setting DecidingValues::setting(std::string_view key) const {
  const auto found = settings_.find(key);
  if (found != settings_.end()) return found->second;
  const SettingKey* known = setting_named(key);
  return known ? Setting{.value = known->get(Settings()), .set_by = {}} : Setting();
}

std::int64_t DecidingValues::number(std::string_view key) const {
  const auto value = setting(key).value;
  const auto* number = std::get_if<std::int64_t>(&value);
  return number ? *number : 0;
}

DecidedBy DecidingValues::against(DecidedBy::What what, std::int64_t value, std::string_view key) const {
  return against(what, value, key, setting(key));
}

DecidedBy DecidingValues::against(DecidedBy::What what, std::int64_t value, std::string_view key,
                                  const Setting& setting) {
  const SettingKey* known = setting_named(key);
  const auto* limit = std::get_if<std::int64_t>(&setting.value);
  DecidedBy decided{.what = what, .value = value, .limit = limit ? *limit : 0};
  if (known) decided.setting = known->name;
  const bool may_reach = what == DecidedBy::What::interruptions || what == DecidedBy::What::rollbacks;
  decided.is_passed = may_reach ? value > decided.limit : value >= decided.limit;
  decided.set_by = setting.set_by;
  decided.by = setting.is_before          ? DecidedBy::By::before_log
               : setting.set_by != Seq{0} ? DecidedBy::By::record
                                          : DecidedBy::By::default_value;
  return decided;
}

/// Without the gaps in which no one could act.
std::int64_t DecidingValues::lasted_s(const Span& span, TimeUs now) const {
  std::int64_t us = now.us - span.begun.us;
  for (const Gap& gap : gaps_) {
    if (gap.seq > span.from) us -= gap.us;
  }
  return us / us_per_s;
}

void DecidingValues::add_gap(std::vector<DecidedBy>& all, const Span& span) const {
  for (const Gap& gap : gaps_) {
    if (gap.seq <= span.from) continue;
    all.push_back({.what = DecidedBy::What::not_counted, .value = gap.us / us_per_s, .set_by = gap.seq});
  }
}

DecidedBy DecidingValues::owner(const std::string& boot) const {
  const auto ended = boot_ends_.find(boot);
  if (ended == boot_ends_.end()) return {.what = DecidedBy::What::owner_gone};
  return {.what = DecidedBy::What::owner_ended, .set_by = ended->second};
}

/// Of an attempt that did not succeed: whether the job has another, and when.
void DecidingValues::add_retry(std::vector<DecidedBy>& all, JobId id, const State& after) const {
  const Job* job = after.jobs.find(id);
  const auto live = jobs_.find(id);
  if (!job || live == jobs_.end()) return;
  if (job->status != JobStatus::queued && job->status != JobStatus::failed) return;
  all.push_back(against(DecidedBy::What::attempts, static_cast<std::int64_t>(job->charged_tries()), "job.max_attempts",
                        live->second.max_attempts));
  if (job->status != JobStatus::queued || !job->not_before || *job->not_before <= job->queued) return;
  const std::int64_t pause_s = (job->not_before->us - job->queued.us) / us_per_s;
  const bool is_longest = pause_s == number("job.retry_delay_max_s") && pause_s != number("job.retry_delay_s");
  all.push_back(against(DecidedBy::What::pause, pause_s, is_longest ? "job.retry_delay_max_s" : "job.retry_delay_s"));
}

void DecidingValues::of_reap(std::vector<DecidedBy>& all, const fb::Record& record, const fb::JobReaped& event,
                             const State& after) const {
  const TimeUs now{record.stamp()->time_us()};
  const JobId id{event.job()};
  const auto found = jobs_.find(id);
  if (found == jobs_.end()) return;
  const LiveJob& live = found->second;
  const fb::Evidence* evidence = event.evidence();
  const auto measured = [&](flatbuffers::Optional<std::int64_t> seen, const Span& span) {
    return seen ? *seen : lasted_s(span, now);
  };
  switch (event.tier()) {
    case fb::Tier::pid_dead: {
      if (event.reason() && event.reason()->string_view() == reaped_for_ttl && live.ttl_s) {
        const std::int64_t quiet_s = lasted_s(live.renewed, now);
        all.push_back({.what = DecidedBy::What::claim_quiet,
                       .by = DecidedBy::By::chosen,
                       .value = quiet_s,
                       .limit = *live.ttl_s,
                       .set_by = live.ttl_by});
        add_gap(all, live.renewed);
        break;
      }
      const auto streak = evidence ? evidence->streak() : flatbuffers::nullopt;
      const DecidedBy passes = against(DecidedBy::What::dead_passes, streak.value_or(0), "reaper.dead_ticks");
      all.push_back(streak && passes.is_passed ? passes : owner(live.boot));
      break;
    }
    case fb::Tier::finalizer_dead:
      all.push_back(against(DecidedBy::What::exited,
                            measured(evidence ? evidence->exit_age_s() : flatbuffers::nullopt, live.exited),
                            "reaper.finalize_grace_s"));
      add_gap(all, live.exited);
      break;
    case fb::Tier::ceiling:
      all.push_back(against(DecidedBy::What::claimed,
                            measured(evidence ? evidence->age_s() : flatbuffers::nullopt, live.claimed),
                            "reaper.max_running_s"));
      add_gap(all, live.claimed);
      break;
    case fb::Tier::restart: {
      all.push_back(owner(live.boot));
      const Job* job = after.jobs.find(id);
      if (!job || (job->status != JobStatus::queued && job->status != JobStatus::failed)) return;
      all.push_back(against(DecidedBy::What::interruptions, static_cast<std::int64_t>(job->interruptions),
                            "recovery.max_interruptions"));
      const bool is_spent = job->status == JobStatus::failed;
      if (is_spent && !all.back().is_passed) add_retry(all, id, after);
      if (is_spent) std::rotate(all.begin(), all.begin() + 1, all.end());
      return;
    }
  }
  if (event.outcome() == fb::JobResult::retry) add_retry(all, id, after);
}

void DecidingValues::of_reclaim(std::vector<DecidedBy>& all, const fb::Record& record,
                                const fb::LeaseReclaimed& event) const {
  const TimeUs now{record.stamp()->time_us()};
  const auto found = leases_.find(event.key()->string_view());
  if (found == leases_.end()) return;
  const LiveLease& live = found->second;
  switch (event.reason()) {
    case fb::ReclaimReason::ttl_expired: {
      if (!live.ttl_s) return;
      DecidedBy decided{.what = DecidedBy::What::lease_quiet,
                        .by = live.ttl_from,
                        .value = lasted_s(live.renewed, now),
                        .limit = *live.ttl_s,
                        .set_by = live.ttl_by};
      if (live.is_merge_ttl) decided.setting = setting_named("lease.merge_ttl_s")->name;
      all.push_back(decided);
      add_gap(all, live.renewed);
      return;
    }
    case fb::ReclaimReason::reaped:
      all.push_back(against(DecidedBy::What::lease_held, lasted_s(live.taken, now), "reaper.max_running_s"));
      add_gap(all, live.taken);
      return;
    case fb::ReclaimReason::owner_dead:
    case fb::ReclaimReason::stale_boot:
      all.push_back(owner(live.boot));
      return;
    case fb::ReclaimReason::forced:
      return;
  }
}

void DecidingValues::of_block(std::vector<DecidedBy>& all, const Effect& effect, const fb::Record& record,
                              const State& after) const {
  const Task* task = after.tasks.find(TaskId{effect.id});
  if (!task) return;
  if (effect.text == "max_rollbacks") {
    all.push_back(
        against(DecidedBy::What::rollbacks, static_cast<std::int64_t>(task->rollbacks), "pipeline.max_rollbacks"));
  }
  if (!record.event_as_TaskBlocked()) return;
  if (effect.text.starts_with(red_on_same_commit)) {
    all.push_back(against(DecidedBy::What::same_commit, 0, "gate.unchanged"));
  } else if (effect.text == "gate_red") {
    std::int64_t jobs = 0;
    const auto& of_task = after.indexes.jobs_of_task;
    for (auto at = of_task.lower_bound({task->id, JobId{0}}); at != of_task.end() && at->first == task->id; ++at) {
      if (after.jobs.find(at->second)->version == task->version) ++jobs;
    }
    all.push_back(against(DecidedBy::What::jobs_of_version, jobs, "job.max_attempts"));
  }
}

void DecidingValues::of_refusal(std::vector<DecidedBy>& all, const fb::Record& record, Outcome outcome,
                                const State& after) const {
  const auto* claim = record.event_as_JobClaimed();
  if (!claim) return;
  if (outcome == Outcome::limit) {
    all.push_back(against(DecidedBy::What::running, static_cast<std::int64_t>(after.indexes.running.size()),
                          "queue.max_concurrency"));
  }
  if (outcome == Outcome::serial_gate)
    all.push_back(against(DecidedBy::What::repo_running, 1, "queue.serial_per_repo"));
  const Job* job = outcome == Outcome::retry_delay ? after.jobs.find(JobId{claim->job()}) : nullptr;
  if (job && job->not_before) {
    const std::int64_t left_us = job->not_before->us - record.stamp()->time_us();
    all.push_back(against(DecidedBy::What::pause_left, (left_us + us_per_s - 1) / us_per_s, "job.retry_delay_s"));
  }
}

std::vector<DecidedBy> DecidingValues::of(const fb::Record& record, const Applied& applied, const State& after) const {
  std::vector<DecidedBy> all;
  if (applied.outcome != Outcome::accepted) {
    of_refusal(all, record, applied.outcome, after);
    return all;
  }
  if (const auto* reaped = record.event_as_JobReaped()) of_reap(all, record, *reaped, after);
  if (const auto* reclaimed = record.event_as_LeaseReclaimed()) of_reclaim(all, record, *reclaimed);
  if (const auto* finished = record.event_as_JobFinished(); finished && finished->result() == fb::JobResult::retry) {
    add_retry(all, JobId{finished->job()}, after);
  }
  for (const Effect& effect : applied.effects) {
    if (effect.kind == EffectKind::blocked) of_block(all, effect, record, after);
  }
  return all;
}

void DecidingValues::begin(const State& state) {
  for (const auto& [key, row] : state.settings_changed.rows()) {
    settings_[key] = {.value = row.value, .set_by = {}, .is_before = true};
  }
  for (const auto& [id, job] : state.jobs.rows()) {
    LiveJob& live = jobs_[id];
    live.max_attempts = setting("job.max_attempts");
    live.max_attempts.value = static_cast<std::int64_t>(job.max_attempts);
    if (!job.run) continue;
    live.boot = job.run->owner.boot_id;
    live.ttl_s = job.run->ttl_s;
    live.claimed = {state.last_seq, job.run->claimed};
    live.renewed = {state.last_seq, job.run->renewed.value_or(job.run->claimed)};
    if (job.run->exited) live.exited = {state.last_seq, *job.run->exited};
  }
  for (const auto& [key, lease] : state.leases.rows()) {
    leases_[key] = {.taken = {state.last_seq, lease.acquired},
                    .renewed = {state.last_seq, lease.renewed},
                    .ttl_s = lease.ttl_s,
                    .boot = lease.owner.boot_id};
  }
  for (const auto& [id, boot] : state.boots.rows()) {
    if (!boot.stale) boot_in_force_[boot.name] = id;
  }
}

void DecidingValues::see_lease(const fb::Record& record, const fb::LeaseAcquired& event, const State& after) {
  const std::string key = event.key()->str();
  const Span now{Seq{record.stamp()->seq()}, {record.stamp()->time_us()}};
  const Lease* row = after.lease(key);
  LiveLease& live = leases_[key];
  const bool is_renewal = event.token() && live.taken.begun.us > 0;
  if (!is_renewal) live = {.taken = now, .renewed = now, .ttl_s = {}, .boot = event.owner()->boot_id()->str()};
  live.renewed = now;
  if (is_renewal && !event.ttl()) return;
  live.ttl_s = event.ttl() ? std::optional<std::int64_t>(*event.ttl()) : row ? row->ttl_s : std::nullopt;
  live.ttl_from = DecidedBy::By::chosen;
  live.ttl_by = now.from;
  live.is_merge_ttl = false;
  // The daemon requests what the setting says; of others who request none on a repository, the rules take it.
  const auto daemon = boot_in_force_.find(std::string(daemon_name));
  const bool is_daemons = daemon != boot_in_force_.end() && daemon->second == live.boot;
  if (!live.ttl_s || !key.starts_with(repo_prefix) || *live.ttl_s != number("lease.merge_ttl_s")) return;
  if (event.ttl() && !is_daemons) return;
  const DecidedBy merge = against(DecidedBy::What::lease_quiet, 0, "lease.merge_ttl_s");
  live.is_merge_ttl = true;
  live.ttl_from = merge.by;
  live.ttl_by = merge.set_by;
}

void DecidingValues::see_effects(const Applied& applied) {
  for (const Effect& effect : applied.effects) {
    if (effect.kind == EffectKind::lease_freed) leases_.erase(effect.text);
    if (effect.kind == EffectKind::job_cancelled) jobs_.erase(JobId{effect.id});
    if (effect.kind != EffectKind::job_queued) continue;
    const auto [at, is_new] = jobs_.try_emplace(JobId{effect.id});
    if (is_new) at->second.max_attempts = setting("job.max_attempts");
  }
}

void DecidingValues::see(const fb::Record& record, const Applied& applied, const State& after) {
  if (applied.outcome != Outcome::accepted) return;
  const Span now{Seq{record.stamp()->seq()}, {record.stamp()->time_us()}};
  const auto job = [&](std::uint64_t id) {
    const auto found = jobs_.find(JobId{id});
    return found == jobs_.end() ? nullptr : &found->second;
  };
  if (const auto* changed = record.event_as_SettingChanged()) {
    settings_[changed->key()->str()] = {.value = setting_value_from(*changed->value()), .set_by = now.from};
  } else if (const auto* boot = record.event_as_BootStarted()) {
    std::string& in_force = boot_in_force_[boot->name()->str()];
    if (!in_force.empty() && in_force != boot->boot_id()->string_view()) boot_ends_.try_emplace(in_force, now.from);
    in_force = boot->boot_id()->str();
  } else if (const auto* ended = record.event_as_BootEnded()) {
    boot_ends_.try_emplace(ended->boot_id()->str(), now.from);
  } else if (const auto* acquired = record.event_as_LeaseAcquired()) {
    if (after.lease(acquired->key()->str())) see_lease(record, *acquired, after);
  } else if (const auto* released = record.event_as_LeaseReleased()) {
    leases_.erase(released->key()->str());
  } else if (const auto* reclaimed = record.event_as_LeaseReclaimed()) {
    leases_.erase(reclaimed->key()->str());
  } else if (const auto* claim = record.event_as_JobClaimed()) {
    LiveJob* live = job(claim->job());
    if (!live) return;
    live->claimed = live->renewed = now;
    live->exited = {};
    live->ttl_s = claim->ttl() ? std::optional<std::int64_t>(*claim->ttl()) : std::nullopt;
    live->ttl_by = now.from;
    live->boot = claim->owner()->boot_id()->str();
  } else if (const auto* renewed = record.event_as_ClaimRenewed()) {
    if (LiveJob* live = job(renewed->job())) live->renewed = now;
  } else if (const auto* exited = record.event_as_RunExited()) {
    if (LiveJob* live = job(exited->job()); live && live->exited.from == Seq{0}) live->exited = now;
  } else if (const auto* finished = record.event_as_JobFinished()) {
    const Job* row = after.jobs.find(JobId{finished->job()});
    if (!row || row->status != JobStatus::queued) jobs_.erase(JobId{finished->job()});
  } else if (const auto* reaped = record.event_as_JobReaped()) {
    const Job* row = after.jobs.find(JobId{reaped->job()});
    if (!row || row->status != JobStatus::queued) jobs_.erase(JobId{reaped->job()});
  } else if (const auto* gap = record.event_as_TimeGap()) {
    gaps_.push_back({now.from, gap->us()});
  }
  see_effects(applied);
}

}  // namespace pawl
