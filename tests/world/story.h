// One run of the hostile world, told by one seed: a daemon that is killed and comes back, outside parties that work
// with it, and everything that can go wrong, until a number of records has been decided. Then the hostilities stop, the
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
#include "tests/world/script.h"
#include "tests/world/witness.h"

namespace pawl::hostile {

class Daemon;

/// What may go wrong. Each can be switched off.
enum class Hostility : std::uint8_t {
  kill,           // of the daemon, between any two actions
  power_cut,      // the same, and what was not synced is gone
  torn_write,     // half of a batch is on the disk when the daemon ends
  failed_sync,    // the outcome of a batch is unknown
  full_disk,      // an append that does not fit
  flip,           // a bit of the disk flips while the daemon is down
  clock_jump,     // the wall clock steps, forward or back
  stall,          // nothing runs for a while
  reboot,         // of a machine: everything on it is gone
  stubborn,       // processes that ignore every signal for a while
  late_effect,    // requests still under way when their sender is gone
  bad_exit,       // commands that fail, hang, or leave in doubt what they did
  red_gate,       // gates that are red or in error
  sleepy_worker,  // workers that are stopped, and go on with outdated beliefs
  dead_worker,    // workers that are killed
  lost_answer,    // requests and answers that get lost
  settings,       // changed in flight
  kill_switch,    // ownership switched off for a while
  cancel,         // by operators
  force,          // leases released by force, transitions and retries out of turn
  nonsense,       // requests that are wrong in every way HTTP lets through
  crowd,          // many actors that want the same thing at the same moment
  meddling,       // actors that disturb a task while something is under way for it
  remote,         // an origin that hangs or is unreachable, folders that cannot be removed
  unseen,         // processes that lack some of their signs, locks briefly held by others
  death_watch,    // deaths reported late, twice or never
  clean_stop,     // of the daemon, by SIGTERM
  sleep,          // of the daemon's machine: its wall clock goes on, its processes do not
  downtime,       // hours without a daemon, and a lost sign of life
  restore,        // from an earlier backup, while everyone outside goes on
  naive_probe,    // probes that say no about a request still under way
  branches,       // others push to them, rewind them and force-push; clones break
  lies,           // by a party that may work, about others' work and its own
  hold,           // people who hold places, forget that they did, and let tasks past
  answers,        // to a gate's question that are wrong, late, doubled, or another's
  turn,           // people who change priorities, and put tasks off
};
constexpr std::array<std::string_view, 36> hostility_names = {
    "kill",     "power_cut",   "torn_write",  "failed_sync", "full_disk", "flip",          "clock_jump",  "stall",
    "reboot",   "stubborn",    "late_effect", "bad_exit",    "red_gate",  "sleepy_worker", "dead_worker", "lost_answer",
    "settings", "kill_switch", "cancel",      "force",       "nonsense",  "crowd",         "meddling",    "remote",
    "unseen",   "death_watch", "clean_stop",  "sleep",       "downtime",  "restore",       "naive_probe", "branches",
    "lies",     "hold",        "answers",     "turn"};

/// What the driver met on its system; reaches.txt names each as "Driver MARK".
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
  Script* script = nullptr;       // who takes part, and what happens to them; null: as the seed makes it up
};

/// What is in the data folder beside the log, and outlives the daemon.
struct DataFolder {
  struct Run {
    RunNote note;
    bool held = false;    // by the daemon that began it
    Us shared_until = 0;  // by a child that was being forked when it was released
  };
  struct Place {
    std::vector<ProcessPtr> processes;  // those that inherited its lock
    bool held = false;                  // by the daemon
    Us shared_until = 0;
    PlaceNote note;
  };
  /// For an agent's run: what is known of it even after its file is gone.
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

/// The known principals (SPEC §4, *Principals*); a worker's is a token of its name.
constexpr const char* operators = "uid:1000";
constexpr const char* webhooks = "webhook:github";
constexpr const char* liars = "token:liar";
/// A report that must be refused names an attempt so far ahead that no claim makes it the running one meanwhile.
constexpr std::uint64_t attempts_ahead = 1000;

/// The reason for an unblock by an operator who has looked at the targets after a restore.
constexpr std::string_view word_after_restore = "looked at";

/// A worker, as operators see it.
struct KnownWorker {
  ProcessPtr process;
  std::string name;
};

class Story {
 public:
  explicit Story(const Order& order);
  ~Story();

  /// Tells the story to its end, or to the first fault.
  void tell();
  const std::optional<std::string>& failure() const { return failure_; }
  /// Over the chain of all records, the state and the ledger.
  std::uint64_t hash() const;
  const Witness& witness() const { return witness_; }
  Witness& witness() { return witness_; }
  const std::shared_ptr<MemoryDisk>& disk() const { return disk_; }

  // For the actors in it.

  /// An actor from outside, until the end.
  void send(std::function<void()> person) { scheduler.spawn(Party::outside, std::move(person)); }
  bool is_hostile() const { return phase_ == Phase::hostile; }
  bool is_mending() const { return phase_ == Phase::mending || phase_ == Phase::closing; }
  /// Whether it happens now: with `chance` percent, if it is not switched off, while hostilities last.
  bool strikes(Hostility hostility, std::uint64_t chance);
  bool allows(Hostility hostility) const;
  /// A fault: the story ends with it.
  void broken(std::string what);

