// The executor: carries out what the log decides, and reports the results back as events.
//
// It claims queued jobs whose agents have a command, runs each as a process in its task's worktree, and monitors what
// follows (SPEC §7). It is the reconciler, and the finalizer of stages without an agent. It ends process groups when
// the log says so. It learns everything from durable records: after a crash, the next start finds what was lost in the
// log and in the locks of DIR/runs.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "daemon/notice.h"
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
  std::uint64_t defers = 0;  // tasks left to the live owner of the lease
  std::uint64_t moves = 0;   // tasks driven
  TimeUs last_pass;          // wall clock; 0: none yet
};

/// Whether origin has a branch.
struct FoundBranch {
  enum class Is { there, absent, unknown };
  Is is = Is::unknown;
  std::string nearest = {};  // if absent: the branch that was perhaps meant; empty if no name is similar
};

class Executor {
 public:
  static constexpr std::chrono::seconds branch_within{5};

  struct Options {
    std::string boot_id;  // this daemon's, whose BootStarted is already in the log
    /// The system's table; the executor keeps it up to date with the log.
    std::shared_ptr<Origins> origins = std::make_shared<Origins>();
    /// A daemon of another data folder was the leader in the meantime, so the worktrees here may be out of date.
    bool has_old_trees = false;
    Archive& archive;  // for looking up finished tasks; outlives the executor
    /// Called with messages for people that are not in any record. From any thread. May be empty.
    std::function<void(const Notice&)> warn = {};
    /// Called when an origin refuses access, or has been unreachable for long. From any thread. May be empty.
    std::function<void(const std::string& repo, const OriginTrouble&)> origin_alert = {};
    /// Called when a task's command begins to wait for a variable, with a description. From any thread. May be empty.
    std::function<void(TaskId, const std::string& words)> variable_alert = {};
    /// Whether there is room to begin anything; work in progress finishes without asking. From any thread; must not
    /// block. May be empty: there is room.
    std::function<bool()> has_room = {};
    /// How many rows of the state it reads in one request to the sequencer.
    std::size_t rows_per_look = limits::rows_per_read_max;
    /// Maximum number of jobs that run at once, each on its own thread, whatever queue.max_concurrency allows.
    std::size_t jobs_at_once = 256;
  };

  /// Both outlive the executor; `desk` must accept requests from now on.
  Executor(Desk& desk, System& system, Options options);
  /// Stops it.
  ~Executor();

  /// Ends processes that earlier boots left running, and cleans up after finished tasks; then begins to work. Blocks
  /// for a few times stop.kill_after_s at most. Call before the listeners open.
  void start();
  /// Call before stop(): begins nothing new. Running work has up to `time` to finish, and its results are recorded.
  /// Returns once all of it has ended, or the time is over.
  void drain(std::chrono::seconds time);
  /// Ends running work and joins the threads; the next start recovers that work. Agents and gates are told to end;
  /// steps and probes get some time to finish, since interrupting one may leave a question for people; then all are
  /// killed. That time is stop.kill_after_s if it was set, else 6 s at most. Call before the sequencer stops.
  void stop();
  /// Ends the current wait in drain() or stop(), or the next one. Call from another thread.
  void hurry();

  /// Drives a task on request, on another thread; calls `done` once, from there: it must not block. The daemon holds
  /// the lease, whoever the requester is, because this process has to stay alive. After stop() it does nothing and does
  /// not call `done`. The exit of a job's run needs no such call: the executor sees it in the log.
  void advance(AdvanceRequest request, std::function<void(AdvanceAnswer)> done);
  /// Resolves `diverged` in favour of one side; `busy` if a path is driving the task. Threads and `done` as in
  /// advance().
  void take_side(TaskId task, Side side, std::function<void(Result<Worktree>)> done);
  /// Asks origin for a branch, within branch_within. Concurrent requests for the same repository share the next answer.
  /// `unknown` at once if it has no origin, or one known not to answer. Threads and `done` as in advance().
  void find_branch(const std::string& repo, const std::string& branch, std::function<void(FoundBranch)> done);
  /// Locks a step's place for settling it, after ending what the step's process left; null if the lock is not
  /// available, or a path of this daemon is running the step. Threads and `done` as in advance().
  void lock_step(StepKey place, std::string run, std::function<void(std::shared_ptr<StepLock>)> done);

  /// Whether claims skip a job because a process of an earlier attempt may still be alive (`previous_alive`). Threads:
  /// any, also the sequencer's.
  bool is_skipped(JobId job) const;
  /// All skipped jobs, by id.
  std::vector<JobId> skipped() const;

  /// Why a repository's origin cannot be asked; none if it can. Threads: any, also the sequencer's.
  std::optional<OriginTrouble> origin_trouble(const std::string& repo) const;
  std::map<std::string, OriginTrouble> origin_troubles() const;
  /// The variable that a task's command waits for, if any. Threads: any, also the sequencer's.
  std::optional<MissingVariable> missing_variable(TaskId task) const;
  /// Since when a fetch from origin has been running for a task, if one is. Threads: any, also the sequencer's.
  std::optional<TimeUs> fetching_since(TaskId task) const;
  /// The queued jobs whose worktrees are not ready yet, by id. Threads: any, also the sequencer's.
  std::vector<JobId> being_prepared() const;

  /// How many jobs have a thread. At Options::jobs_at_once it claims no more. Threads: any, also the sequencer's.
  std::size_t jobs_at_work() const;

  /// The jobs whose exit must wait for a lease to become free, by id. Threads: any, also the sequencer's.
  std::vector<JobId> waiting_for_lease() const;
  /// The tasks that a path of this process drives now. Threads: any, also the sequencer's.
  std::set<TaskId> driven() const;

  /// For paths that other parts of this process drive. After stop(), the machine accepts only facts.
  World& world();
  Machine& machine();

  /// Since the start.
  ReconcilerTotals reconciler_totals() const;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;  // shared with the sequencer's listener, which may still be running when it unsubscribes
};

}  // namespace pawl
