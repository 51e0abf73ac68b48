// The operating system as the driver of jobs, paths and passes uses it: time, threads, processes, locks, files, git.
//
// One interface, so that the same driver runs in the daemon, on real processes (daemon/work/real_system), and in the
// hostile world of the tests, on processes that a seed makes up, in virtual time (tests/world/system). All decisions
// are made above it: what to run and when, how long to wait for it, how to end it, when it counts as gone.
// Implementations promise what an operating system does, and no more: an answer may be out of date when it arrives, and
// something not seen may exist all the same.
//
// A path is straight-line code that blocks (docs/adr/0005). It may block only in functions documented as "blocks"
// below. Do not call those with a mutex held, except the waits of a Signal, which release it meanwhile. Everything else
// may be called from anywhere, including a callback of the Desk. Threads: any, for all of it.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/policies/world.h"
#include "engine/state/pipeline.h"
#include "schema/limits.h"
#include "schema/result.h"
#include "schema/time.h"
#include "store/os/mutex.h"

namespace pawl {

using Deadline = std::chrono::steady_clock::time_point;
constexpr Deadline no_deadline = Deadline::max();

// Waiting and threads.

/// Like a condition variable.
class Signal {
 public:
  virtual ~Signal() = default;

  /// Wakes all waiters.
  virtual void notify() = 0;
  /// Blocks, with the lock released, until notify() or the deadline; false at the deadline. May wake spuriously.
  virtual bool wait(MutexLock& lock, Deadline deadline) = 0;
  /// Blocks until `holds` is true or the deadline has passed; returns whether it is true.
  template <class Holds>
  bool await(MutexLock& lock, Deadline deadline, Holds holds) PAWL_UNCHECKED_LOCKS {
    while (!holds()) {
      if (!wait(lock, deadline)) return holds();
    }
    return true;
  }
};

/// A thread that was started. Requires: joined before it is destroyed.
class RunningThread {
 public:
  virtual ~RunningThread() = default;
  /// Blocks until its body has ended.
  virtual void join() = 0;
};

/// A few threads for work that may block.
class Pool {
 public:
  virtual ~Pool() = default;
  /// Runs `work` when a thread is free, in the order of the calls. After stop(), nothing runs.
  virtual void post(std::function<void()> work) = 0;
  /// Blocks until the posted work is done and the threads have ended.
  virtual void stop() = 0;
};

/// Lets another thread call off a process that a thread is waiting for. Once called, it stays called.
class CancelToken {
 public:
  virtual ~CancelToken() = default;
  virtual void call() = 0;
  virtual bool called() const = 0;
};

// Open files.

/// Something that stays open while this lives, and that a child can inherit.
class Handle {
 public:
  virtual ~Handle() = default;
  /// Its descriptor, if it has one.
  virtual int descriptor() const { return -1; }
};

/// The log that a command's output is appended to. Beyond its size limit, it keeps the beginning and the end.
class OutputLog : public Handle {
 public:
  /// The path of its file, if it has one.
  virtual std::string path() const { return {}; }
  /// Appends a line of the daemon's own.
  virtual void say(const std::string& text) = 0;
  /// The last line with text in it; of a long one, its end.
  virtual std::string last_line() const = 0;
};

enum class LogAge { any, is_new };

class Child;

/// A run that is being started: its file exists, and its lock is held until this is destroyed. After that, only the
/// processes that inherited the lock hold it.
class RunFile : public Handle {
 public:
  virtual const std::string& run() const = 0;  // PAWL_RUN: 128 random bits as hex
  /// Records the run's leader and keeper, before the leader executes.
  virtual Result<void> record_leader(const Child& leader) = 0;
  /// A lock that only the keeper holds; it shows whether the keeper is gone, even where its process is not visible. May
  /// be null.
  virtual const Handle* of_keeper() const { return nullptr; }
};

/// The contents of a run's file.
struct RunNote {
  std::string run;
  std::string purpose;  // for people and for the code that began it: "job 12 attempt 1"
  std::string host;     // where its pid is valid; empty if it never got as far as a process
  pid_t pid = 0;
  std::int64_t pid_start = 0;
  pid_t keeper = 0;  // 0: it has none
  std::int64_t keeper_start = 0;
  bool is_foreign = false;  // from the folder that this one is a copy of: its processes are not ours to end
};

/// The run that a place in the journal was last locked for, and its host, from the place's file. Empty if the file is.
struct PlaceNote {
  std::string run;
  std::string gone = {};  // the run of an earlier start that held this place and was seen to be gone; empty: none
  std::string host = {};
  bool is_foreign = false;  // as in RunNote
};

// Processes.

enum class Stop { terminate, kill };  // SIGTERM, SIGKILL

struct Launch {
  CommandLine command;                   // not empty; a program without a slash is searched for in the child's PATH
  std::string folder;                    // working folder
  std::vector<std::string> environment;  // "NAME=value", complete
  const OutputLog* output = nullptr;     // its stdout and stderr
  std::int64_t output_bytes_max = limits::output_bytes_max;  // how much of its output to keep, if it has a keeper
  std::vector<const Handle*> inherited;                      // what else stays open in it: locks
  bool is_kept = false;                                      // whether it gets a keeper (daemon/work/keeper.h)
  const Handle* of_keeper = nullptr;                         // what only the keeper holds open
  std::vector<std::string> secrets = {};                     // variables whose values are masked in its output
  bool makes_pawls_files = false;  // files with pawld's own umask: only for its user and group
};

/// A child process, leader of its own session and group, with an empty stdin. If destroyed before reap(), it is killed
/// with its group and waited for. If this process dies before release(), the child exits without executing.
class Child {
 public:
  virtual ~Child() = default;

