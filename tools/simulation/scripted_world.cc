#include "tools/simulation/scripted_world.h"

namespace pawl {

class ScriptedWorld::Step final : public PreparedStep {
 public:
  Step(ScriptedWorld& world, std::string name, std::string run)
      : world_(world), name_(std::move(name)), run_(std::move(run)) {}

  const std::string& run() const override { return run_; }
  CommandExit start_and_wait() override {
    world_.note("step " + name_);
    const auto exit = world_.step_exit.find(name_);
    return exit == world_.step_exit.end() ? CommandExit{} : exit->second;
  }
  std::string reason() const override {
    const auto reason = world_.step_reason.find(name_);
    return reason == world_.step_reason.end() ? std::string() : reason->second;
  }

 private:
  ScriptedWorld& world_;
  std::string name_;
  std::string run_;
};

Liveness ScriptedWorld::life_of(const Run& run, const Boot&) {
  if (!run.pid) return Liveness::unknown;
  return exists(*run.pid, run.pid_start.value_or(0)) ? Liveness::alive : Liveness::dead;
}

bool ScriptedWorld::exists(std::int64_t pid, std::int64_t start) const {
  const auto fact = pid_alive.find(pid);
  if (fact != pid_alive.end() && !fact->second) return false;
  const auto known = pid_start.find(pid);
  return known == pid_start.end() || start == 0 || known->second == start;
}

void ScriptedWorld::note(const std::string& what) {
  ran.push_back(what);
  if (meanwhile) meanwhile(what);
}

bool ScriptedWorld::is_alive(const Owner& owner, const Boot& boot) {
  if (liveness_fails.contains(owner.pid)) return true;
  return !boot.stale && exists(owner.pid, owner.pid == boot.pid ? boot.pid_start : 0);
}

GateAnswer ScriptedWorld::run_gate(const Gate&, const CommandContext& context) {
  note("gate " + context.stage);
  if (gate_later.contains(context.task)) return {.passed = std::nullopt, .reason = {}, .later = true};
  const auto fact = gate_green.find(context.task);
  const std::optional<bool> passed = fact == gate_green.end() ? std::optional(true) : fact->second;
  return {.passed = passed, .reason = {}, .later = false, .head = head};
}

bool ScriptedWorld::can_run(const PipelineStep& step) {
  return !without_command.contains(step.name);
}

EndedStart ScriptedWorld::end_and_lock(const StepKey& place, const std::string& run, const Boot* starter) {
  const auto stuck = previous_alive.find(place.step);
  if (stuck != previous_alive.end() && stuck->second) return {};
  note("end " + place.step + " " + run);
  ended_runs.insert(run);
  EndedStart ended;
  ended.gone = !starter || !unseen_boots.contains(starter->boot_id);
  ended.lock = std::make_unique<StepLock>();
  return ended;
}

Held ScriptedWorld::hold_step(const PipelineStep& step, const CommandContext&, const std::string& previous_run) {
  PAWL_ASSERT(can_run(step));
  if (!previous_run.empty()) ended_runs.insert(previous_run);
  const auto stuck = previous_alive.find(step.name);
  if (stuck != previous_alive.end() && stuck->second) {
    return {.status = Held::Status::previous_alive, .step = nullptr, .why = "its previous process is alive"};
  }
  return {.status = Held::Status::held,
          .step = std::make_unique<Step>(*this, step.name, "run-" + std::to_string(++runs_)),
          .why = {}};
}

bool ScriptedWorld::wait(TaskId, std::int64_t us) {
  if (pass_time) pass_time(us);
  return static_cast<bool>(pass_time);
}

Verdict ScriptedWorld::probe(const PipelineStep& step, const CommandContext&) {
  note("probe " + step.name);
  const auto exit = probe_exit.find(step.name);
  if (exit == probe_exit.end() || exit->second == 0) return Verdict::yes;
  return exit->second == 1 ? Verdict::no : Verdict::unknown;
}

}  // namespace pawl
