// A world in virtual time: observers see what a script says. Until it says otherwise, gates are green, steps exit 0 and
// processes are alive. Commands take no time, and ending a process succeeds at once (SPEC §13).
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "engine/policies/world.h"

namespace pawl {

class ScriptedWorld : public World {
 public:
  // Facts. A probe or step that is not named here exits 0; a gate that is not named is green.
  std::map<std::int64_t, bool> pid_alive;
  /// When a pid's process started, if a script says so: a record with a different start means a process that is gone.
  std::map<std::int64_t, std::int64_t> pid_start;
  std::set<std::int64_t> liveness_fails;             // pids whose liveness check itself fails
  std::map<TaskId, std::optional<bool>> gate_green;  // none: the gate is in error
  std::set<TaskId> gate_later;                       // tasks whose gate is undecided, to be asked again later
  std::string head;                                  // the commit that gates judge
  std::map<std::string, CommandExit> step_exit;      // by step name
  std::map<std::string, std::string> step_reason;    // by step name: the reason that it gives
  std::map<std::string, std::int64_t> probe_exit;    // by step name
  std::set<std::string> without_command;             // steps that only an outside process can start
  /// Steps, by name, whose previous process cannot be ended, so that its lock is never free.
  std::map<std::string, bool> previous_alive;
  /// Boots whose processes are not visible from here: nothing ever shows that a step of theirs has ended.
  std::set<std::string> unseen_boots;

  /// What ran, in order: "gate testing", "step merge", "probe merge", "end merge RUN".
  std::vector<std::string> ran;
  /// The runs whose processes the machine asked to end, whether or not there were any.
  std::set<std::string> ended_runs;
  /// Called after a command has begun and before it ends, for what happens meanwhile.
  std::function<void(const std::string& what)> meanwhile;
  /// Lets time pass for a waiting path. Empty: waiting passes no time, and the path ends.
  std::function<void(std::int64_t us)> pass_time;

  bool is_alive(const Owner& owner, const Boot& boot) override;
  Liveness life_of(const Run& run, const Boot& boot) override;
  GateAnswer run_gate(const Gate& gate, const CommandContext& context) override;
  bool can_run(const PipelineStep& step) override;
  EndedStart end_and_lock(const StepKey& place, const std::string& run, const Boot* starter) override;
  Held hold_step(const PipelineStep& step, const CommandContext& context, const std::string& previous_run) override;
  bool wait(TaskId task, std::int64_t us) override;
  Verdict probe(const PipelineStep& step, const CommandContext& context) override;

 private:
  class Step;
  void note(const std::string& what);
  /// Whether the process of that pid and start exists; a start of 0 was never recorded.
  bool exists(std::int64_t pid, std::int64_t start) const;

  std::uint64_t runs_ = 0;
};

}  // namespace pawl
