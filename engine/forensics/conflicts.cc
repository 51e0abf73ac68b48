#include "engine/forensics/conflicts.h"

#include <algorithm>

#include "engine/rules/claim.h"

namespace pawl {
namespace {

/// How many later records a finding names: the first few are enough.
constexpr std::size_t followers_max = 16;
/// How many groups pass between two sweeps of what may be forgotten.
constexpr std::uint64_t groups_between_sweeps = 4096;

std::string text(std::uint64_t number) {
  return std::to_string(number);
}

bool is_accepted(const fb::Record& record) {
  return record.stamp()->outcome() == static_cast<std::uint16_t>(Outcome::accepted);
}

Seq seq_of(const fb::Record& record) {
  return Seq{record.stamp()->seq()};
}

void follow(Finding& finding, Seq seq) {
  if (finding.followed_by.size() < followers_max) finding.followed_by.push_back(seq);
}

/// The earlier start of the step that may have had its effect; null if there is none in the journal.
const StepRow* standing_start(const Task& task, const fb::StepStarted& event) {
  for (const StepRow& row : task.steps) {
    const bool stands = row.state == StepState::started || row.state == StepState::done;
    if (stands && raw(row.version) == event.version() && row.to == event.to()->string_view() &&
        row.step == event.step()->string_view()) {
      return &row;
    }
  }
  return nullptr;
}

/// The irreversible step that was done in the crossing from `version` to `to`; null if there is none.
const StepRow* delivered_by(const Task& task, Version version, const std::string& to) {
  for (const StepRow& row : task.steps) {
    if (row.irreversible && row.state == StepState::done && row.version == version && row.to == to) return &row;
  }
  return nullptr;
}

}  // namespace

void Conflicts::see(const State& before, std::span<const fb::Record* const> group) {
  group_ = seq_of(*group.front());
  moved_in_group_.clear();
  // A time gap does not age anything: check again after its group.
  const auto is_gap = [](const fb::Record* record) { return record->event_type() == fb::Event::TimeGap; };
  if (std::none_of(group.begin(), group.end(), is_gap)) see_overdue(before, *group.front());
  for (const fb::Record* record : group) see_record(before, *record);
  if (++groups_ % groups_between_sweeps == 0) forget(before);
}

Findings Conflicts::findings() const {
  Findings all = found_;
  const auto is_reaped_by = [&](TaskId task, const DoubleEntry& entry) {
    const auto found = reaps_.find(task);
    return found != reaps_.end() && std::any_of(found->second.begin(), found->second.end(), [&](const Reap& reap) {
             return reap.version == entry.version && reap.reaper == entry.second && !reap.finding.followed_by.empty();
           });
  };
  for (const auto& [task, reaps] : reaps_) {
    for (const Reap& reap : reaps) {
      if (!reap.finding.followed_by.empty()) all.push_back(reap.finding);
    }
  }
  for (const auto& [task, entries] : double_entries_) {
    for (const DoubleEntry& entry : entries) {
      // If a reap brought the second actor in, report the reap instead.
      if (!entry.finding.followed_by.empty() && !is_reaped_by(task, entry)) all.push_back(entry.finding);
    }
  }
  all.insert(all.end(), unchecked_.begin(), unchecked_.end());
  // A setting changed before the log begins is not known.
  for (Finding& finding : all) std::erase(finding.led_by, Seq{0});
  std::stable_sort(all.begin(), all.end(),
                   [](const Finding& left, const Finding& right) { return left.seq < right.seq; });
  return all;
}

/// With the reaper on, a late pass is only late; with it off, nothing will end the job or lease.
void Conflicts::see_overdue(const State& before, const fb::Record& record) {
  const Settings& settings = before.settings();
  const TimeUs now{record.stamp()->time_us()};
  const auto tell = [&](Seq seq, TaskId task, std::string what, std::string_view setting) {
    if (!overdue_.insert(seq).second) return;
    found_.push_back({.kind = Finding::Kind::overdue,
                      .seq = seq,
                      .what = std::move(what),
                      .task = task,
                      .led_by = {change_of(setting)},
                      .followed_by = {seq_of(record)}});
  };
  if (!settings.reaper.enabled) {
    for (const JobId id : before.indexes.running) {
      const Job& job = *before.jobs.find(id);
      if (age_s(job.run->claimed, now) < settings.reaper.max_running_s) continue;
      // A claim from before the log begins is identified by where it was first seen, so that it is reported once.
      tell(claims_.try_emplace(id, Entry{.who = {}, .seq = group_}).first->second.seq, job.task,
           "job " + text(raw(id)) + " of task " + text(raw(job.task)) +
               " has been running for longer than reaper.max_running_s, and the reaper, which would end it, is "
               "switched off",
           "reaper.enabled");
    }
  }
  if (settings.reaper.enabled && settings.lease.reclaim_enabled) return;
  for (const auto& [key, lease] : before.leases.rows()) {
    if (!lease.ttl_s || now < plus_s(lease.renewed, *lease.ttl_s)) continue;
    tell(Seq{raw(lease.token)}, task_of_key(key).value_or(TaskId{0}),
         "lease '" + key + "' is held past its ttl, and the setting that would reclaim it is switched off",
         settings.reaper.enabled ? "lease.reclaim_enabled" : "reaper.enabled");
  }
}

void Conflicts::see_record(const State& before, const fb::Record& record) {
  see_life(record);
  if (const auto* acquired = record.event_as_LeaseAcquired()) {
    if (const auto task = task_of_key(acquired->key()->string_view())) {
      begins_afresh(*task, {acquired->owner()->boot_id()->str(), acquired->owner()->actor()->str()});
    }
  }
  if (!is_accepted(record)) return;
  if (record.stamp()->unchecked()) see_unchecked(record);
  if (const auto* setting = record.event_as_SettingChanged()) {
    changes_.insert_or_assign(setting->key()->str(), seq_of(record));
  } else if (const auto* claim = record.event_as_JobClaimed()) {
    claims_[JobId{claim->job()}] = {{claim->owner()->boot_id()->str(), claim->owner()->actor()->str()}, seq_of(record)};
    exits_.erase(JobId{claim->job()});
    see_claim(before, JobId{claim->job()});
  } else if (const auto* exited = record.event_as_RunExited()) {
    exits_.try_emplace(JobId{exited->job()}, Entry{who_of(record), seq_of(record)});
  } else if (const auto* acquired = record.event_as_LeaseAcquired()) {
    see_entry(before, record, *acquired);
  } else if (const auto* reaped = record.event_as_JobReaped()) {
    see_reap(before, record, *reaped);
  } else if (const auto* reclaimed = record.event_as_LeaseReclaimed()) {
    see_reclaim(before, record, *reclaimed);
  } else if (const auto* started = record.event_as_StepStarted()) {
    see_act(record, {TaskId{started->task()}, Version{started->version()}});
    see_step_start(before, record, *started);
  } else if (const auto* finished = record.event_as_StepFinished()) {
    // A report by a probe or an operator is not an act of the step's starter.
    if (finished->by() == fb::StepBy::command) {
      see_act(record, {TaskId{finished->task()}, Version{finished->version()}});
    }
  } else if (const auto* blocked = record.event_as_TaskBlocked()) {
    see_act(record, {TaskId{blocked->task()}, Version{blocked->version()}});
  } else if (const auto* transition = record.event_as_StageTransition()) {
    see_transition(before, record, *transition);
  } else if (const auto* cancelled = record.event_as_TaskCancelled()) {
    leaves(before, TaskId{cancelled->task()},
           {.seq = seq_of(record), .to = std::string(stage_cancelled), .actor = record.actor()->str()});
  }
}

void Conflicts::see_life(const fb::Record& record) {
  const auto found = taken_for_dead_.find(record.boot()->str());
  if (found == taken_for_dead_.end()) return;
  for (const auto& [task, index] : found->second) {
    Reap& reap = reaps_[task][index];
    if (reap.finding.seq >= group_) continue;
    if (reap.finding.followed_by.empty()) {
      reap.finding.what += "; its owner's process was considered dead, but " + record.actor()->str() +
                           " of that boot (" + record.boot()->str() + ") was alive";
    }
    follow(reap.finding, seq_of(record));
  }
}

void Conflicts::see_unchecked(const fb::Record& record) {
  if (unchecked_.empty() || unchecked_.back().led_by != std::vector<Seq>{switch_of_ownership()}) {
    unchecked_.push_back({.kind = Finding::Kind::unchecked,
                          .seq = seq_of(record),
                          .what = "decided with ownership switched off: versions, tokens and leases were not checked",
                          .led_by = {switch_of_ownership()}});
    return;
  }
  unchecked_.back().followed_by.push_back(seq_of(record));
}

/// Checks whether an accepted act on a crossing comes from an actor that had lost it.
void Conflicts::see_act(const fb::Record& record, const Place& place) {
  const Who who = who_of(record);
  if (const auto reaps = reaps_.find(place.task); reaps != reaps_.end()) {
    for (Reap& reap : reaps->second) {
      const bool is_his = reap.version == place.version && reap.finding.seq < group_ && reap.owners.contains(who);
      const bool is_told = !reap.finding.followed_by.empty() && reap.finding.followed_by.back() == seq_of(record);
      if (!is_his || is_told) continue;
      if (reap.finding.followed_by.empty()) {
        reap.finding.what += "; but " + who.actor + " (boot " + who.boot + ") was alive and continued it";
      }
      follow(reap.finding, seq_of(record));
    }
  }
  if (const auto entries = double_entries_.find(place.task); entries != double_entries_.end()) {
    for (DoubleEntry& entry : entries->second) {
      if (entry.version == place.version && entry.first == who) follow(entry.finding, seq_of(record));
    }
  }
}

void Conflicts::see_step_start(const State& before, const fb::Record& record, const fb::StepStarted& event) {
  const Task* task = before.tasks.find(TaskId{event.task()});
  if (!task) return;
  const Version version{event.version()};
  const std::string to = event.to()->str();
  const std::string step =
      "'" + event.step()->str() + "' of the crossing to '" + to + "' at version " + text(event.version());
  if (const StepRow* start = standing_start(*task, event)) {
    found_.push_back({.kind = Finding::Kind::double_effect,
                      .seq = seq_of(record),
                      .what = "task " + text(event.task()) + ": " + step + " is started again, though record " +
                              text(raw(start->started)) + " started it, and no record says that it did not happen",
                      .task = task->id,
                      .led_by = {start->started}});
  }
  const PipelineStep* defined = before.pipeline_of(*task).step(to, event.step()->string_view());
  if (!defined || !defined->irreversible || version >= version_of(*task)) return;

  std::string how = "which it had already left";
  std::string ways = "goes two ways at once";
  if (const auto left = departures_[task->id].find(version); left != departures_[task->id].end()) {
    how = "which " + left->second.actor + " had left for '" + left->second.to + "' by record " +
          text(raw(left->second.seq));
    if (left->second.is_rollback) ways = "is rolled back and delivered at once";
  }
  found_.push_back({.kind = Finding::Kind::contradiction,
                    .seq = seq_of(record),
                    .what = "task " + text(event.task()) + " " + ways + ": " + record.actor()->str() +
                            " starts the irreversible " + step + ", " + how,
                    .task = task->id,
                    .led_by = led_to(before, *task, version)});
}

void Conflicts::see_transition(const State& before, const fb::Record& record, const fb::StageTransition& event) {
  const TaskId id{event.task()};
  const Task* task = before.tasks.find(id);
  const bool moves_it_first = !moved_in_group_.contains(id);
  if (task) {
    const Version version = version_of(*task);
    const Version meant = event.expected_version() ? Version{*event.expected_version()} : version;
    see_act(record, {id, meant});
    if (meant < version) {
      std::string how = "had already been left";
      std::string ways = "goes two ways at once";
      if (const auto left = departures_[id].find(meant); left != departures_[id].end()) {
        how = left->second.actor + " had left for '" + left->second.to + "' by record " + text(raw(left->second.seq));
        const Stage* stage = before.stage_of(*task);
        const bool goes_back = stage && stage->rollback == event.to()->string_view();
        const bool is_delivered = delivered_by(*task, meant, left->second.to) != nullptr;
        if (goes_back && is_delivered) ways = "is delivered and rolled back at once";
      }
      found_.push_back({.kind = Finding::Kind::contradiction,
                        .seq = seq_of(record),
                        .what = "task " + text(raw(id)) + " " + ways + ": " + record.actor()->str() + " moves it to '" +
                                event.to()->str() + "' based on version " + text(raw(meant)) + ", which " + how,
                        .task = id,
                        .led_by = led_to(before, *task, meant)});
    }
  }
  const Stage* stage = task && moves_it_first ? before.stage_of(*task) : nullptr;
  leaves(before, id,
         {.seq = seq_of(record),
          .to = event.to()->str(),
          .actor = record.actor()->str(),
          .is_rollback = stage && stage->rollback == event.to()->string_view()});
}

void Conflicts::see_entry(const State& before, const fb::Record& record, const fb::LeaseAcquired& event) {
  const auto id = task_of_key(event.key()->string_view());
  const Task* task = id ? before.tasks.find(*id) : nullptr;
  if (!task || !record.stamp()->unchecked()) return;
  const Who who{event.owner()->boot_id()->str(), event.owner()->actor()->str()};
  Crossing& crossing = crossings_[task->id];
  if (crossing.version != version_of(*task)) crossing = {.version = version_of(*task), .entries = {}};
  std::erase_if(crossing.entries, [&](const Entry& entry) { return entry.who == who; });
  for (const Entry& first : crossing.entries) {
    Finding finding{.kind = Finding::Kind::double_entry,
                    .seq = seq_of(record),
                    .what = "task " + text(raw(task->id)) + ": " + who.actor + " entered the crossing at version " +
                            text(raw(crossing.version)) + ", which " + first.who.actor + " had entered by record " +
                            text(raw(first.seq)),
                    .task = task->id,
                    .led_by = {switch_of_ownership(), first.seq}};
    double_entries_[task->id].push_back({std::move(finding), first.who, who, crossing.version});
  }
  crossing.entries.push_back({who, seq_of(record)});
}

void Conflicts::see_reap(const State& before, const fb::Record& record, const fb::JobReaped& event) {
  const Job* job = before.jobs.find(JobId{event.job()});
  if (!job || !job->run) return;
  // An expired claim does not mean that its worker is dead, only that it failed to renew.
  if (event.reason() && event.reason()->string_view() == reaped_for_ttl) return;
  const Lease* lease = before.lease(task_key(job->task));
  const Task* task = before.tasks.find(job->task);
  Reap reap;
  reap.version = job->version;
  reap.reaper = who_of(record);
  reap.finding.kind = Finding::Kind::reaped_alive;
  reap.finding.seq = seq_of(record);
  reap.finding.task = job->task;
  reap.finding.what = "job " + text(raw(job->id)) + " of task " + text(raw(job->task)) + " was reaped";
  if (event.reason()) reap.finding.what += " as " + event.reason()->str();
  if (task) reap.finding.led_by = led_to(before, *task, job->version);

  const auto own = [&](const Entry& entry) {
    reap.owners.insert(entry.who);
    if (entry.seq != Seq{0}) reap.finding.led_by.push_back(entry.seq);
  };
  const auto claim = claims_.find(job->id);
  own({{job->run->owner.boot_id, job->run->owner.actor}, claim == claims_.end() ? Seq{0} : claim->second.seq});
  if (const auto exit = exits_.find(job->id); exit != exits_.end()) own(exit->second);
  if (lease) own({{lease->owner.boot_id, lease->owner.actor}, Seq{raw(lease->token)}});
  if (const auto at = crossings_.find(job->task); at != crossings_.end() && at->second.version == job->version) {
    for (const Entry& entry : at->second.entries) reap.owners.insert(entry.who);
  }
  reap.owners.erase(reap.reaper);
  // Recovery takes work only from the stale boot.
  if (event.tier() == fb::Tier::restart) {
    std::erase_if(reap.owners, [&](const Who& who) { return who.boot != job->run->owner.boot_id; });
  }
  std::vector<Seq>& led_by = reap.finding.led_by;
  std::sort(led_by.begin(), led_by.end());
  led_by.erase(std::unique(led_by.begin(), led_by.end()), led_by.end());

  // The boot whose owner the reaper considered dead, as opposed to the run's process.
  const auto streak = event.evidence() ? event.evidence()->streak() : flatbuffers::nullopt;
  const auto lease_owner_alive = event.evidence() ? event.evidence()->lease_owner_alive() : flatbuffers::nullopt;
  std::string dead_boot;
  if (event.tier() == fb::Tier::pid_dead && streak.value_or(0) == 0) dead_boot = job->run->owner.boot_id;
  if (event.tier() == fb::Tier::finalizer_dead && lease && lease_owner_alive == false) dead_boot = lease->owner.boot_id;
  if (!dead_boot.empty() && dead_boot != reap.reaper.boot) {
    take_for_dead(dead_boot, job->task, std::move(reap));
  } else {
    reaps_[job->task].push_back(std::move(reap));
  }
}

void Conflicts::see_reclaim(const State& before, const fb::Record& record, const fb::LeaseReclaimed& event) {
  const std::string key = event.key()->str();
  const Lease* lease = before.lease(key);
  const bool claims_death = event.reason() == fb::ReclaimReason::owner_dead;
  if (!lease || !claims_death || lease->owner.boot_id == record.boot()->string_view()) return;
  const TaskId task = task_of_key(key).value_or(TaskId{0});
  Reap reap;
  reap.reaper = who_of(record);
  reap.finding = {.kind = Finding::Kind::reaped_alive,
                  .seq = seq_of(record),
                  .what = "lease '" + key + "' was reclaimed as owner_dead",
                  .task = task,
                  .led_by = {Seq{raw(lease->token)}}};
  take_for_dead(lease->owner.boot_id, task, std::move(reap));
}

void Conflicts::take_for_dead(const std::string& boot, TaskId task, Reap reap) {
  std::vector<Reap>& reaps = reaps_[task];
  taken_for_dead_[boot].emplace_back(task, reaps.size());
  reaps.push_back(std::move(reap));
}

/// A new attempt: from now on its monitor, under the same name, acts for the new attempt.
void Conflicts::see_claim(const State& before, JobId id) {
  const Job* job = before.jobs.find(id);
  const auto found = job ? reaps_.find(job->task) : reaps_.end();
  if (found == reaps_.end()) return;
  for (Reap& reap : found->second) reap.owners.clear();
}

/// An actor that requests the lease again knows that it lost it: its acts from then on are a separate attempt.
void Conflicts::begins_afresh(TaskId task, const Who& who) {
  const auto found = reaps_.find(task);
  if (found == reaps_.end()) return;
  for (Reap& reap : found->second) reap.owners.erase(who);
}

void Conflicts::leaves(const State& before, TaskId id, Departure departure) {
  const Task* task = before.tasks.find(id);
  if (!task) return;
  const Version version = version_of(*task);
  departures_[id].insert_or_assign(version, std::move(departure));
  moved_in_group_[id] = next(version);
}

void Conflicts::forget(const State& state) {
  std::erase_if(departures_, [&](const auto& each) { return !state.tasks.find(each.first); });
  std::erase_if(crossings_, [&](const auto& each) { return !state.tasks.find(each.first); });
  std::erase_if(claims_, [&](const auto& each) { return !state.jobs.find(each.first); });
  std::erase_if(exits_, [&](const auto& each) { return !state.jobs.find(each.first); });
}

Conflicts::Who Conflicts::who_of(const fb::Record& record) {
  return {record.boot()->str(), record.actor()->str()};
}

Seq Conflicts::change_of(std::string_view setting) const {
  const auto found = changes_.find(setting);
  return found == changes_.end() ? Seq{0} : found->second;
}

Seq Conflicts::switch_of_ownership() const {
  return std::max(change_of("ownership.enabled"), change_of("ownership.repos"));
}

/// The task's version, including the effects of earlier records of the group.
Version Conflicts::version_of(const Task& task) const {
  const auto moved = moved_in_group_.find(task.id);
  return moved == moved_in_group_.end() ? task.version : moved->second;
}

/// The records known to have caused trouble at that version: switching ownership off, entries, reaps, departures.
std::vector<Seq> Conflicts::led_to(const State& before, const Task& task, Version version) const {
  std::vector<Seq> seqs;
  // With ownership off, marks would have stopped the reaper if they had counted.
  const Settings& settings = before.settings();
  const bool is_off = !settings.ownership_checked(task.repo);
  if (is_off) seqs.push_back(switch_of_ownership());
  if (is_off && !settings.reaper.finalizer_liveness) seqs.push_back(change_of("reaper.finalizer_liveness"));
  if (const auto at = crossings_.find(task.id); at != crossings_.end() && at->second.version == version) {
    for (const Entry& entry : at->second.entries) seqs.push_back(entry.seq);
  }
  if (const auto at = reaps_.find(task.id); at != reaps_.end()) {
    for (const Reap& reap : at->second) {
      if (reap.version == version) seqs.push_back(reap.finding.seq);
    }
  }
  if (const auto at = departures_.find(task.id); at != departures_.end()) {
    if (const auto left = at->second.find(version); left != at->second.end()) seqs.push_back(left->second.seq);
  }
  std::sort(seqs.begin(), seqs.end());
  return seqs;
}

}  // namespace pawl
