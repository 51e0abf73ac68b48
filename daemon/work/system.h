// The operating system as the driver of jobs, paths and passes uses it: time, threads, processes, locks, files, git.
//
// One interface, so that the same driver runs in the daemon, on real processes (daemon/work/real_system), and in the
// hostile world of the tests, on processes that a seed makes up, in virtual time (tests/world/system). All that is a
// decision stands above it: what is run and when, how long it is waited for, how it is ended, when it counts as gone.
// What stands below promises what an operating system does, and no more: an answer may be late by the time that it is
// given, and what is not seen may be there all the same.
//
// A path is straight-line code that blocks (docs/adr/0005). It may do so only in what says "blocks" below. None of
// these is called with a mutex held, but for the waits of a Signal, which give it back meanwhile; all else may be
// called from anywhere, also from a callback of the Desk. Threads: any, for all of it.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "engine/policies/world.h"
#include "engine/state/pipeline.h"
#include "schema/limits.h"
#include "schema/result.h"
#include "schema/time.h"

namespace pawl {

using Deadline = std::chrono::steady_clock::time_point;
constexpr Deadline no_deadline = Deadline::max();

// Waiting, and running beside one another.

/// What threads wait on, as on a condition variable.
class Signal {
 public:
  virtual ~Signal() = default;

