// Everything outside the log, through one small interface: processes, gates, steps, probes. The daemon has the real
// one, simulations a scripted one in virtual time, and the randomized tests a hostile one. Rules see only values that
// it returned.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "engine/state/rows.h"

namespace pawl {

/// The facts that every command gets in its environment, as PAWL_… (SPEC §8).
struct CommandContext {
  TaskId task{};
  std::string work_item;
  std::string repo;
  std::string branch;
  std::string stage;
  Version version{};
  std::string edge;            // "from->to"; for agents: the forward edge of their stage
  std::optional<Token> token;  // the fencing token, if a lease is held
  std::string step;            // empty for agents and gates
  std::uint64_t restores = 0;  // how many times the log was restored from a backup
  bool begins_branch = true;   // whether a branch missing at origin is created
  /// The variables of its pipeline and its stage. The stage's override the pipeline's, and the command's own override
  /// both.
  Variables of_pipeline = {};
  Variables of_stage = {};
};

/// One step of one crossing: its place in the step journal. At most one process at a time, on any side, holds its lock
/// (SPEC §8).
struct StepKey {
  TaskId task{};
  Version version{};
  std::string step;
  friend auto operator<=>(const StepKey&, const StepKey&) = default;
};

enum class Verdict { yes, no, unknown };

/// What is known about a process.
enum class Liveness {
  alive,
  dead,
  invisible,  // on another host or in another pid namespace: cannot be checked from here
  unknown,    // visible from here, but the check failed; or its pid was never reported
};

struct GateAnswer {
  std::optional<bool> passed;  // none: the gate was in error: it could not start, or timed out
  std::string reason;
  bool later = false;     // it could not tell yet and must be run again: exit code 75
  std::string head = {};  // the commit it judged; empty if not known
};

/// The exit code of a gate that cannot tell yet, or of a reversible step that cannot act yet, and must be run again
/// later: EX_TEMPFAIL in sysexits(3).
constexpr std::int64_t exit_code_later = 75;

/// The condition that the task's worktree must meet before a path goes on.
enum class TreeNeed {
  any,       // it exists: work that started in it continues in it
  of_today,  // this boot prepared it: one from an earlier boot may be out of date
  /// It was just compared with the branch at origin or, if origin does not answer, with the last fetch.
  compared,
  /// The same, but origin must answer: what follows changes the repository there.
  compared_by_all_means,
};

struct TreeAnswer {
  enum class State {
    ready,
    waits,   // origin does not answer: `reason` is origin_unreachable or origin_refused
    barred,  // until a person decides how to go on: `reason` is the task's block reason
    failed,  // it cannot be prepared
  };
  State state = State::ready;
  std::string reason;
  std::string head;         // the commit checked out
  std::string origin_head;  // the branch at origin, if it was queried; empty: it does not exist
};

/// How a command ended.
struct CommandExit {
  enum class How { exited, signalled, timed_out, lost };
  How how = How::exited;
  std::int64_t code = 0;  // exit code, or signal number
};

/// The lock on a place in the step journal, held for the lifetime of this object.
class StepLock {
 public:
  virtual ~StepLock() = default;
};

/// The result of ending a start's process.
struct EndedStart {
  std::unique_ptr<StepLock> lock;  // on its place; null if it is not available
  /// Its process is proven gone. False if this daemon's data folder has no lock for the process, or if it ran on
  /// another host: then only a person can say that the step did not happen.
  bool gone = false;
};

/// A step's command, forked and stopped, holding the lock on its place. If destroyed before start_and_wait(), the
/// process is ended without having run. If destroyed afterwards, it releases the lock, so keep it until the step's end
/// is recorded.
class PreparedStep {
 public:
  virtual ~PreparedStep() = default;
  /// PAWL_RUN of the process, for StepStarted.
  virtual const std::string& run() const = 0;
  /// Lets it execute, and waits for its end: when its time-out expires, at the latest.
  virtual CommandExit start_and_wait() = 0;
  /// The last line its command printed or, if there is none, how it ended. Call after start_and_wait().
  virtual std::string reason() const = 0;
};

struct Held {
  enum class Status { held, previous_alive, cannot_start };
  Status status = Status::held;
  std::unique_ptr<PreparedStep> step;  // if held
  std::string why;                     // if not
};

/// Held by the one path that drives a task, for the lifetime of the path.
class PathHold {
 public:
  virtual ~PathHold() = default;
};

class World {
 public:
  virtual ~World() = default;

  /// Lets a path start to drive a task; null while another path of this process drives it. Leases alone cannot prevent
  /// two paths: with ownership off there are none, and an unguarded edge may need none.
  virtual std::unique_ptr<PathHold> enter_path(TaskId) { return std::make_unique<PathHold>(); }
  /// Whether this process is finishing a job whose run has exited: it waits for a lease, its origin or a thread, or its
  /// path is in progress. Such a job has a live owner.
  virtual bool has_in_hand(JobId) { return false; }

  /// Whether the owner of a lease or job is alive. `boot` is the owner's boot. An owner that cannot be seen (on another
  /// host, hidden, or not queryable) counts as alive until a ttl or a ceiling ends it (SPEC §7).
  virtual bool is_alive(const Owner& owner, const Boot& boot) = 0;
  /// What is known about a run's process. `boot` is the job owner's boot, which names the host. One that cannot be
  /// checked from here counts as `alive`, until a ceiling ends its job; `unknown`: its pid was never reported.
  virtual Liveness life_of(const Run& run, const Boot& boot) = 0;

  /// Queries origin for what the worktree will be compared with, if needed. Blocks but touches no worktree, so call it
  /// before taking a lease. Only `state` and `reason` are set.
  virtual TreeAnswer ask_origin(const CommandContext&, TreeNeed) { return {}; }
  /// Prepares the worktree to meet `need`. Blocks briefly.
  virtual TreeAnswer ready_tree(const CommandContext&, TreeNeed) { return {}; }
  /// The worktree, and origin's branch as last queried; changes nothing.
  virtual TreeAnswer look_at_tree(const CommandContext&) { return {}; }

  /// The variable whose missing value prevents a command with this `env` from starting now; none if all are available.
  /// Has no side effects, so call it before taking a lease.
  virtual std::optional<std::string> missing_variable(const Variables&, const CommandContext&) { return std::nullopt; }

  /// Runs a gate until it ends. In the daemon, a gate without a command is green.
  virtual GateAnswer run_gate(const Gate& gate, const CommandContext& context) = 0;

  /// Whether this world can start the step: in the daemon, whether the step has a command.
  virtual bool can_run(const PipelineStep& step) = 0;

  /// Ends what is left of the process `run` of a step and takes the lock on its place, within stop.kill_after_s.
  /// `starter` is the boot that recorded the start; null if it was forgotten.
  virtual EndedStart end_and_lock(const StepKey& place, const std::string& run, const Boot* starter) = 0;

  /// Forks a step's command, stopped and holding its lock, after ending anything that `previous_run` left. Requires:
  /// can_run(step).
  virtual Held hold_step(const PipelineStep& step, const CommandContext& context, const std::string& previous_run) = 0;

  /// Blocks until that much log time has passed, while the task's path is in progress. False if cancelled, or in worlds
  /// where waiting does not advance time.
  virtual bool wait(TaskId, std::int64_t /*us*/) { return false; }

  /// Runs a step's probe to find out whether the step happened. Requires: step.probe is not empty.
  virtual Verdict probe(const PipelineStep& step, const CommandContext& context) = 0;
};

}  // namespace pawl
