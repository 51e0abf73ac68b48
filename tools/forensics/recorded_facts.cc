#include "tools/forensics/recorded_facts.h"

namespace pawl {

void RecordedFacts::begin(const State& state) {
  for (const auto& [id, boot] : state.boots.rows()) boots_[id] = boot.pid;
  for (const auto& [key, lease] : state.leases.rows()) holders_[key] = {lease.owner.boot_id, lease.owner.pid};
  for (const auto& [id, job] : state.jobs.rows()) {
    if (job.run) running_[raw(id)] = {{job.run->owner.boot_id, job.run->owner.pid}, job.run->pid};
  }
}

void RecordedFacts::learn(const fb::Record& record) {
  const TimeUs time{record.stamp()->time_us()};
  if (const auto* booted = record.event_as_BootStarted()) boots_[booted->boot_id()->str()] = booted->pid();
  if (const auto* ended = record.event_as_BootEnded(); ended && ended->reason() == fb::BootEndReason::owner_dead) {
    die(ended->boot_id()->str(), boots_[ended->boot_id()->str()], time);
  }
  if (const auto* acquired = record.event_as_LeaseAcquired()) {
    holders_[acquired->key()->str()] = {acquired->owner()->boot_id()->str(), acquired->owner()->pid()};
  }
  if (const auto* reclaimed = record.event_as_LeaseReclaimed()) {
    const Process& holder = holders_[reclaimed->key()->str()];
    if (reclaimed->reason() == fb::ReclaimReason::owner_dead) die(holder.first, holder.second, time);
  }
  if (const auto* claimed = record.event_as_JobClaimed()) {
    running_[claimed->job()] = {{claimed->owner()->boot_id()->str(), claimed->owner()->pid()}, std::nullopt};
  }
  if (const auto* started = record.event_as_RunStarted()) running_[started->job()].pid = started->pid();
  if (const auto* reaped = record.event_as_JobReaped()) learn_reap(record, *reaped);
  if (const auto* gate = record.event_as_GateEvaluated()) {
    GateFact fact{.time = time, .answer = {}};
    if (gate->passed().has_value()) fact.answer.passed = *gate->passed();
    if (gate->reason()) fact.answer.reason = gate->reason()->str();
    gates_[{TaskId{gate->task()}, Version{gate->version()}, gate->gate()->str()}].push_back(std::move(fact));
  }
}

/// A reap's evidence says what the reaper saw as dead, and since when: a run or an owner.
void RecordedFacts::learn_reap(const fb::Record& record, const fb::JobReaped& event) {
  const TimeUs time{record.stamp()->time_us()};
  const Running& running = running_[event.job()];
  const fb::Evidence* evidence = event.evidence();
  if (event.tier() == fb::Tier::pid_dead) {
    const bool saw_run = evidence && evidence->first_dead().has_value() && running.pid;
    if (saw_run) {
      die(running.owner.first, *running.pid, {*evidence->first_dead()});
    } else {
      die(running.owner.first, running.owner.second, time);
    }
  }
  if (!evidence || !evidence->lease_owner() || evidence->lease_owner_alive() != false) return;
  die(evidence->lease_owner()->boot_id()->str(), evidence->lease_owner()->pid(), time);
}

void RecordedFacts::die(const std::string& boot, std::int64_t pid, TimeUs since) {
  dead_since_.try_emplace({boot, pid}, since);
}

std::optional<TimeUs> RecordedFacts::dead_since(const std::string& boot, std::int64_t pid) const {
  const auto died = dead_since_.find({boot, pid});
  return died == dead_since_.end() ? std::nullopt : std::optional(died->second);
}

const GateAnswer* RecordedFacts::gate(TaskId task, Version version, const std::string& gate, TimeUs now) const {
  const auto found = gates_.find({task, version, gate});
  if (found == gates_.end()) return nullptr;
  const GateFact* fact = &found->second.front();
  for (const GateFact& later : found->second) {
    if (later.time <= now) fact = &later;
  }
  return &fact->answer;
}

}  // namespace pawl
