#include "tools/forensics/recorded_world.h"

namespace pawl {

bool RecordedWorld::is_alive(const Owner& owner, const Boot& boot) {
  const auto died = facts_.dead_since(owner.boot_id, owner.pid);
  return !boot.stale && (!died || now < *died);
}

Liveness RecordedWorld::life_of(const Run& run, const Boot&) {
  if (!run.pid) return Liveness::unknown;
  const auto died = facts_.dead_since(run.owner.boot_id, *run.pid);
  return died && now >= *died ? Liveness::dead : Liveness::alive;
}

GateAnswer RecordedWorld::run_gate(const Gate&, const CommandContext& context) {
  if (const auto answer = facts_.gate(context.task, context.version, context.stage, now)) return *answer;
  ask("what the gate of " + context.stage + " says of task " + std::to_string(raw(context.task)) + " at version " +
      std::to_string(raw(context.version)));
  return {};
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
