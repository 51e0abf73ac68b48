// Shared by the parts of the executor. Only for daemon/work/executor*.cc.
#pragma once

#include <atomic>
#include <chrono>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "daemon/work/executor.h"
#include "daemon/work/origin_weather.h"
#include "daemon/work/process_run.h"
#include "daemon/work/real_world.h"
#include "daemon/work/system.h"
#include "daemon/work/task_alarms.h"
#include "store/os/mutex.h"

namespace pawl {

/// The machine as the executor's paths see it. Once the daemon ends, nothing new may begin: a path still under way gets
/// the refusal it would get at the next start, stale_boot. Facts are still accepted.
class EndingMachine final : public Machine {
 public:
  explicit EndingMachine(Machine& machine) : machine_(machine) {}

  enum class Phase {
    open,
    finishing,  // nothing new begins; what has begun may finish
    draining,   // accepts how agents and steps ended
    closed,     // accepts only that they succeeded: what was cut off has not failed, its outcome is unknown
  };
  void enter(Phase phase) { phase_ = phase; }

  Decision propose(Group group) override;
  std::optional<TaskView> view(TaskId task) override { return machine_.view(task); }
  TimeUs now() const override { return machine_.now(); }

 private:
  static bool is_taken(Phase phase, const Group& group);

  Machine& machine_;
  std::atomic<Phase> phase_{Phase::open};
};

/// The agents for which some pipeline has a command, by name.
std::vector<std::string> agents_with_commands(const State& state);

struct Executor::Impl : std::enable_shared_from_this<Executor::Impl> {
  Impl(Desk& desk_, System& system_, Options options_);

  // executor.cc

  void start();
  void drain(std::chrono::seconds time);
  void stop();
  void hurry();
  /// Whether nothing new may begin.
  bool is_ending() const PAWL_REQUIRES(mutex) { return ending || stopping; }
  bool has_room() const { return !options.has_room || options.has_room(); }
  void begin_nothing_more();
  void end_what_runs();
  /// Waits until all jobs, steps and probes have ended, the deadline passes, or hurry() is called.
  void await_end(Deadline deadline);
  /// A repository was declared or removed: forgets what was known of its old origin.
  void note_repo(const fb::Record& record) PAWL_REQUIRES(mutex);
  void learn_origins();
  /// The one thread that hands out work.
  void run();
  void look_after(std::set<TaskId> tasks, const std::set<TaskId>& ended, const std::map<JobId, std::uint64_t>& exits);
  std::set<TaskId> dependents_of(const std::set<TaskId>& ended);
  void read_settings();
  void end_what_earlier_boots_left();
  void warn(const std::string& text, const NoticeTopic& about = {}) const {
    if (options.warn) options.warn({text, about});
  }
  Requester requester(const std::string& actor) const {
    return {.boot = options.boot_id, .actor = actor, .key = {}, .request = {}};
  }

  // executor_listen.cc

  /// What run() has to look at after a record.
  struct News {
    bool tasks = false;  // in `flagged` or `exited`
    bool jobs = false;   // that may be claimed now
  };
  /// From the sequencer's threads: notes what to do, and calls off what must end.
  void listen(std::span<const Published> batch);
  News hear(const Published& published) PAWL_REQUIRES(mutex);
  /// `queues`: the record queues a job.
  News hear_event(const fb::Record& record, bool queues) PAWL_REQUIRES(mutex);
  News hear_transition(const fb::StageTransition& event, bool queues, bool unchecked) PAWL_REQUIRES(mutex);
  News hear_job_end(const fb::JobFinished& event, bool queues) PAWL_REQUIRES(mutex);
  News hear_setting(const fb::SettingChanged& event) PAWL_REQUIRES(mutex);
  News hear_exit(const fb::RunExited& event) PAWL_REQUIRES(mutex);
  void hear_outside_run(const fb::RunStarted& event, const std::string& boot) PAWL_REQUIRES(mutex);
  void hear_cancel(TaskId task) PAWL_REQUIRES(mutex);
  bool try_waiting_again() PAWL_REQUIRES(mutex);
  void call_off(const Effect& end_group, const fb::Record& record) PAWL_REQUIRES(mutex);
  /// After a run was reported over, or reaped: see_to_previous() checks for what is left of it.
  void take_back(JobId job, bool is_to_end) PAWL_REQUIRES(mutex);
  void note_path_end();

  // executor_jobs.cc