  void see(const std::vector<Decided>& groups);
  /// Null, unless an incident is told.
  Script* script() const { return order_.script; }
  void told(const Decision& decision) { witness_.told(decision); }
  void mark(Mark mark) { ++marks_[static_cast<std::size_t>(mark)]; }
  const Marks& marks() const { return marks_; }

  Us wall_us() const;
  /// The daemon's machine. The scheduler's time is its CLOCK_MONOTONIC.
  Us boottime_us() const { return scheduler.now() + slept_us_ + stamps_ahead_us_ - kernel_began_us_; }
  /// What the daemon's clock for records takes for CLOCK_MONOTONIC: ahead of it after leap_stamps().
  Us monotonic_us() const { return scheduler.now() + stamps_ahead_us_; }
  /// How long daemons have run so far, on a machine that was awake.
  Us served_us() const { return served_us_ + (daemon_ ? scheduler.now() - served_since_us_ : 0); }
  std::uint64_t starts() const { return starts_; }
  Us duration();
  Fate fate_of_step(const PipelineStep& step);
  Fate fate_of_agent();
  /// An effect is requested; only its time is still open.
  void request(const StepKey& key, const PipelineStep& step, Us latency, const ProcessPtr& sender);
  std::optional<bool> gate_of(TaskId task);
  std::string fresh_id(const char* what);
  /// When a lock that is released now becomes free: usually at once.
  Us shared_until();

  /// A request from outside. None: the answer got lost, or the daemon was gone.
  std::optional<Decision> ask(Group group, std::function<bool(const State&, Group&)> resolve = {});
  /// The same, repeated with its key until it is answered.
  Decision ask_keyed(const std::function<Group(const Requester&)>& group, Requester requester);
  std::optional<TaskView> look_at(TaskId task);
  /// Waits for an answer, or for the end of the daemon that owes it.
  void await(const bool& answered);
  /// Requires: there is one.
  Daemon& daemon() { return *daemon_; }
  /// Waits until the daemon serves.
  Daemon& daemon_that_serves();

  /// The daemon serves now, or is gone.
  void daemon_has_changed();
  /// Whether the serving daemon leaves a job alone because a process of it may be alive.
  bool is_skipped(JobId job) const;
  /// The daemon is killed before any actor goes on.
  void strike_down() { is_struck_ = true; }
  /// Nothing runs for that long, not even the daemon, and every clock goes on: a machine that was frozen.
  void freeze(Us us) { frozen_us_ = us; }
  /// The clock that stamps records leaps ahead, as it would if it followed the wall clock, while everything runs on.
  void leap_stamps(Us us) { stamps_ahead_us_ += us; }
  /// The wall clock alone leaps, forward or back.
  void leap_wall(Us us) { wall_offset_ += us; }
  /// The daemon is told to end, in order, before any actor goes on.
  void tell_to_end() { is_told_to_end_ = true; }

  /// An idle worker comes for that task.
  void call_worker(TaskId task);
  /// Idle for that long, or until it is called: the task it is called for.
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
  std::uint64_t tasks_wanted = 6;   // live at the same time
  std::set<std::string> own_hosts;  // under which this data folder's daemons have run
  /// Something that a restore removed was seen to act. No operator confirms for a while.
  Us lost_seen = 0;

 private:
  enum class Phase { hostile, calm, mending, closing };

  Fate fate_of_effect(const PipelineStep& step);
  void wait_for_daemon();
  void turn();
  void follow_script();
  void strike();
  void start_daemon();
  void check_index(MemoryLog& log, std::size_t records_max, bool compares);
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
  std::shared_ptr<MemoryDisk> backup_;  // from some moment; null: none was made
  std::unique_ptr<Daemon> daemon_;
  Us daemon_from_ = 0;  // when it starts again
  bool is_struck_ = false;
  bool is_told_to_end_ = false;
  Us frozen_us_ = 0;
  std::set<ActorId> waiting_for_daemon_;
  std::set<ActorId> idle_workers_;
  std::optional<TaskId> called_for_;
  std::uint64_t starts_ = 0;
  std::uint64_t ids_ = 0;
  std::uint64_t idle_ = 0;  // how often no actor could go on
  Us wall_offset_ = 0;
  Us stamps_ahead_us_ = 0;
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

// The outside actors, each in a file of its name.
void send_workers(Story& story);
void send_operators(Story& story);
/// Someone who holds places and lets tasks past, until the story mends.
void send_holder(Story& story);
void send_people(Story& story);
/// Someone who changes priorities and puts tasks off, until the story mends.
void send_impatient(Story& story);
void send_fool(Story& story);
void send_crowd(Story& story);
void send_liar(Story& story);
/// Something begins for that task and takes `work`; now and then it is disturbed, and may then take longer, up to
/// `most`. Returns how long it takes.
Us meddle(Story& story, TaskId task, Us work, Us most);
/// After `when`, takes the task's lease away by force, and has the daemon drive the task on.
void take_away(Story& story, TaskId task, Us when);

}  // namespace pawl::hostile
