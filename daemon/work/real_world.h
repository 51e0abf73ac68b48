// The real World: processes that run in the tasks' worktrees, with their output in DIR/logs.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "daemon/work/command_env.h"
#include "daemon/work/log_name.h"
#include "daemon/work/origin_weather.h"
#include "daemon/work/process_run.h"
#include "daemon/work/system.h"
#include "engine/policies/stuck.h"
#include "engine/policies/world.h"
#include "store/os/mutex.h"

namespace pawl {

/// Threads: any.
class RealWorld final : public World {
 public:
  /// `boot_id`: this daemon's, which counts as alive. `system` and `weather` outlive it.
  RealWorld(System& system, OriginWeather& weather, std::string boot_id);

  // World

  std::unique_ptr<PathHold> enter_path(TaskId task) override;
  bool has_in_hand(JobId job) override;
  bool is_alive(const Owner& owner, const Boot& boot) override;
  Liveness life_of(const Run& run, const Boot& boot) override;
  TreeAnswer ask_origin(const CommandContext& context, TreeNeed need) override;
  TreeAnswer ready_tree(const CommandContext& context, TreeNeed need) override;
  TreeAnswer look_at_tree(const CommandContext& context) override;
  std::optional<std::string> missing_variable(const Variables& own, const CommandContext& context) override;
  GateAnswer run_gate(const Gate& gate, const CommandContext& context) override;
  bool can_run(const PipelineStep& step) override { return !step.run.empty(); }
  EndedStart end_and_lock(const StepKey& place, const std::string& run, const Boot* starter) override;
  Held hold_step(const PipelineStep& step, const CommandContext& context, const std::string& previous_run) override;
  bool wait(TaskId task, std::int64_t us) override;
  Verdict probe(const PipelineStep& step, const CommandContext& context) override;

  // For the executor

  /// The tasks that paths are driving now.
  std::set<TaskId> driven();
  /// A job is in hand from when its exit is about to be recorded, or was reported, until its path has ended. Repeating
  /// the call changes nothing.
  void take_in_hand(JobId job);
  void let_go(JobId job);
  /// Called, from any thread, when a path ends after another was turned away. Set before there are paths.
  void set_on_path_end(std::function<void()> on_path_end) { on_path_end_ = std::move(on_path_end); }

  /// The variables of a command with their current values; `own` are the command's alone. If one cannot be read, notes
  /// that the task waits for it, until it can be.
  Result<CommandEnv> read_variables(const Variables& own, const CommandContext& context);
  /// The variable a task waits for, as last found. Threads: any, also the sequencer's.
  std::optional<MissingVariable> missing_variable(TaskId task) const;
  /// For a task that has finished.
  void forget_missing(TaskId task);
  /// Called, from any thread, when a command has begun to wait for a variable, with a description. Set before there are
  /// commands.
  void set_on_missing(std::function<void(TaskId, const std::string&)> on_missing) {
    on_missing_ = std::move(on_missing);
  }
  /// A command's environment except PAWL_RUN: the clean one, its variables, and everything SPEC §8 names.
  std::vector<std::string> environment_of(const CommandContext& context, const CommandEnv& env) const;
  /// The current stop.kill_after_s.
  void set_kill_after_s(std::int64_t after_s) { kill_after_s_ = after_s; }
  std::int64_t kill_after_s() const { return kill_after_s_; }
  /// How much of a run's output is kept.
  void set_output_bytes_max(std::int64_t bytes) { output_bytes_max_ = bytes; }
  /// How much of the output of a run to keep: what its command's definition says, else the setting.
  std::int64_t output_bytes_max(const std::optional<std::int64_t>& of_command) const {
    return of_command.value_or(output_bytes_max_);
  }
  RunBounds bounds_of(std::int64_t timeout_s) const { return {timeout_s, kill_after_s_, hurry_.get()}; }

  /// An agent of ours that a thread waits for, and whose exit that thread will record. Counts as alive as long as this
  /// lives, even when its process is gone and what it left behind is being ended.
  class OwnAgent {
   public:
    OwnAgent(RealWorld& world, std::int64_t pid);
    OwnAgent(const OwnAgent&) = delete;
    OwnAgent& operator=(const OwnAgent&) = delete;
    ~OwnAgent();

   private:
    RealWorld& world_;
    std::int64_t pid_;
  };

  /// A fetch from origin that a task waits for; under way as long as this lives.
  class Fetching {
   public:
    Fetching(RealWorld& world, TaskId task);
    Fetching(const Fetching&) = delete;
    Fetching& operator=(const Fetching&) = delete;
    ~Fetching();

