// A world in virtual time: what observers see is what a script said. Gates are green, steps exit 0 and processes live
// until it says otherwise; commands take no time, and ending a process succeeds at once (SPEC §13).
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
  /// When a pid's process started, where a script says so: a record of another start speaks of one that is gone.
  std::map<std::int64_t, std::int64_t> pid_start;
  std::set<std::int64_t> liveness_fails;             // pids about which the question itself fails
  std::map<TaskId, std::optional<bool>> gate_green;  // none: the gate is in error
  std::set<TaskId> gate_later;                       // whose gate cannot tell, and asks to be asked again
  std::string head;                                  // the commit that gates judge
  std::map<std::string, CommandExit> step_exit;      // by step name
  std::map<std::string, std::string> step_reason;    // likewise: what it has to say for itself
  std::map<std::string, std::int64_t> probe_exit;    // by step name
  std::set<std::string> without_command;             // steps that only somebody outside can start
  /// Processes that cannot be ended, by step name: their lock is never had.
  std::map<std::string, bool> previous_alive;
  /// Boots whose processes cannot be seen from here: that a step of theirs has ended is never shown.
  std::set<std::string> unseen_boots;

  /// What ran, in order: "gate testing", "step merge", "probe merge", "end merge RUN".
  std::vector<std::string> ran;
  /// The runs whose processes somebody wanted ended, whether there were any or not.
  std::set<std::string> ended_runs;
  /// Called when a command has begun and before it ends: for what others do meanwhile.
  std::function<void(const std::string& what)> meanwhile;
  /// Lets time pass for a path that waits. None: it does not pass by waiting, and the path ends.
  std::function<void(std::int64_t us)> pass_time;

  bool is_alive(const Owner& owner, const Boot& boot) override;
  Life life_of(const Run& run, const Boot& boot) override;
  GateAnswer run_gate(const Gate& gate, const CommandContext& context) override;
  bool can_run(const PipelineStep& step) override;
  EndedStart end_and_lock(const StepPlace& place, const std::string& run, const Boot* starter) override;
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
