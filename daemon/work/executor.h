// The executor: makes happen outside what the log says shall happen, and brings back what came of it as events.
//
// It claims queued jobs whose agents have a command, runs each as a process in its task's worktree, and is the monitor
// of what comes after (SPEC §7); it is the reconciler, and the finalizer of stages without an agent; it ends process
// groups when the log says so. All that it knows it learns from the durable records: what it forgets by a crash,
// the next start finds in the log and among the locks in DIR/runs.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "daemon/work/origins.h"
#include "daemon/work/system.h"
#include "engine/policies/advance.h"
#include "engine/policies/stuck.h"
#include "engine/policies/world.h"
#include "schema/limits.h"
#include "store/archive.h"
#include "store/commit/desk.h"

namespace pawl {

/// What the reconciler did since the daemon's start.
struct ReconcilerTotals {
  std::uint64_t passes = 0;
  std::uint64_t defers = 0;  // tasks left to the live owner of their lease
  std::uint64_t moves = 0;   // tasks driven
  TimeUs last_pass;          // wall clock; 0: none yet
};

/// Whether a branch is at origin.
struct FoundBranch {
  enum class Is { there, absent, unknown };
  Is is = Is::unknown;
  std::string nearest = {};  // of one that is absent: the branch that may have been meant; empty if none is near
};

class Executor {
 public:
  static constexpr std::chrono::seconds branch_within{5};

  struct Options {
    std::string boot_id;  // of this daemon: its BootStarted is in the log already
    /// That of the system: the executor keeps it as the log has it.
    std::shared_ptr<Origins> origins = std::make_shared<Origins>();
    /// A daemon of another data folder led since this one did: what its worktrees were left as says nothing of today.
    bool has_old_trees = false;
    Archive& archive;  // where finished tasks are looked up; outlives the executor
    /// Called with what people should know and no record says. From any thread. May be empty.
    std::function<void(const std::string&)> warn = {};
    /// Called when an origin refuses, or has been away for long. From any thread. May be empty.
    std::function<void(const std::string& repo, const OriginTrouble&)> origin_alert = {};
    /// Called when a command of a task begins to wait for a variable, with words on it. From any thread. May be empty.
    std::function<void(TaskId, const std::string& words)> variable_alert = {};
    /// Whether there is room to begin anything; what has begun comes to its end without being asked. From any thread;
    /// must not block. May be empty: there is.
    std::function<bool()> has_room = {};
    /// How many rows of the state it looks at in one go.
    std::size_t rows_per_look = limits::rows_per_read_max;
    /// How many jobs it runs at once, each on a thread of its own, whatever queue.max_concurrency allows.
    std::size_t jobs_at_once = 256;
  };

  /// Both outlive the executor; `desk` takes what is asked from now on.
  Executor(Desk& desk, System& system, Options options);
  /// Stops it.
  ~Executor();

  /// Ends what earlier boots left running, and cleans up after finished tasks; then begins to work. Blocks for
  /// some stop.kill_after_s at most. Before the listeners open.
  void start();
  /// Before stop(): begins nothing new from now on. What runs may come to its end for so long, and that is recorded.
  /// Returns once all has ended, or the time is over.
  void drain(std::chrono::seconds time);
  /// Ends what runs and joins its threads; what was running is for the next start to recover. Agents and gates are told
  /// to end; steps and probes get some time to end by themselves, since one that is cut off may leave a question for
  /// people; then all are ended. That time is stop.kill_after_s, where somebody has set it, else 6 s at most. Before
  /// the sequencer stops.
  void stop();
  /// Ends the wait that is under way in drain() or stop(), or the next one. From another thread.
  void hurry();

  /// Drives a task as an asker wishes, on another thread; `done` is called once, from there: it must not block. The
  /// lease is then the daemon's, whoever asked: it is this process that has to be alive. After stop() nothing is done
  /// and `done` is not called. The exit of a job's run needs no such call: it is seen in the log.
  void advance(AdvanceOrder order, std::function<void(AdvanceAnswer)> done);
  /// Ends `diverged` by one side, if no path drives the task meanwhile (`busy`). As advance().
  void take_side(TaskId task, Side side, std::function<void(Result<Worktree>)> done);
  /// Asks origin for a branch, within branch_within. Those who ask for the same repository meanwhile share the next
  /// answer. `unknown` at once where it has no origin, or one that is known not to answer. As advance().
  void find_branch(const std::string& repo, const std::string& branch, std::function<void(FoundBranch)> done);
  /// Gets the lock of a step's place for whoever settles it, after ending what its process left; null if that
  /// cannot be had, or a path of this daemon has the step under way.
  /// As advance().
  void lock_step(StepPlace place, std::string run, std::function<void(std::shared_ptr<StepLock>)> done);

  /// Whether claims pass over a job: a process of an earlier attempt is not known to be gone yet
  /// (`previous_alive`). Threads: any, also the sequencer's.
  bool is_passed_over(JobId job) const;
  /// All of them, by id.
  std::vector<JobId> passed_over() const;

  /// Why a repository's origin cannot be asked; none if it can. Threads: any, also the sequencer's.
  std::optional<OriginTrouble> origin_trouble(const std::string& repo) const;
  std::map<std::string, OriginTrouble> origin_troubles() const;
  /// What a task's command waits for; none if it waits for no variable. Likewise.
  std::optional<MissingVariable> missing_variable(TaskId task) const;
  /// Since when origin is being fetched from for a task; none if it is not. Likewise.
  std::optional<TimeUs> fetching_since(TaskId task) const;
  /// The queued jobs whose worktrees are not ready yet, by id. Likewise.
  std::vector<JobId> being_prepared() const;

  /// How many jobs have a thread. At Options::jobs_at_once nothing is claimed. Threads: any, also the sequencer's.
  std::size_t jobs_at_work() const;

  /// The jobs whose exit nobody sees to before a lease is free, by id. Threads: any, also the sequencer's.
  std::vector<JobId> waiting_for_lease() const;
  /// The tasks that a path of this process drives now. Likewise.
  std::set<TaskId> driven() const;

  /// For paths that others in this process drive. The machine takes nothing but facts once stop() was called.
  World& world();
  Machine& machine();

  /// Since the start.
  ReconcilerTotals reconciler_totals() const;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;  // shared with the sequencer's listener, which may be under way when it is taken back
};

}  // namespace pawl
