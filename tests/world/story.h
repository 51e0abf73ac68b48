// One run of the hostile world, told by one seed: a daemon that is killed and comes back, those who work with it from
// outside, and everything that can go wrong, until a number of records was decided. Then the hostilities stop, the
// clock goes on, and everything must settle.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/work/system.h"
#include "store/memory_log.h"
#include "tests/world/branches.h"
#include "tests/world/outside.h"
#include "tests/world/witness.h"

namespace pawl::hostile {

class Daemon;

/// What may go wrong, each of which can be switched off.
enum class Hostility : std::uint8_t {
  kill,           // of the daemon, between any two actions
  power_cut,      // the same, and what was not synced is gone
  torn_write,     // a batch of which half is on the disk when the daemon ends
  failed_sync,    // a batch of which nobody knows
  full_disk,      // an append that does not fit
  flip,           // a bit of the disk turns over while the daemon is down
  clock_jump,     // the wall clock steps, either way
  stall,          // nobody runs for a while
  reboot,         // of a machine: everything on it is gone
  stubborn,       // processes that no signal ends for a while
  late_effect,    // requests that are still under way when their sender is gone
  bad_exit,       // commands that fail, hang, or leave in doubt what they did
  red_gate,       // gates that are red or in error
  sleepy_worker,  // workers that are stopped, and go on with what they believed
  dead_worker,    // workers that are killed
  lost_answer,    // requests and answers that get lost on the way
  settings,       // changed in flight
  kill_switch,    // ownership switched off for a while
  cancel,         // by operators
  force,          // leases released by force, transitions and retries out of turn
  nonsense,       // requests that are wrong in every way that HTTP lets through
  crowd,          // many who want the same at the same moment
  meddling,       // whoever comes for a task while something is under way for it
  remote,         // an origin that hangs or is not there, folders that cannot be removed
  unseen,         // processes without some of their signs, locks that others hold for a moment
  death_watch,    // deaths that are told late, twice or never
  clean_stop,     // of the daemon, by SIGTERM
  sleep,          // of the daemon's machine: its wall clock goes on, its processes do not
  downtime,       // hours in which no daemon runs, and a sign of life that is lost
  restore,        // from a backup of before, while everybody outside goes on
  naive_probe,    // probes that say no of a request that is still under way
  branches,       // that others push to, rewind and push over, and clones that break
  lies,           // by one who may work, about what is not his, and about what is
};
constexpr std::array<std::string_view, 33> hostility_names = {
    "kill",        "power_cut",   "torn_write",  "failed_sync", "full_disk",   "flip",       "clock_jump",
    "stall",       "reboot",      "stubborn",    "late_effect", "bad_exit",    "red_gate",   "sleepy_worker",
    "dead_worker", "lost_answer", "settings",    "kill_switch", "cancel",      "force",      "nonsense",
    "crowd",       "meddling",    "remote",      "unseen",      "death_watch", "clean_stop", "sleep",
    "downtime",    "restore",     "naive_probe", "branches",    "lies"};

/// What the driver met on its system: reaches.txt names each as "Driver MARK".
enum class Mark : std::uint8_t {
  stop_in_order,
  step_ends_in_drain,
  step_cut_off,
  agent_called_off,
  gate_called_off,
  timed_out,
  killed,
  kill_follows,
  outside_agent_ended,
  run_of_earlier_boot,
  run_forgotten,
  found_by_lock,
  hidden_fork,
  lock_shared,
  place_busy,
  fork_failed,
  exec_failed,
  death_told,
  pass_on_request,
  step_taken_over,
  liveness_unknown,
  repo_busy,
  group_of_another,
  jobs_at_once_reached,
  branch_deleted,
  branch_in_use,
  origin_failed,
  origin_refused,
  git_called_off,
  folder_emptied,
  folder_removed,
  folder_kept,
  drained,
  hurried,
  exit_in_stop,
  claim_kept,
  claim_not_heard_of,
  slept,
  long_downtime,
  sign_lost,
  wall_believed,
  first_no,
  second_no,
  came_late,
  came_twice,
  branch_followed,
  branch_kept_moved,
  clone_damaged,
  diverged,
  side_taken,
  late_truth,
  late_truth_of_ended,
  stranger_reported,
};
constexpr std::array<std::string_view, 53> mark_names = {
    "stop_in_order",
    "step_ends_in_drain",
    "step_cut_off",
    "agent_called_off",
    "gate_called_off",
    "timed_out",
    "killed",
    "kill_follows",
    "outside_agent_ended",
    "run_of_earlier_boot",
    "run_forgotten",
    "found_by_lock",
    "hidden_fork",
    "lock_shared",
    "place_busy",
    "fork_failed",
    "exec_failed",
    "death_told",
    "pass_on_request",
    "step_taken_over",
    "liveness_unknown",
    "repo_busy",
    "group_of_another",
    "jobs_at_once_reached",
    "branch_deleted",
    "branch_in_use",
    "origin_failed",
    "origin_refused",
    "git_called_off",
    "folder_emptied",
    "folder_removed",
    "folder_kept",
    "drained",
    "hurried",
    "exit_in_stop",
    "claim_kept",
    "claim_not_heard_of",
    "slept",
    "long_downtime",
    "sign_lost",
    "wall_believed",
    "first_no",
    "second_no",
    "came_late",
    "came_twice",
    "branch_followed",
    "branch_kept_moved",
    "clone_damaged",
    "diverged",
    "side_taken",
    "late_truth",
    "late_truth_of_ended",
    "stranger_reported",
};
using Marks = std::array<std::uint64_t, mark_names.size()>;

struct Order {
  std::uint64_t seed = 0;
  std::uint64_t records = 10000;  // after which the hostilities stop
  std::uint64_t without = 0;      // a bit for each hostility
};

/// What lies in the data folder beside the log, and outlives the daemon.
struct DataFolder {
  struct Run {
    RunNote note;
    bool held = false;    // by the daemon that began it
    Us shared_until = 0;  // by a child that was being forked when it was given back
  };
  struct Place {
    std::vector<ProcessPtr> processes;  // that inherited its lock
    bool held = false;                  // by the daemon
    Us shared_until = 0;
    PlaceNote note;
  };
  /// Of a run that was an agent's: what is known of it also when its file is gone.
  struct Agent {
    std::string job;
  };
  std::map<std::string, Run> runs;
  std::map<StepKey, Place> places;
  std::map<std::string, Agent> agents;
  std::map<TaskId, Tree> worktrees;
  std::map<std::string, Mirrored> fetched;  // by repository
  std::optional<TimeUs> sign;               // of life: DIR/probe

