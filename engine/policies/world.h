// Everything outside of the log, through one small interface: processes, gates, steps, probes. The daemon has the real
// one, simulations a scripted one in virtual time, the randomized tests a hostile one. Rules see only values that it
// returned.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "engine/state/rows.h"

namespace pawl {

/// What every command is told through its environment, as PAWL_… (SPEC §8).
struct CommandContext {
  TaskId task{};
  std::string work_item;
  std::string repo;
  std::string branch;
  std::string stage;
  Version version{};
  std::string edge;            // "from->to"; for agents, the forward edge of their stage
  std::optional<Token> token;  // the fencing token, where a lease is held
  std::string step;            // empty for agents and gates
  std::uint64_t restores = 0;  // how often the log was restored from a backup
  bool begins_branch = true;   // whether a branch that origin does not have is begun
  /// The variables of its pipeline and of its stage: the second count more, and those of the command itself the most.
  Variables of_pipeline = {};
  Variables of_stage = {};
};

/// One place in the journal. Its lock is held by at most one process at a time, whoever that is (SPEC §8).
struct StepPlace {
  TaskId task{};
  Version version{};
  std::string step;
};

enum class Verdict { yes, no, unknown };

/// What is known of the process of a run.
enum class Life {
  alive,    // or of another host, or not to be seen: it counts as alive until a ceiling ends it
  dead,     // it looks dead
  unknown,  // its pid was never reported
};

struct GateAnswer {
  std::optional<bool> passed;  // none: the gate is in error: it could not start, or timed out
  std::string reason;
  bool later = false;     // it could not tell, and asks to be asked again: exit code 75
  std::string head = {};  // the commit that it judged; empty where none is known
};

/// The exit code of a gate or a reversible step that could not tell, or do anything, now, and is to be tried again
/// later: EX_TEMPFAIL of sysexits(3).
constexpr std::int64_t exit_code_later = 75;

/// What a path needs of the task's worktree before it goes on.
enum class TreeNeed {
  any,       // that there is one: what began in it goes on in it
  of_today,  // one that this boot prepared: what another left may be behind what has happened since
  /// One that was compared with the branch at origin just now; where origin is away, as it was fetched last.
  compared,
  /// The same, and origin has to answer: what follows changes the repository there.
  compared_by_all_means,
};

struct TreeAnswer {
  enum class State {
    ready,
    waits,   // for an origin that does not answer: `reason` is origin_unreachable or origin_refused
    barred,  // until a person says how it goes on: `reason` is what the task is to be blocked with
    failed,  // it cannot be had
  };
  State state = State::ready;
  std::string reason;
  std::string head;         // what is checked out
  std::string origin_head;  // the branch at origin, as far as it was asked; empty: it is not there
};

/// How a command ended.
struct CommandExit {
  enum class How { exited, signalled, timed_out, lost };
  How how = How::exited;
  std::int64_t code = 0;  // exit code, or signal number
};

/// The lock of a place in the journal, held for as long as this lives.
class StepLock {
 public:
  virtual ~StepLock() = default;
};

/// What came of ending the process of a start.
struct EndedStart {
  std::unique_ptr<StepLock> lock;  // of its place; null: it cannot be had
  /// Its process is shown to be gone. Not so if it is none that this daemon's data folder knows a lock of, or ran on
  /// another host: then only somebody's word can say that it did not happen.
  bool gone = false;
};

/// A step's command, forked and stopped, holding the lock of its place. Destroyed before go(), it is ended without
/// having run. Destroyed afterwards it gives back the lock: so keep it until its end is recorded.
class HeldStep {
 public:
  virtual ~HeldStep() = default;
  /// PAWL_RUN of the process: for StepStarted.
  virtual const std::string& run() const = 0;
  /// Lets it execute, and waits for its end, which its time-out brings at the latest.
  virtual CommandExit go() = 0;
  /// What its command has to say for itself: its last line, or else how it ended. After go().
  virtual std::string reason() const = 0;
};

struct Held {
  enum class Status { held, previous_alive, cannot_start };
  Status status = Status::held;
  std::unique_ptr<HeldStep> step;  // when held
  std::string why;                 // otherwise
};

/// Held by the one path that drives a task, for as long as it lives.
class PathHold {
 public:
  virtual ~PathHold() = default;
};

class World {
 public:
  virtual ~World() = default;

  /// Lets a path begin to drive a task: null while another one of this process drives it. Leases alone do not keep two
  /// of them apart: with ownership switched off there are none, and an unguarded edge may need none.
  virtual std::unique_ptr<PathHold> enter_path(TaskId) { return std::make_unique<PathHold>(); }
  /// Whether this process finishes the exited run of a job: it waits for a lease, for its origin or for a thread, or
  /// its path is under way. Such a job has an owner who is alive.
  virtual bool has_in_hand(JobId) { return false; }

  /// Whether a lease's owner, or a job's, is alive. `boot` is the owner's boot. What cannot be seen, be it on another
  /// host, hidden, or not to be asked after, counts as alive until a ttl or a ceiling ends it (SPEC §7).
  virtual bool is_alive(const Owner& owner, const Boot& boot) = 0;
  /// What is known of a run's process. `boot` is that of the job's owner, and names the host.
  virtual Life life_of(const Run& run, const Boot& boot) = 0;

  /// Asks origin for what the worktree is to be compared with, if it needs that. Blocks, but touches no worktree: so
  /// before a lease is taken. Only `state` and `reason` are told.
  virtual TreeAnswer ask_origin(const CommandContext&, TreeNeed) { return {}; }
  /// Brings the worktree to what was asked for. Blocks for a moment.
  virtual TreeAnswer ready_tree(const CommandContext&, TreeNeed) { return {}; }
  /// The worktree, and origin's branch as it was asked for last; changes nothing.
  virtual TreeAnswer look_at_tree(const CommandContext&) { return {}; }

  /// Why a command with these variables of its own cannot begin now: what one of them is to hold cannot be had. None if
  /// nothing is in its way. Touches nothing; so before a lease is taken.
  virtual std::optional<std::string> missing_variable(const Variables&, const CommandContext&) { return std::nullopt; }

  /// Runs a gate to its end. In the daemon a gate without a command is green.
  virtual GateAnswer run_gate(const Gate& gate, const CommandContext& context) = 0;

  /// Whether a step can be started from here: in the daemon, whether it has a command.
  virtual bool can_run(const PipelineStep& step) = 0;

  /// Ends what is left of the process `run` of a place, and gets the place's lock, within stop.kill_after_s. `starter`
  /// is the boot that recorded the start; null: it is forgotten.
  virtual EndedStart end_and_lock(const StepPlace& place, const std::string& run, const Boot* starter) = 0;

  /// Forks a step's command, stopped and holding its lock, after ending what `previous_run` left, if anything.
  /// Requires: can_run(step).
  virtual Held hold_step(const PipelineStep& step, const CommandContext& context, const std::string& previous_run) = 0;

  /// Blocks until that much of the log's time has passed, with the path of the task under way. False if it is called
  /// off, or where no time passes by waiting.
  virtual bool wait(TaskId, std::int64_t /*us*/) { return false; }

  /// Asks a step's probe whether the step has happened. Requires: step.probe is not empty.
  virtual Verdict probe(const PipelineStep& step, const CommandContext& context) = 0;
};

}  // namespace pawl