  /// A claimed job whose process this daemon runs.
  struct Claim {
    JobId job{};
    std::uint64_t attempt = 0;
    TaskId task{};
    Version version{};
    Agent agent;
    CommandContext context;
    std::optional<Worktree> tree;  // prepared before the claim; none where there is no origin
    std::string no_tree;           // why there is none, although there should be
    CommandEnv env;                // read right before the claim
  };
  struct Running {
    std::uint64_t attempt = 0;  // 0 until it is claimed
    TaskId task{};
    std::unique_ptr<CancelToken> off;
    std::unique_ptr<RunningThread> thread;
    bool waits = false;  // for a lease, before the next try at its exit
    bool ended = false;  // its thread is about to be joined
  };
  /// Notes that the thread of a job has ended, in whatever way, or will never begin.
  class EndOfThread {
   public:
    EndOfThread(Impl& impl, Running& entry) : impl_(impl), entry_(entry) {}
    EndOfThread(const EndOfThread&) = delete;
    EndOfThread& operator=(const EndOfThread&) = delete;
    ~EndOfThread() { impl_.note_end(entry_); }

   private:
    Impl& impl_;
    Running& entry_;
  };
  void note_end(Running& entry);
  /// Claims what can be claimed. Called by run() only.
  void claim_jobs();
  /// Notes in the history, once, that a command has begun to wait for a variable.
  void note_missing(TaskId task, const std::string& words);
  struct Claimable {
    JobId job{};
    TaskId task{};
    std::uint64_t attempts = 0;  // so far
    std::string repo;
    std::string branch;
    Version version{};
    bool begins_branch = false;  // where origin does not have it
    bool is_serial = false;      // one job per repository
    std::size_t room = 0;        // how many more may run
    Variables env = {};          // its agent's
    CommandContext context = {};
  };
  /// The first job that can be claimed, other than `skipped`.
  std::optional<Claimable> claimable(std::set<JobId> skipped);
  /// Whether this daemon has a command for the claimable job, and nothing else of its own to wait for.
  bool is_for_this_daemon(const State& state, JobId id) const;
  static Claimable claimable_of(const State& state, JobId id);
  std::optional<Claim> claim(JobId job);
  /// When a variable that cannot be read is tried again, as an origin is.
  static constexpr std::chrono::seconds variable_again{2};
  static constexpr std::chrono::hours alarm_max{24};  // later ones are set again then
  void run_job(Running& entry, const Claim& claim);
  /// Runs the process, from its start to the record of its exit. False if the daemon ends meanwhile, or the attempt is
  /// no longer ours.
  bool run_agent(Running& entry, const Claim& claim);
  /// Records the exit; false if that was refused.
  bool record_exit(const Claim& claim, std::int64_t code);
  bool is_ours(JobId job, std::uint64_t attempt);

  enum class Monitored { finished, waiting };  // for a lease
  /// Tries once to do what follows an exit code.
  Monitored monitor(JobId job, std::uint64_t attempt);
  /// The same for a run that another boot began, on a thread of `workers`.
  void monitor_once(JobId job, std::uint64_t attempt);
  void finish_job(JobId job, std::uint64_t attempt, fb::JobResult result);
  template <class Event>
  void mark(JobId job) {
    Event event;
    event.job = raw(job);
    machine.propose(propose_group(requester("monitor"), event));
  }
  void join_ended();
  void retry_orphans();

  // executor_trees.cc

  /// A worktree prepared for a job before it is claimed, so that nothing is held while origin is unreachable.
  struct Preparation {
    std::uint64_t attempts = 0;  // of the job when it began
    TaskId task{};
    std::string repo;
    std::unique_ptr<CancelToken> off;
    std::unique_ptr<RunningThread> thread;
    enum class State {
      working,
      waits,  // nothing is tried before `until`
      ready,  // fresh enough to claim with until `until`
    };
    State state = State::working;
    Deadline until = no_deadline;
    bool ended = false;        // its thread is about to be joined
    bool is_outdated = false;  // origin has moved since
    std::optional<Worktree> tree;
    std::string no_tree;  // the attempt will fail with this reason
  };
  /// Whether the job's worktree is ready for a claim; if not, starts preparing it. Called by run() only.
  bool is_prepared(const Claimable& next);
  void prepare(Preparation& entry, const Claimable& next);
  void wait_for_path(const Claimable& next);
  /// For a job that is about to be claimed.
  void take_tree(JobId job, Claim& claim) PAWL_REQUIRES(mutex);
  /// Calls off the preparations for a task.
  void call_off_preparations(TaskId task) PAWL_REQUIRES(mutex);
  void drop_preparations(std::vector<std::unique_ptr<RunningThread>>& threads) PAWL_REQUIRES(mutex);
  void note_branch(const Claimable& next, const Worktree& tree);
  void bar(const Claimable& next, const std::string& reason);