  virtual pid_t pid() const = 0;
  virtual std::int64_t pid_start() const = 0;

  /// Lets it execute. Call once.
  virtual void release() = 0;

  enum class Wake { ended, deadline, called };
  /// Blocks until the process ends, the deadline passes, or `call` (may be null) is called, whichever is first.
  virtual Wake wait(Deadline deadline, const CancelToken* call) = 0;
  /// Signals the whole group. Only before reap(): until then the id cannot be reused.
  virtual void signal_group(Stop how) = 0;
  /// How it ended. Requires: wait() returned `ended`.
  virtual CommandExit reap() = 0;
  /// Why exec failed; none if it did not. Call after reap().
  virtual const std::optional<std::string>& exec_failure() const = 0;
  /// The process below which all descendants of the child stay; 0: none, or after reap().
  virtual pid_t keeper() const { return 0; }
  virtual std::int64_t keeper_start() const { return 0; }
};

/// A process that is not our child. Always refers to the process it was opened for, even after that is gone and its pid
/// is reused.
class OtherProcess {
 public:
  virtual ~OtherProcess() = default;
  virtual pid_t pid() const = 0;
  virtual void signal(Stop how) = 0;
  /// Signals the group that it leads, unless that is ours; else only the process. Returns an error, but not if it is
  /// gone.
  virtual std::optional<std::string> signal_group(Stop how) = 0;
  /// Blocks until it has ended or the time is over; returns whether it has ended.
  virtual bool ended_within(std::chrono::milliseconds within) = 0;
};

/// How to recognise the processes of a run; one sign is enough. A process may close its descriptors, leave its group
/// and wipe its environment, and still stays below its keeper; but the keeper may be killed.
struct ProcessMarkers {
  std::string run;   // PAWL_RUN in the environment that it was started with
  pid_t leader = 0;  // of the run's original session; 0 if unknown
  std::int64_t leader_start = 0;
  pid_t keeper = 0;  // the processes stay below it unless it is killed; 0 if none
  std::int64_t keeper_start = 0;
  bool by_lock = false;  // whether to include holders of the run's lock: expensive
};

/// Reports at once that a process of this machine has ended, whether a child or not.
class DeathWatch {
 public:
  virtual ~DeathWatch() = default;
  /// Calls the callback even if the process has already ended. A process that is not visible from here, or cannot be
  /// watched for lack of descriptors, is left to periodic checks.
  virtual void watch(const std::string& host, std::int64_t pid, std::int64_t pid_start) = 0;
  /// No callback runs after this.
  virtual void stop() = 0;
};

// Worktrees.

/// The description of a worktree to make.
struct WorkRequest {
  TaskId task{};
  std::string repo;
  std::string branch;         // empty: work on origin's default branch, detached
  std::string boot{};         // the boot that prepares it, or requests this
  bool begins_branch = true;  // if origin does not have the branch: begin it, or block the work (`no_branch`)
};

struct Worktree {
  std::string folder;
  std::string remark{};        // for the log: anything unusual found; mostly empty
  std::string head{};          // the commit checked out; empty if none
  std::string origin_head{};   // of the branch at origin, at the last fetch; empty if it did not exist
  bool is_begun_here = false;  // origin had no such branch when the work began
  /// Prepared under the requesting boot. A worktree of another boot may be out of date.
  bool is_of_boot = true;
  /// Why nothing may work in it until a person decides how to go on: "diverged: …", "clone_damaged: …" or "no_branch:
  /// …". The first word is the reason code. Mostly empty.
  std::string barred{};
};

/// The result of a request to origin.
enum class FetchEnd {
  fetched,
  unreachable,  // temporary: a retry may succeed
  refused,      // denied or nonexistent: a person has to act
  called_off,
};

struct Fetched {
  FetchEnd end = FetchEnd::fetched;
  std::string words{};  // git's last words, on one line; without credentials
};

/// Whose commits to keep if a branch has diverged from origin's.
enum class Side { origin, ours };

/// The result of deleting a branch at origin.
enum class BranchEnd {
  deleted,
  absent,      // no such branch, or no origin
  is_default,  // not deleted: origin's default branch
  in_use,      // a task works on it
  moved,       // not where pawl last saw it: someone else's work is on it
};

struct BranchDeletion {
  BranchEnd end = BranchEnd::absent;
  std::string head{};         // deleted: its former commit; moved: its current one
  std::string brings_back{};  // deleted: the command that restores it; the commit is kept for this
};

class System {
 public:
  virtual ~System() = default;

