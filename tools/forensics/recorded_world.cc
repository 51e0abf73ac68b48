#include "tools/forensics/recorded_world.h"

namespace pawl {

RecordedWorld::RecordedWorld(const RecordedLog& log) {
  const LogBeginning begun = beginning_of(log);
  for (const auto& [id, boot] : begun.state.boots.rows()) boots_[id] = boot.pid;
  for (const auto& [key, lease] : begun.state.leases.rows()) holders_[key] = {lease.owner.boot_id, lease.owner.pid};
  for (const auto& [id, job] : begun.state.jobs.rows()) {
    if (job.run) running_[raw(id)] = {{job.run->owner.boot_id, job.run->owner.pid}, job.run->pid};
  }
  for (const RecordedGroup& group : log.groups) {
    for (const RecordedEvent& event : group) {
      if (event.is_accepted() && event.is_heeded) learn(event.record());
    }
  }
}

void RecordedWorld::learn(const fb::Record& record) {
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
void RecordedWorld::learn_reap(const fb::Record& record, const fb::JobReaped& event) {
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

void RecordedWorld::die(const std::string& boot, std::int64_t pid, TimeUs since) {
  dead_since_.try_emplace({boot, pid}, since);
}

bool RecordedWorld::is_alive(const Owner& owner, const Boot& boot) {
  const auto died = dead_since_.find({owner.boot_id, owner.pid});
  return !boot.stale && (died == dead_since_.end() || now < died->second);
}

Liveness RecordedWorld::life_of(const Run& run, const Boot&) {
  if (!run.pid) return Liveness::unknown;
  const auto died = dead_since_.find({run.owner.boot_id, *run.pid});
  return died != dead_since_.end() && now >= died->second ? Liveness::dead : Liveness::alive;
}

/// A gate only reads, so this takes its last result for this version before `now`, else its next one.
GateAnswer RecordedWorld::run_gate(const Gate&, const CommandContext& context) {
  const auto found = gates_.find({context.task, context.version, context.stage});
  if (found == gates_.end()) {
    ask("what the gate of " + context.stage + " says of task " + std::to_string(raw(context.task)) + " at version " +
        std::to_string(raw(context.version)));
    return {};
  }
  const GateFact* fact = &found->second.front();
  for (const GateFact& later : found->second) {
    if (later.time <= now) fact = &later;
  }
  return fact->answer;
}

bool RecordedWorld::can_run(const PipelineStep&) {
  return true;
}

EndedStart RecordedWorld::end_and_lock(const StepKey& place, const std::string&, const Boot*) {
  ask("what became of the step '" + place.step + "' of task " + std::to_string(raw(place.task)));
  return {};
}

Held RecordedWorld::hold_step(const PipelineStep& step, const CommandContext& context, const std::string&) {
  ask("what comes of the step '" + step.name + "' of task " + std::to_string(raw(context.task)) + ", which is started");
  return {.status = Held::Status::cannot_start, .step = nullptr, .why = "the log does not hold it"};
}

Verdict RecordedWorld::probe(const PipelineStep& step, const CommandContext& context) {
  ask("what the probe of the step '" + step.name + "' of task " + std::to_string(raw(context.task)) + " says");
  return Verdict::unknown;
}

void RecordedWorld::ask(std::string what) {
  if (!unanswered) unanswered = std::move(what);
}

}  // namespace pawl