  // executor_branches.cc

  struct BranchAsk {
    std::string branch;
    Deadline until;
    std::function<void(FoundBranch)> done;
  };
  /// Answers all questions waiting for one repository, with one query to its origin.
  void answer_branch_asks(const std::string& repo);
  // executor_tasks.cc

  /// Whether a path is running the step's process.
  bool runs_step(const StepKey& place);
  /// The boot that started the step of a place; none if it has been forgotten.
  std::optional<Boot> starter_of(const StepKey& place);
  /// The reconciler's work for one task, on a thread of `workers`.
  void drive(TaskId task);
  void wait_until(TaskId task, std::optional<TimeUs> log_time_then);
  /// What to do with a task that is already being driven.
  enum class IfDriven {
    enough,  // nothing: its driver looks at it anyway
    again,   // something has changed: drive it again afterwards
  };
  void post_drive(TaskId task, IfDriven if_driven);
  /// A full pass over the tasks.
  void reconcile_all();

  // executor_cleanup.cc

  /// After a task has finished: removes its folder, and a cancelled task's branch at origin.
  void clean_up(TaskId task);
  bool is_finished(TaskId task);
  Result<Task> finished_task(TaskId task);
  /// On a thread of its own, which a hanging origin may keep busy.
  void delete_branch(const Task& cancelled);
  std::string why_kept(const Task& cancelled);
  void note_on_branch(const Task& cancelled, const std::string& text);
  bool is_worked_on(const std::string& repo, const std::string& branch);
  void remove_folder(TaskId task);

  // executor_outside.cc

  /// The process of a run that another boot began, as reported.
  struct OutsideRun {
    std::int64_t pid = 0;
    std::int64_t pid_start = 0;
    std::string boot;  // the reporter's
    /// Opened when it was reported, if it existed then: always refers to that very process. May be null.
    std::shared_ptr<OtherProcess> process = nullptr;
    bool is_its = false;  // was seen to belong to the worker that reported it: only then may it be ended
  };
  struct FoundOutside {
    JobId job{};
    TaskId task{};
    OutsideRun run;
    bool is_cancelled = false;
  };
  std::vector<FoundOutside> look_for_outside_runs();
  /// At the start: finds what other boots run, and ends the runs of tasks with a standing cancel.
  void find_outside_runs();
  /// After a cancel, on a thread of `workers`.
  void end_outside_of(TaskId task);
  void end_outside(const OutsideRun& run, JobId job);
  std::optional<Boot> boot_of(const std::string& boot);

  // executor_previous.cc

  /// Opens a handle on a process that has just been reported. On `previous_thread`, like see_to_previous().
  void open_reported(JobId job, const OutsideRun& run);
  /// A worker's run whose attempt ended without the worker's report.
  struct TakenBack {
    OutsideRun run;
    bool is_to_end = false;  // even if it bars nothing
  };
  /// A process that bars claims, and what has been done about it.
  struct LeftProcess {
    JobId job{};
    Previous previous;
    std::shared_ptr<OtherProcess> process = nullptr;
    bool is_its = false;                          // see OutsideRun
    std::optional<Deadline> told = std::nullopt;  // when it got SIGTERM
    bool is_warned_of = false;
  };
  enum class PreviousEnd { gone, told, alive };
  /// Looks at every process that bars the claims of its task.
  void see_to_previous();
  bool was_its_workers(const Previous& previous);
  bool say_gone(JobId job, std::int64_t pid);
  PreviousEnd end_previous(LeftProcess& left);
  PreviousEnd not_ended(LeftProcess& left, const std::string& why);

  // Set once.

  Desk& desk;
  System& system;
  const Options options;
  EndingMachine machine;
  OriginWeather weather;
  RealWorld world;
  const std::unique_ptr<Pool> workers;
  const std::unique_ptr<Pool> branch_deletions;
  const std::unique_ptr<Pool> branch_askers;
  const std::unique_ptr<Pool> previous_thread;                         // one: for see_to_previous()
  std::map<std::pair<JobId, std::uint64_t>, LeftProcess> left_behind;  // by job and attempt; that thread's alone
  /// When jobs that were passed over for a variable are looked at again. run()'s alone.
  std::optional<Deadline> variables_again;
  std::uint64_t subscription = 0;
  std::unique_ptr<RunningThread> thread;  // runs run()