  // Time

  /// Never goes back, unlike the wall clock.
  virtual Deadline now() const = 0;
  virtual TimeUs wall_time() const = 0;
  /// Blocks.
  virtual void sleep_for(std::chrono::steady_clock::duration time) = 0;

  // Threads

  virtual std::unique_ptr<Signal> make_signal() = 0;
  virtual std::unique_ptr<CancelToken> make_cancel_token() = 0;
  virtual std::unique_ptr<RunningThread> start_thread(std::function<void()> body) = 0;
  virtual std::unique_ptr<Pool> make_pool(unsigned threads) = 0;

  // Processes

  /// This process, and the host within which its pid is valid (store/os/process_identity.h).
  virtual pid_t own_pid() const = 0;
  virtual std::string own_host() const = 0;
  /// Whether the member id belongs to another data folder, or to the one that this is a copy of: its processes are not
  /// ours to end, and our locks say nothing about them. False if unknown.
  virtual bool is_foreign(const std::optional<std::string>& /*member*/) { return false; }
  /// Whether the host is this machine before a reboot: all its processes are gone.
  virtual bool kernel_has_ended(const std::string& host) = 0;
  /// Whether a process belongs to a worker: it descends from the worker's process, or shares its session and user. Also
  /// false if this cannot be seen, or the worker's process has ended. A `worker_start` of 0 means unknown.
  virtual bool is_of_worker(pid_t pid, std::int64_t worker, std::int64_t worker_start) = 0;
  /// The base of every command's environment: PATH and the like.
  virtual std::vector<std::string> clean_environment() const = 0;
  /// A variable of this process's own environment.
  virtual std::optional<std::string> own_variable(const std::string& /*name*/) { return std::nullopt; }
  /// A file's exact contents, for a variable. Blocks briefly. `missing`, `io`: the file cannot be read, is not a
  /// regular file, or is too long.
  virtual Result<std::string> read_value(const std::string& path, std::size_t /*bytes_max*/) {
    return Error{ErrorCode::missing, path + ": No such file or directory"};
  }

  /// Blocks briefly. On return the child waits, with only the given descriptors open. `missing`: no such program or
  /// folder.
  virtual Result<std::unique_ptr<Child>> fork_stopped(const Launch& launch) = 0;
  /// Whether a process is alive. Without `pid_start`, any process with that pid counts.
  virtual Liveness liveness_of(const std::string& host, std::int64_t pid, std::optional<std::int64_t> pid_start) = 0;
  /// The live processes of this user, except this one, that have one of the signs, and all processes below the keeper.
  /// Blocks. A process that forks and exits meanwhile can hide its child.
  virtual std::vector<std::unique_ptr<OtherProcess>> processes_of(const ProcessMarkers& signs) = 0;
  /// Null if this machine has no process with that pid.
  virtual std::unique_ptr<OtherProcess> process(pid_t pid) = 0;
  /// `died` is called once for each watched process that ended, on the watch's own thread or from watch(): it must not
  /// block.
  virtual std::unique_ptr<DeathWatch> watch_deaths(std::function<void()> died) = 0;