   private:
    RealWorld& world_;
    TaskId task_;
  };
  /// When the fetch under way for the task began; none if there is none.
  std::optional<TimeUs> fetching_since(TaskId task);

  /// A job of ours; in hand as long as this lives.
  class InHand {
   public:
    InHand(RealWorld& world, JobId job) : world_(world), job_(job) { world_.take_in_hand(job_); }
    InHand(const InHand&) = delete;
    InHand& operator=(const InHand&) = delete;
    ~InHand() { world_.let_go(job_); }

   private:
    RealWorld& world_;
    JobId job_;
  };

  enum class Which { gates, all };
  /// Calls off what runs for a task: only its gate, or its probes and steps too. Does not wait or block.
  void call_off(TaskId task, Which which);

  /// First part of the daemon's end: calls off gates, future ones too. Steps and probes go on, because a step that is
  /// cut off may leave a question for people. Does not wait.
  void drain();
  /// Second part: calls off everything, including what starts later. Does not wait.
  void call_off_all();
  /// From now on, kills at once whatever is being ended, agents included.
  void hurry() { hurry_->call(); }
  /// Blocks until all paths, gates, steps and probes have ended. False at the deadline.
  bool await_idle(Deadline deadline);

 private:
  WorkRequest work_request_of(const CommandContext& context) const {
    return {.task = context.task,
            .repo = context.repo,
            .branch = context.branch,
            .boot = boot_id_,
            .begins_branch = context.begins_branch};
  }
  /// Whether the task's worktree can be used without asking origin.
  bool is_at_hand(const CommandContext& context, TreeNeed need);

  enum class Kind { gate, probe, step, wait };
  struct Running {
    TaskId task{};
    Kind kind = Kind::gate;
    std::unique_ptr<CancelToken> off;
  };
  class Listed;

  class RealPath;
  class RealHeldStep;
  struct Ran {
    CommandExit exit;
    std::string why;    // why it could not be started; empty if it was
    std::string words;  // its last line, or how it ended
    std::string head;   // the commit it found in the worktree
    bool lacks_variable = false;
  };
  struct Check {
    Kind kind = Kind::gate;
    const CommandLine& command;
    const Variables& env;
    std::int64_t timeout_s = 0;
    const std::optional<std::int64_t>& output_max_bytes;
  };
  Ran run_check(const Check& check, const CommandContext& context);
  Result<std::shared_ptr<OutputLog>> new_log(LogOf what, const CommandContext& context);
  std::string take_remark(TaskId task);
  bool is_another_members(const std::string& run);
  Result<std::unique_ptr<Handle>> lock_step_until(const StepKey& place, Deadline deadline) const;
  RunEnd end_start(const StepKey& place, const std::string& run, std::chrono::milliseconds within);

  System& system_;
  OriginWeather& weather_;
  const std::string boot_id_;
  std::function<void()> on_path_end_;
  std::function<void(TaskId, const std::string&)> on_missing_;
  std::atomic<std::int64_t> kill_after_s_;
  std::atomic<std::int64_t> output_bytes_max_{limits::output_bytes_max};

  mutable Mutex mutex_;
  const std::unique_ptr<Signal> ended_;
  const std::unique_ptr<CancelToken> hurry_;
  std::map<std::uint64_t, Running> running_ PAWL_GUARDED_BY(mutex_);
  std::set<std::int64_t> agents_ PAWL_GUARDED_BY(mutex_);  // pids
  std::map<TaskId, bool> paths_ PAWL_GUARDED_BY(mutex_);   // under way; true: another one was turned away
  std::set<JobId> in_hand_ PAWL_GUARDED_BY(mutex_);
  /// By task, and by the step of the command; none: its agent or its gate.
  std::map<std::pair<TaskId, std::string>, MissingVariable> missing_ PAWL_GUARDED_BY(mutex_);
  std::multimap<TaskId, TimeUs> fetches_ PAWL_GUARDED_BY(mutex_);  // when each began
  std::map<TaskId, std::string> remarks_ PAWL_GUARDED_BY(mutex_);  // on a worktree that moved; for the next gate's log
  std::set<std::string> foreign_runs_ PAWL_GUARDED_BY(mutex_);     // known to be foreign from the log alone
  std::uint64_t next_running_ PAWL_GUARDED_BY(mutex_) = 1;
  enum class Phase { running, draining, stopping };
  Phase phase_ PAWL_GUARDED_BY(mutex_) = Phase::running;
};

}  // namespace pawl