  bool is_locked(const StepKey& place, Us now) const;
};

/// Who is known to ask (SPEC §4, *Principals*); a worker is by a token of its name.
constexpr const char* operators = "uid:1000";
constexpr const char* webhooks = "webhook:github";
constexpr const char* liars = "token:liar";

/// The reason of an unblock by whoever has looked at the targets after a restore.
constexpr std::string_view word_after_restore = "looked at";

/// What a command is going to do.
struct Fate {
  Us work = 0;
  std::optional<Us> effect;  // when it asks the target; none: never
  Us latency = 0;            // from asking to the effect
  CommandExit exit;
};

/// A worker, as operators know it.
struct KnownWorker {
  ProcessPtr process;
  std::string name;
};

class Story {
 public:
  explicit Story(const Order& order);
  ~Story();

  /// Tells it to its end, or to the first thing that is not as it should be.
  void tell();
  const std::optional<std::string>& failure() const { return failure_; }
  /// Over the chain of all records, the state and the ledger.
  std::uint64_t hash() const;
  const Witness& witness() const { return witness_; }
  Witness& witness() { return witness_; }
  const std::shared_ptr<MemoryDisk>& disk() const { return disk_; }

  // For those who act in it.

  /// Somebody who acts from outside, until the end.
  void send(std::function<void()> person) { scheduler.spawn(Party::outside, std::move(person)); }
  bool is_hostile() const { return phase_ == Phase::hostile; }
  bool is_mending() const { return phase_ == Phase::mending || phase_ == Phase::closing; }
  /// Whether it happens now: `chance` in a hundred, of what is not switched off, while hostilities last.
  bool strikes(Hostility hostility, std::uint64_t chance);
  bool allows(Hostility hostility) const;
  /// What is not as it should be: the story ends with it.
  void broken(std::string what);

  void see(const std::vector<Decided>& groups) { witness_.see(groups); }
  void told(const Decision& decision) { witness_.told(decision); }
  void mark(Mark mark) { ++marks_[static_cast<std::size_t>(mark)]; }
  const Marks& marks() const { return marks_; }