  // Runs: DIR/runs (daemon/work/run_lock.h)

  virtual Result<std::unique_ptr<RunFile>> new_run(const std::string& purpose) = 0;
  /// The runs that are not known to be gone, by name.
  virtual std::vector<RunNote> noted_runs() = 0;
  /// None if the run does not exist or is known to be gone.
  virtual std::optional<RunNote> noted_run(const std::string& run) = 0;
  /// Whether no process holds the lock of a noted run. An unrelated process may hold it briefly: a child that is being
  /// forked shares all open descriptors.
  virtual bool is_run_unlocked(const std::string& run) = 0;
  /// Whether a noted run still has its keeper, even if that is not visible from here.
  virtual bool is_run_kept(const std::string& run) = 0;
  /// Removes the files of a run that is known to be gone.
  virtual void forget_run(const std::string& run) = 0;

  // Places in the journal: DIR/steps

  /// `busy` if it is taken. Held until the handle is destroyed, and by each child that inherits it.
  virtual Result<std::unique_ptr<Handle>> lock_step(const StepKey& place) = 0;
  /// Records, in a locked place, the run that will work on it, and the earlier one that is gone. Call before proposing
  /// the start: a start whose run is not recorded there is known to be from another party.
  virtual Result<void> note_place(const Handle& place, const std::string& run, const std::string& gone) = 0;
  virtual PlaceNote place_note(const Handle& place) = 0;
  /// Removes the lock files of a finished task, except those that are held.
  virtual void forget_places(TaskId task) = 0;
  /// The tasks that have lock files, by id.
  virtual std::vector<TaskId> placed() = 0;

  // Logs: DIR/logs

  /// Created, with its folders, if missing. `io` also if it is a link or not a regular file. `busy`: it must be new,
  /// but exists. `path` is relative to DIR/logs (daemon/work/log_name.h).
  virtual Result<std::shared_ptr<OutputLog>> open_log(const std::string& path, LogAge age) = 0;

  // Worktrees: DIR/work and DIR/repos (daemon/work/worktree.h)

  /// Fetches everything from origin. One fetch per repository runs at a time; callers that arrive meanwhile share the
  /// next. Blocks until it has ended, `until` has passed (`unreachable`), or `off` (may be null) calls off the wait,
  /// which also ends the fetch unless others wait for it. For a repo without an origin, returns `fetched` at once.
  virtual Fetched fetch_origin(const std::string& repo, Deadline until, const CancelToken* off) = 0;
  /// The names of origin's current branches; `missing`: the repository has no origin. Blocks for little longer than
  /// `within`.
  virtual Result<std::vector<std::string>> origin_branches(const std::string& repo, std::chrono::seconds within) = 0;
  /// Makes the task's worktree, or moves it to origin's branch as of the last fetch. Keeps what earlier runs left in
  /// it. `missing`: the repository was never fetched. Blocks briefly: does not contact origin.
  virtual Result<Worktree> prepare_worktree(const WorkRequest& request) = 0;
  /// The worktree, unchanged. `missing`: there is none. Blocks briefly: does not contact origin.
  virtual Result<Worktree> existing_worktree(const WorkRequest& request) = 0;
  /// Resolves `diverged`. With `origin` the worktree moves to origin's branch, and a ref in the clone keeps our
  /// commits; with `ours` it stays, and origin's head counts as seen. Blocks briefly: does not contact origin.
  virtual Result<Worktree> take_side(const WorkRequest& request, Side side) = 0;
  /// Deletes a branch at origin: only if it is where pawl last saw it, and never the default branch. Calls `in_use`
  /// right before. Keeps its commit here. Blocks for two minutes at most.
  virtual Result<BranchDeletion> delete_branch(const WorkRequest& request, const std::function<bool()>& in_use) = 0;
  /// Empties the task's folder; makes it if there is none. Blocks.
  virtual Result<void> empty_worktree(TaskId task) = 0;
  /// Removes the task's folder with its contents; succeeds if there is none. Blocks.
  virtual Result<void> remove_worktree(TaskId task) = 0;
  /// The tasks that have a folder, by id.
  virtual std::vector<TaskId> worktrees() = 0;
  /// Calls off running git commands and all later ones.
  virtual void stop_git() = 0;
};

}  // namespace pawl