  /// Wakes all who wait.
  virtual void notify() = 0;
  /// Blocks, without the lock, until somebody notifies or the deadline has come: false then. May return for no reason.
  virtual bool wait(std::unique_lock<std::mutex>& lock, Deadline deadline) = 0;
  /// Blocks until it holds, or the deadline has come: whether it holds.
  template <class Holds>
  bool await(std::unique_lock<std::mutex>& lock, Deadline deadline, Holds holds) {
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

/// A few threads, for what may block.
class Pool {
 public:
  virtual ~Pool() = default;
  /// Runs it when a thread is free, in the order of the calls. After stop() nothing is run any more.
  virtual void post(std::function<void()> work) = 0;
  /// Blocks until what was posted is done, and the threads are gone.
  virtual void stop() = 0;
};

/// By which another thread calls off a process that somebody waits for. Once called it stays so.
class CallOff {
 public:
  virtual ~CallOff() = default;
  virtual void call() = 0;
  virtual bool called() const = 0;
};

// Files that are open.

/// Something that is open for as long as this lives, and that a child can be given to hold open too.
class Handle {
 public:
  virtual ~Handle() = default;
  /// The number of its descriptor, where it has one.
  virtual int descriptor() const { return -1; }
};

/// What a command writes to. Appended to. Of what is beyond its bound the beginning and the end are kept.
class OutputLog : public Handle {
 public:
  /// Of its file, where it has one.
  virtual std::string path() const { return {}; }
  /// A line of the daemon's own.
  virtual void say(const std::string& text) = 0;
  /// The last line with text in it; of a long one, its end.
  virtual std::string last_line() const = 0;
};

enum class LogAge { any, is_new };

class Child;

/// A run that is being started: its file is made, and its lock held until this is destroyed. Then only the processes
/// that inherited it hold it.
class RunFile : public Handle {
 public:
  virtual const std::string& run() const = 0;  // PAWL_RUN: 128 random bits as hex
  /// Writes down who leads it, and its keeper, before that executes.
  virtual Result<void> note_leader(const Child& leader) = 0;
  /// What the keeper alone holds, and by which it is known to be gone, also to those who cannot see it. May be null.
  virtual const Handle* of_keeper() const { return nullptr; }
};

/// What the file of a run says.
struct RunNote {
  std::string run;
  std::string purpose;  // for people and for those who began it: "job 12 attempt 1"
  std::string host;     // that its pid counts on; empty if it never got as far as a process
  pid_t pid = 0;
  std::int64_t pid_start = 0;
  pid_t keeper = 0;  // 0: it has none
  std::int64_t keeper_start = 0;
  bool is_foreign = false;  // of the folder that this one is a copy of: what it names is not ours to end
};

/// Which run a place in the journal was last locked for, and where: what its file says. Empty if it says nothing.
struct PlaceNote {
  std::string run;
  std::string host;
  bool is_foreign = false;  // as RunNote's
};

// Processes.

enum class Stop { terminate, kill };  // SIGTERM, SIGKILL

enum class Liveness {
  alive,
  dead,
  invisible,  // on another host or in another pid namespace: nothing can be learned from here
  unknown,    // it could be seen from here, but asking failed
};

struct Launch {
  CommandLine command;                   // not empty; a program without a slash is looked for in the child's PATH
  std::string folder;                    // where it works
  std::vector<std::string> environment;  // "NAME=value", all that it gets
  const OutputLog* output = nullptr;     // its stdout and stderr
  std::int64_t output_bytes_max = limits::output_bytes_max;  // that are kept of it, where it has a keeper
  std::vector<const Handle*> inherited;                      // what else stays open in it: locks
  bool is_kept = false;                                      // whether it gets a keeper (daemon/work/keeper.h)
  const Handle* of_keeper = nullptr;                         // what that holds open, and nobody else
  std::vector<std::string> secrets = {};                     // variables whose values are masked in its output
  bool makes_pawls_files = false;                            // for pawld's user and group alone, as pawld's own are
};

/// A child process, leader of a session and group of its own, with nothing on stdin. Destroyed before reap(), it is
/// killed with its group, and waited for. Should this process die before release(), it goes without having executed.
class Child {
 public:
  virtual ~Child() = default;

  virtual pid_t pid() const = 0;
  virtual std::int64_t pid_start() const = 0;

  /// Lets it execute. Once.
  virtual void release() = 0;

  enum class Wake { ended, deadline, called };
  /// Blocks until the process ends, the deadline comes, or `call` (null: none) is called: the first that is so.
  virtual Wake wait(Deadline deadline, const CallOff* call) = 0;
  /// To the whole group. Only before reap(): the number is ours until then.
  virtual void signal_group(Stop how) = 0;
  /// How it ended. Requires: wait() said `ended`.
  virtual CommandExit reap() = 0;
  /// Why the program could not be executed after all; none if it was. After reap().
  virtual const std::optional<std::string>& exec_failure() const = 0;
  /// The process below which all stays that descends from the child; 0: there is none, or after reap().
  virtual pid_t keeper() const { return 0; }
  virtual std::int64_t keeper_start() const { return 0; }
};

/// A process that is none of our children. Keeps meaning the one that it was opened for, also once that is gone and
/// its number is another's.
class OtherProcess {
 public:
  virtual ~OtherProcess() = default;
  virtual pid_t pid() const = 0;
  virtual void signal(Stop how) = 0;
  /// To the group that it leads, if it leads one that is not ours; else to it alone. Says what went wrong, but not
  /// that it is gone.
  virtual std::optional<std::string> signal_group(Stop how) = 0;
  /// Blocks until it has ended, or the time is over: whether it has.
  virtual bool ended_within(std::chrono::milliseconds within) = 0;
};

/// By what the processes of a run are known, each sign for itself: a process may have closed its descriptors, left
/// its group, and wiped its environment, and still stays below its keeper; and that may be killed.
struct RunSigns {
  std::string run;   // PAWL_RUN in the environment that it was started with
  pid_t leader = 0;  // of the session that the run began in; 0 if unknown
  std::int64_t leader_start = 0;
  pid_t keeper = 0;  // below which they stay, unless it was killed; 0 if there is none
  std::int64_t keeper_start = 0;
  bool by_lock = false;  // whether those count that hold the lock of the run's file: that is the dear one
};

/// Learns at once that a process of this machine has ended, be it a child or not.
class DeathWatch {
 public:
  virtual ~DeathWatch() = default;
  /// The callback is called also if that process has ended already. One that cannot be seen from here, or not be
  /// watched for want of descriptors, is left to those who look from time to time.
  virtual void watch(const std::string& host, std::int64_t pid, std::int64_t pid_start) = 0;
  /// Nothing is called any more.
  virtual void stop() = 0;
};

// Worktrees.

/// What a worktree is made from.
struct WorkOrder {
  TaskId task{};
  std::string repo;
  std::string branch;         // empty: none; the work is then on origin's default branch, detached
  std::string boot{};         // who prepares it, or wants it prepared
  bool begins_branch = true;  // whether a branch that origin does not have is begun, or bars the work (`no_branch`)
};

struct Worktree {
  std::string folder;
  std::string remark{};        // for the log: what was found that is not as usual; mostly empty
  std::string head{};          // the commit that is checked out; empty if there is none
  std::string origin_head{};   // of the branch at origin, as it was fetched last; empty if it was not there
  bool is_begun_here = false;  // origin had no such branch when the work began
  /// Prepared under the boot that asks. What another one left may be behind what has happened since.
  bool is_of_boot = true;
  /// Why nothing may work in it before a person has said how it goes on: "diverged: …", "clone_damaged: …" or
  /// "no_branch: …". The first word is the reason code. Mostly empty.
  std::string barred{};
};

/// How asking origin ended.
enum class FetchEnd {
  fetched,
  unreachable,  // weather: another try may do
  refused,      // it says no, or is not there: somebody has to do something
  called_off,
};

struct Fetched {
  FetchEnd end = FetchEnd::fetched;
  std::string words{};  // git's last ones, on one line; without credentials
};

/// Whose commits stay where a branch has come apart from origin's.
enum class Side { origin, ours };

/// What became of a branch that was to be deleted at origin.
enum class BranchEnd {
  deleted,
  absent,      // there is no such branch, or no origin
  is_default,  // it is origin's default branch, which is kept
  in_use,      // somebody works on it
  moved,       // it stands elsewhere than where pawl last saw it: somebody has put work of his own on it
};

struct BranchDeletion {
  BranchEnd end = BranchEnd::absent;
  std::string head{};         // deleted: where it stood; moved: where it stands
  std::string brings_back{};  // deleted: the command that makes it again; the commit is kept for it
};

class System {
 public:
  virtual ~System() = default;

  // Time

  /// Never goes back. The wall clock may.
  virtual Deadline now() const = 0;
  virtual TimeUs wall_time() const = 0;
  /// Blocks.
  virtual void sleep_for(std::chrono::steady_clock::duration time) = 0;

  // Threads

  virtual std::unique_ptr<Signal> make_signal() = 0;
  virtual std::unique_ptr<CallOff> make_call_off() = 0;
  virtual std::unique_ptr<RunningThread> start_thread(std::function<void()> body) = 0;
  virtual std::unique_ptr<Pool> make_pool(unsigned threads) = 0;

  // Processes

  /// This process, and this machine as far as a pid means anything (store/os/process_identity.h).
  virtual pid_t own_pid() const = 0;
  virtual std::string own_host() const = 0;
  /// Whether a daemon of another data folder, or of the one that this is a copy of, bears that member id: what it began
  /// is not ours to end, nor do our locks say anything about it. False where nothing is known.
  virtual bool is_foreign(const std::optional<std::string>& /*member*/) { return false; }
  /// Whether that host is this machine under an earlier kernel: nothing of it lives any more.
  virtual bool kernel_has_ended(const std::string& host) = 0;
  /// Whether a process is a worker's own doing: it descends from the worker's process, or shares session and user with
  /// it. False too where that cannot be seen, or that process has ended. A `worker_start` of 0 is not known.
  virtual bool is_of_worker(pid_t pid, std::int64_t worker, std::int64_t worker_start) = 0;
  /// What the environment of every command begins with: PATH and the like.
  virtual std::vector<std::string> clean_environment() const = 0;
  /// A variable of this process's own environment.
  virtual std::optional<std::string> own_variable(const std::string& /*name*/) { return std::nullopt; }
  /// What a file holds for a variable, as it is. Blocks for a moment. `missing`, `io`: it cannot be read, is no file,
  /// or holds more than that.
  virtual Result<std::string> read_value(const std::string& path, std::size_t /*bytes_max*/) {
    return Error{ErrorCode::missing, path + ": No such file or directory"};
  }

  /// Blocks for a moment. When it returns the child stands still, and has nothing open but what it was given.
  /// `missing`: there is no such program or folder.
  virtual Result<std::unique_ptr<Child>> fork_stopped(const Launch& launch) = 0;
  /// Whether a process lives. Without `pid_start` any process of that number will do.
  virtual Liveness liveness_of(const std::string& host, std::int64_t pid, std::optional<std::int64_t> pid_start) = 0;
  /// The live processes of this user that bear a sign, this process aside. Blocks. One that forks and ends meanwhile
  /// can hide its child.
  virtual std::vector<std::unique_ptr<OtherProcess>> processes_of(const RunSigns& signs) = 0;
  /// Null if there is no process of that number on this machine.
  virtual std::unique_ptr<OtherProcess> process(pid_t pid) = 0;
  /// `died` is called once for each watched process that ended, from a thread of the watch's own or from watch(): it
  /// must not block.
  virtual std::unique_ptr<DeathWatch> watch_deaths(std::function<void()> died) = 0;

  // Runs: DIR/runs (daemon/work/run_lock.h)

  virtual Result<std::unique_ptr<RunFile>> new_run(const std::string& purpose) = 0;
  /// The runs that are not known to be gone, by name.
  virtual std::vector<RunNote> noted_runs() = 0;
  /// None if there is no such run, or if it is known to be gone.
  virtual std::optional<RunNote> noted_run(const std::string& run) = 0;
  /// Whether no process holds the lock of a noted run. For a moment one may that has nothing to do with it: a child
  /// that was being forked shares all that is open.
  virtual bool is_run_unlocked(const std::string& run) = 0;
  /// Whether a noted run still has its keeper, wherever that can be seen from.
  virtual bool is_run_kept(const std::string& run) = 0;
  /// Removes what is noted of a run that is known to be gone.
  virtual void forget_run(const std::string& run) = 0;

  // Places in the journal: DIR/steps

  /// `busy` if somebody has it. Held until the handle is destroyed, and by each child that inherits it.
  virtual Result<std::unique_ptr<Handle>> lock_place(const StepPlace& place) = 0;
  /// Writes down, in a place that is locked, the run that is to work on it: before its start is proposed, so that a
  /// start whose run is not found there is known to be somebody else's.
  virtual Result<void> note_place(const Handle& place, const std::string& run) = 0;
  virtual PlaceNote place_note(const Handle& place) = 0;
  /// Removes the lock files of a task that is finished, but for those that are held.
  virtual void forget_places(TaskId task) = 0;
  /// The tasks that have lock files, by id.
  virtual std::vector<TaskId> placed() = 0;

  // Logs: DIR/logs

  /// Made, with the folders above it, if it is not there. `io` also if it is a link, or no file. `busy`: it is to be a
  /// new one, and is there. `path` is one below DIR/logs (daemon/work/log_name.h).
  virtual Result<std::shared_ptr<OutputLog>> open_log(const std::string& path, LogAge age) = 0;

  // Worktrees: DIR/work and DIR/repos (daemon/work/worktree.h)

  /// Asks origin for all that it has by now. One fetch per repository is under way at a time; those who come meanwhile
  /// share the next. Blocks until it has ended, `until` has come (`unreachable`), or `off` (null: nobody) calls the
  /// wait off: it then ends the fetch too, unless others wait for it. A repo without an origin is fetched at once.
  virtual Fetched fetch_origin(const std::string& repo, Deadline until, const CallOff* off) = 0;
  /// The names of the branches that origin has, asked now; `missing`: the repository has no origin. Blocks, for little
  /// longer than `within`.
  virtual Result<std::vector<std::string>> origin_branches(const std::string& repo, std::chrono::seconds within) = 0;
  /// The task's worktree, made, or brought to where origin's branch stood when it was last fetched. What earlier runs
  /// left in it is kept. `missing`: the repository was never fetched. Blocks for a moment: asks nobody.
  virtual Result<Worktree> prepare_worktree(const WorkOrder& order) = 0;
  /// The worktree as it is. `missing`: there is none. Blocks for a moment: asks nobody.
  virtual Result<Worktree> existing_worktree(const WorkOrder& order) = 0;
  /// Ends `diverged`: by `origin` the worktree goes to where origin's branch stands, and what was ours is kept in a ref
  /// of its clone; by `ours` it stays, and origin's head counts as seen. Blocks for a moment: asks nobody.
  virtual Result<Worktree> take_side(const WorkOrder& order, Side side) = 0;
  /// Deletes a branch at origin: only where pawl last saw it, and never the default branch. `in_use` is asked right
  /// before. Its commit is kept here. Blocks,
  /// for two minutes at most.
  virtual Result<BranchDeletion> delete_branch(const WorkOrder& order, const std::function<bool()>& in_use) = 0;
  /// Removes all that the task's folder holds, and leaves it there, empty; makes it if there is none. Blocks.
  virtual Result<void> empty_worktree(TaskId task) = 0;
  /// Removes the task's folder, whatever it holds; fine if there is none. Blocks.
  virtual Result<void> remove_worktree(TaskId task) = 0;
  /// The tasks that have a folder, by id.
  virtual std::vector<TaskId> worktrees() = 0;
  /// Calls off what git is doing, for good.
  virtual void stop_git() = 0;
};

}  // namespace pawl