  Us wall_us() const;
  /// Of the daemon's machine. The time of the scheduler is its CLOCK_MONOTONIC.
  Us boottime_us() const { return scheduler.now() + slept_us_ - kernel_began_us_; }
  /// How long daemons have run until now, on a machine that was awake.
  Us served_us() const { return served_us_ + (daemon_ ? scheduler.now() - served_since_us_ : 0); }
  std::uint64_t starts() const { return starts_; }
  Us duration();
  Fate fate_of_step(const PipelineStep& step);
  Fate fate_of_agent();
  /// An effect is asked for, of which nothing but its time is left to be decided.
  void request(const StepKey& key, const PipelineStep& step, Us latency, const ProcessPtr& sender);
  std::optional<bool> gate_of(TaskId task);
  std::string fresh_id(const char* what);
  /// When a lock that is given back now is free: mostly at once.
  Us shared_until();

  /// A request from outside. None: the answer got lost, or the daemon was gone.
  std::optional<Decision> ask(Group group, std::function<bool(const State&, Group&)> resolve = {});
  /// The same, asked again with its key until it is answered.
  Decision ask_keyed(const std::function<Group(const Asker&)>& group, Asker asker);
  std::optional<TaskView> look_at(TaskId task);
  /// Waits for an answer, or for the end of the daemon that was to give it.
  void await(const bool& answered);
  /// Requires: there is one.
  Daemon& daemon() { return *daemon_; }
  /// Waits until the daemon serves.
  Daemon& daemon_that_serves();

  /// The daemon serves now, or is gone.
  void daemon_has_changed();
  /// Whether the daemon that serves leaves a job alone, since a process of it may be alive.
  bool is_passed_over(JobId job) const;
  /// The daemon is killed before anybody goes on.
  void strike_down() { is_struck_ = true; }
  /// The daemon is told to end, in order, before anybody goes on.
  void tell_to_end() { is_told_to_end_ = true; }

  /// A worker who has nothing to do comes for that task.
  void call_worker(TaskId task);
  /// Nothing to do, for so long or until somebody calls: for whom.
  std::optional<TaskId> idle(Us us);

  Dice dice;
  Scheduler scheduler;
  Machines machines;
  Targets targets;
  DataFolder folder;
  std::map<std::string, std::string> origins;  // repo → origin
  Branches branches;
  std::map<std::string, KnownWorker> workers;  // by boot
  std::vector<std::string> repos;
  std::uint64_t tasks_wanted = 6;   // live at once
  std::set<std::string> own_hosts;  // under which this data folder's daemon has run
  /// Something of what a restore took away was seen to act. Nobody gives his word for a while.
  Us lost_seen = 0;

 private:
  enum class Phase { hostile, calm, mending, closing };

  Fate fate_of_effect(const PipelineStep& step);
  void wait_for_daemon();
  void turn();
  void strike();
  void start_daemon();
  void kill_daemon();
  void end_daemon();
  void crash();
  void flip_a_bit();
  void lose_notes();
  void fall_asleep();
  void leave_sign();
  void take_backup();
  void restore_backup();
  void begin_calm();
  void begin_mending();
  void begin_closing();
  bool has_settled() const;
  void judge_settled();
  void judge_tidy();
  void end();

  const Order order_;
  Marks marks_{};
  Witness witness_;
  std::shared_ptr<MemoryDisk> disk_;
  std::shared_ptr<MemoryDisk> backup_;  // of some moment; null: none was made
  std::unique_ptr<Daemon> daemon_;
  Us daemon_from_ = 0;  // when it is started again
  bool is_struck_ = false;
  bool is_told_to_end_ = false;
  std::set<ActorId> waiting_for_daemon_;
  std::set<ActorId> idle_workers_;
  std::optional<TaskId> called_for_;
  std::uint64_t starts_ = 0;
  std::uint64_t ids_ = 0;
  std::uint64_t idle_ = 0;  // how often nobody could go on
  Us wall_offset_ = 0;
  Us slept_us_ = 0;
  Us kernel_began_us_ = 0;
  Us served_us_ = 0;
  Us served_since_us_ = 0;         // while there is a daemon
  std::uint64_t crash_every_ = 0;  // turns
  Phase phase_ = Phase::hostile;
  Us phase_ends_ = 0;
  bool over_ = false;
  std::optional<std::string> failure_;
};

// Those who act from outside, each in a file of its name.
void send_workers(Story& story);
void send_operators(Story& story);
void send_fool(Story& story);
void send_crowd(Story& story);
void send_liar(Story& story);
/// Something begins for that task, and takes `work`: now and then it is disturbed, and then it may take longer, up to
/// `most`. How long it takes.
Us meddle(Story& story, TaskId task, Us work, Us most);
/// After `when` somebody takes the task's lease away by force, and lets the daemon drive the task on.
void take_away(Story& story, TaskId task, Us when);

}  // namespace pawl::hostile