  mutable Mutex mutex;
  const std::unique_ptr<Signal> wake;
  bool ending PAWL_GUARDED_BY(mutex) = false;    // nothing new begins
  bool stopping PAWL_GUARDED_BY(mutex) = false;  // what runs is ended
  bool stopped PAWL_GUARDED_BY(mutex) = false;   // stop() was called
  unsigned hurries PAWL_GUARDED_BY(mutex) = 0;   // calls of hurry() not yet used to skip a wait
  std::chrono::seconds stop_grace PAWL_GUARDED_BY(mutex){0};

  // What the log said, for run() to act on.
  bool jobs_changed PAWL_GUARDED_BY(mutex) = true;
  TimeUs log_time PAWL_GUARDED_BY(mutex);  // of the last record
  std::optional<TimeUs> pause_end
      PAWL_GUARDED_BY(mutex);  // by the log's clock: when the next pause between two attempts ends
  bool settings_changed PAWL_GUARDED_BY(mutex) = true;
  bool holds_changed PAWL_GUARDED_BY(mutex) = false;             // any task may be free now: the next pass is due
  std::set<TaskId> flagged PAWL_GUARDED_BY(mutex);               // the reconciler may have to drive these
  std::set<JobId> flagged_jobs PAWL_GUARDED_BY(mutex);           // or the tasks of these
  std::set<TaskId> finished PAWL_GUARDED_BY(mutex);              // reached a terminal stage
  std::map<JobId, std::uint64_t> exited PAWL_GUARDED_BY(mutex);  // other boots' runs, by job: the attempt
  std::uint64_t leases_freed PAWL_GUARDED_BY(mutex) = 0;         // a count, for those who wait
  const std::unique_ptr<Signal> lease_freed;

  std::map<JobId, Running> running PAWL_GUARDED_BY(mutex);           // nodes stay where they are
  std::map<JobId, Preparation> preparations PAWL_GUARDED_BY(mutex);  // the same
  /// Tasks whose path gave up for lack of an origin or a variable, or waits for the end of a hold or of a question.
  TaskAlarms alarms PAWL_GUARDED_BY(mutex);
  bool alarms_changed PAWL_GUARDED_BY(mutex) = false;  // so the next look has a new time
  std::map<std::string, std::vector<BranchAsk>> branch_asks
      PAWL_GUARDED_BY(mutex);  // by repository: those that no query is answering yet
  std::map<JobId, std::vector<std::string>> orphans PAWL_GUARDED_BY(mutex);  // runs not known to be gone
  std::map<JobId, OutsideRun> outside_runs PAWL_GUARDED_BY(mutex);
  std::map<JobId, TakenBack> taken_back PAWL_GUARDED_BY(mutex);  // from outside_runs, for see_to_previous()
  bool previous_changed PAWL_GUARDED_BY(mutex) = false;
  bool is_seeing_to_previous PAWL_GUARDED_BY(mutex) = false;
  bool previous_seen_to PAWL_GUARDED_BY(mutex) = false;  // so the next look has a new time
  Deadline next_previous PAWL_GUARDED_BY(mutex) = no_deadline;
  std::set<TaskId> driven PAWL_GUARDED_BY(mutex);       // by a thread of `workers`, now
  std::set<TaskId> drive_again PAWL_GUARDED_BY(mutex);  // flagged meanwhile
  std::set<TaskId> waiting_for_lease PAWL_GUARDED_BY(mutex);
  std::map<JobId, std::uint64_t> exits_waiting_for_lease PAWL_GUARDED_BY(mutex);
  bool retrying_orphans PAWL_GUARDED_BY(mutex) = false;

  bool has_commands PAWL_GUARDED_BY(mutex) = false;  // whether this daemon runs any pipeline's agent
  bool reconciler_enabled PAWL_GUARDED_BY(mutex) = true;
  bool stop_enabled PAWL_GUARDED_BY(mutex) = true;
  std::chrono::seconds reconciler_interval PAWL_GUARDED_BY(mutex){0};
  ReconcilerTotals totals PAWL_GUARDED_BY(mutex);
};

}  // namespace pawl
