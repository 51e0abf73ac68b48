// The world as the daemon meets it: real processes, in the tasks' worktrees, with their output in DIR/logs.
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
  /// `boot_id`: of this daemon, which is alive. `system` and `weather` outlive it.
  RealWorld(System& system, OriginWeather& weather, std::string boot_id);

  // World

  std::unique_ptr<PathHold> enter_path(TaskId task) override;
  bool has_in_hand(JobId job) override;
  bool is_alive(const Owner& owner, const Boot& boot) override;
  Life life_of(const Run& run, const Boot& boot) override;
  TreeAnswer ask_origin(const CommandContext& context, TreeNeed need) override;
  TreeAnswer ready_tree(const CommandContext& context, TreeNeed need) override;
  TreeAnswer look_at_tree(const CommandContext& context) override;
  std::optional<std::string> missing_variable(const Variables& own, const CommandContext& context) override;
  GateAnswer run_gate(const Gate& gate, const CommandContext& context) override;
  bool can_run(const PipelineStep& step) override { return !step.run.empty(); }
  EndedStart end_and_lock(const StepPlace& place, const std::string& run, const Boot* starter) override;
  Held hold_step(const PipelineStep& step, const CommandContext& context, const std::string& previous_run) override;
  bool wait(TaskId task, std::int64_t us) override;
  Verdict probe(const PipelineStep& step, const CommandContext& context) override;

  // For the executor

  /// The tasks that a path drives now.
  std::set<TaskId> driven();
  /// From when a job's exit is about to be recorded, or was reported, until its path has ended. Once more is as once.
  void take_in_hand(JobId job);
  void let_go(JobId job);
  /// Called, from any thread, when a path ends that another one was turned away from. Set before there are paths.
  void set_on_path_end(std::function<void()> on_path_end) { on_path_end_ = std::move(on_path_end); }

  /// The variables of a command, `own` those that are its alone, with what they hold now. What cannot be had is noted
  /// as what the task waits for, until it can.
  Result<CommandEnv> read_variables(const Variables& own, const CommandContext& context);
  /// What a task waits for, as it was found last. Threads: any, also the sequencer's.
  std::optional<MissingVariable> missing_variable(TaskId task) const;
  /// Of a task that is finished.
  void forget_missing(TaskId task);
  /// Called, from any thread, when a command has begun to wait for a variable, with what it is in words. Set before
  /// there are commands.
  void set_on_missing(std::function<void(TaskId, const std::string&)> on_missing) {
    on_missing_ = std::move(on_missing);
  }
  /// The environment of a command but for PAWL_RUN: clean, its variables, and all that SPEC §8 names.
  std::vector<std::string> environment_of(const CommandContext& context, const CommandEnv& env) const;
  /// stop.kill_after_s, as it stands.
  void set_kill_after_s(std::int64_t after_s) { kill_after_s_ = after_s; }
  std::int64_t kill_after_s() const { return kill_after_s_; }
  /// How much is kept of what a run prints.
  void set_output_bytes_max(std::int64_t bytes) { output_bytes_max_ = bytes; }
  std::int64_t output_bytes_max() const { return output_bytes_max_; }
  RunBounds bounds_of(std::int64_t timeout_s) const { return {timeout_s, kill_after_s_, hurry_.get()}; }

  /// An agent of ours that a thread waits for, and whose exit that thread will record: alive for as long as this lives,
  /// also while its process is gone and what it left behind is being ended.
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

  /// A fetch from origin that a task waits for, under way for as long as this lives.
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
  /// Since when one is under way for the task; none if none is.
  std::optional<TimeUs> fetching_since(TaskId task);

  /// A job of ours, in hand for as long as this lives.
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
  /// Calls off what runs for a task: its gate, or its probes and steps too. Does not wait, or block.
  void call_off(TaskId task, Which which);

  /// On the way to the daemon's end, first: calls off gates, also those to come. Steps and probes may go on: a step
  /// that is cut off may leave a question for people. Does not wait.
  void drain();
  /// Then: calls off everything, also what is to come. Does not wait.
  void call_off_all();
  /// Whatever is being ended is killed at once from now on, agents included.
  void hurry() { hurry_->call(); }
  /// Blocks until no path is under way, and no gate, step or probe. False at the deadline.
  bool await_idle(Deadline deadline);

 private:
  WorkOrder work_order_of(const CommandContext& context) const {
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
    std::unique_ptr<CallOff> off;
  };
  class Listed;

  class RealPath;
  class RealHeldStep;
  struct Ran {
    CommandExit exit;
    std::string why;    // it could not be started; empty if it was
    std::string words;  // its last line, or how it ended
    std::string head;   // the commit that it found in the worktree
    bool lacks_variable = false;
  };
  struct Check {
    Kind kind = Kind::gate;
    const CommandLine& command;
    const Variables& env;
    std::int64_t timeout_s = 0;
  };
  Ran run_check(const Check& check, const CommandContext& context);
  Result<std::shared_ptr<OutputLog>> new_log(LogOf what, const CommandContext& context);
  bool is_another_members(const std::string& run);
  Result<std::unique_ptr<Handle>> lock_place_until(const StepPlace& place, Deadline deadline) const;
  RunEnd end_start(const StepPlace& place, const std::string& run, std::chrono::milliseconds within);

  System& system_;
  OriginWeather& weather_;
  const std::string boot_id_;
  std::function<void()> on_path_end_;
  std::function<void(TaskId, const std::string&)> on_missing_;
  std::atomic<std::int64_t> kill_after_s_;
  std::atomic<std::int64_t> output_bytes_max_{limits::output_bytes_max};

  mutable Mutex mutex_;
  const std::unique_ptr<Signal> ended_;
  const std::unique_ptr<CallOff> hurry_;
  std::map<std::uint64_t, Running> running_ PAWL_GUARDED_BY(mutex_);
  std::set<std::int64_t> agents_ PAWL_GUARDED_BY(mutex_);  // pids
  std::map<TaskId, bool> paths_ PAWL_GUARDED_BY(mutex_);   // that are under way: whether another one was turned away
  std::set<JobId> in_hand_ PAWL_GUARDED_BY(mutex_);
  /// By task, and by the step of the command; none: its agent or its gate.
  std::map<std::pair<TaskId, std::string>, MissingVariable> missing_ PAWL_GUARDED_BY(mutex_);
  std::multimap<TaskId, TimeUs> fetches_ PAWL_GUARDED_BY(mutex_);  // since when
  std::set<std::string> foreign_runs_ PAWL_GUARDED_BY(mutex_);     // of which only the log says so
  std::uint64_t next_running_ PAWL_GUARDED_BY(mutex_) = 1;
  enum class Phase { running, draining, stopping };
  Phase phase_ PAWL_GUARDED_BY(mutex_) = Phase::running;
};

}  // namespace pawl
