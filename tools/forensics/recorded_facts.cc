#include "tools/forensics/recorded_facts.h"

#include <algorithm>
#include <tuple>

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
    holders_.erase(reclaimed->key()->str());
  }
  if (const auto* released = record.event_as_LeaseReleased()) holders_.erase(released->key()->str());
  if (const auto* claimed = record.event_as_JobClaimed()) {
    running_[claimed->job()] = {{claimed->owner()->boot_id()->str(), claimed->owner()->pid()}, std::nullopt};
  }
  if (const auto* started = record.event_as_RunStarted()) running_[started->job()].pid = started->pid();
  if (const auto* reaped = record.event_as_JobReaped()) learn_reap(record, *reaped);
  if (const auto* gate = record.event_as_GateEvaluated()) {
    const auto passed = gate->passed();
    gates_.push_back({.task = TaskId{gate->task()},
                      .version = Version{gate->version()},
                      .gate = text_at(gate->gate()->string_view()),
                      .reason = text_at(gate->reason() ? gate->reason()->string_view() : ""),
                      .time = time,
                      .passed = passed ? std::optional<bool>(*passed) : std::nullopt});
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

void RecordedFacts::forget(const std::vector<Job>& jobs) {
  for (const Job& job : jobs) running_.erase(raw(job.id));
}

void RecordedFacts::finish() {
  std::stable_sort(gates_.begin(), gates_.end(), [](const GateFact& left, const GateFact& right) {
    return std::tie(left.task, left.version, left.gate) < std::tie(right.task, right.version, right.gate);
  });
  gates_.shrink_to_fit();
  running_.clear();
  holders_.clear();
  boots_.clear();
}

std::uint32_t RecordedFacts::text_at(std::string_view text) {
  const auto known = index_of_text_.find(text);
  if (known != index_of_text_.end()) return known->second;
  texts_.emplace_back(text);
  return index_of_text_.emplace(text, static_cast<std::uint32_t>(texts_.size() - 1)).first->second;
}

std::optional<GateAnswer> RecordedFacts::gate(TaskId task, Version version, const std::string& gate, TimeUs now) const {
  const auto name = index_of_text_.find(gate);
  if (name == index_of_text_.end()) return std::nullopt;
  const auto place = std::tie(task, version, name->second);
  auto at = std::lower_bound(gates_.begin(), gates_.end(), place, [](const GateFact& fact, const auto& wanted) {
    return std::tie(fact.task, fact.version, fact.gate) < wanted;
  });
  const GateFact* found = nullptr;
  for (; at != gates_.end() && std::tie(at->task, at->version, at->gate) == place; ++at) {
    if (!found || at->time <= now) found = &*at;
  }
  if (!found) return std::nullopt;
  GateAnswer answer;
  answer.passed = found->passed;
  answer.reason = texts_[found->reason];
  return answer;
}

}  // namespace pawl
