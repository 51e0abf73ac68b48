// What the parts of the executor share. For daemon/executor*.cc alone.
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
#include "store/os/mutex.h"

namespace pawl {

/// The machine as the executor's paths see it. Once the daemon is to end, nothing new may begin: a path that is still
/// under way is told what it would be told at the next start, that its boot is stale. Facts are still taken.
class EndingMachine final : public Machine {
 public:
  explicit EndingMachine(Machine& machine) : machine_(machine) {}

  enum class Phase {
    open,
    finishing,  // what began may come to its end, and nothing begins
    draining,   // how agents and steps ended is still taken
    closed,     // only that they were done: what was cut off has not failed, it is unknown
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
  /// Until all jobs have come to an end, and steps and probes too; or the deadline, or somebody hurries.
  void await_end(Deadline deadline);
  /// A repository was declared or removed: what is known of its old origin no longer holds.
  void note_repo(const fb::Record& record) PAWL_REQUIRES(mutex);
  void learn_origins();
  /// The one thread that hands out work.
  void run();
  void look_after(std::set<TaskId> tasks, const std::set<TaskId>& ended, const std::map<JobId, std::uint64_t>& exits);
  std::set<TaskId> dependents_of(const std::set<TaskId>& ended);
  void read_settings();
  void end_what_earlier_boots_left();
  void warn(const std::string& text) const {
    if (options.warn) options.warn(text);
  }
  Asker asker(const std::string& actor) const {
    return {.boot = options.boot_id, .actor = actor, .key = {}, .request = {}};
  }

  // executor_listen.cc

  /// What a record gives run() to look at.
  struct News {
    bool tasks = false;  // in `flagged` or `exited`
    bool jobs = false;   // that may be claimed now
  };
  /// From the sequencer's threads: notes what is to be done, and calls off what has to end.
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
  /// After a run is reported as over, or reaped: see_to_previous() checks what is left of it.
  void take_back(JobId job, bool is_to_end) PAWL_REQUIRES(mutex);
  void note_path_end();

  // executor_jobs.cc

  /// A claimed job whose process this is to run.
  struct Claim {
    JobId job{};
    std::uint64_t attempt = 0;
    TaskId task{};
    Version version{};
    Agent agent;
    CommandContext context;
    std::optional<Worktree> tree;  // prepared before the claim; none where there is no origin
    std::string no_tree;           // why there is none, although there should be
    CommandEnv env;                // as it was read right before the claim
  };
  struct Running {
    std::uint64_t attempt = 0;  // 0 until it is claimed
    TaskId task{};
    std::unique_ptr<CallOff> off;
    std::unique_ptr<RunningThread> thread;
    bool waits = false;  // for a lease, before the next try at its exit
    bool ended = false;  // its thread is about to be joined
  };
  /// Says that the thread of a job has ended, however it did, or will never have begun.
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
  /// Claims what can be claimed. From run() alone.
  void claim_jobs();
  /// That a command has begun to wait for a variable: once, for the history.
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
    Variables env = {};          // of its agent
    CommandContext context = {};
  };
  /// The first of those that can be claimed, but for some.
  std::optional<Claimable> claimable(std::set<JobId> passed_over);
  std::optional<Claim> claim(JobId job);
  /// A variable that cannot be had now is tried again by itself, as an origin is.
  static constexpr std::chrono::seconds variable_again{2};
  void run_job(Running& entry, const Claim& claim);
  /// The process, from its start to the record of its exit. False if the daemon ends meanwhile, or the attempt is no
  /// longer ours.
  bool run_agent(Running& entry, const Claim& claim);
  /// Records the exit; false if that was refused.
  bool record_exit(const Claim& claim, std::int64_t code);
  bool is_ours(JobId job, std::uint64_t attempt);

  enum class Monitored { finished, waiting };  // for a lease
  /// What follows an exit code, one try at it.
  Monitored monitor(JobId job, std::uint64_t attempt);
  /// For somebody else's run, on a worker's thread.
  void monitor_once(JobId job, std::uint64_t attempt);
  void finish_job(JobId job, std::uint64_t attempt, fb::JobResult result);
  template <class Event>
  void mark(JobId job) {
    Event event;
    event.job = raw(job);
    machine.propose(propose_group(asker("monitor"), event));
  }
  void join_ended();
  void retry_leftovers();

  // executor_trees.cc

  /// A worktree that is made ready for a job before that is claimed: while origin is away nothing is held.
  struct Preparation {
    std::uint64_t attempts = 0;  // of the job when it began
    TaskId task{};
    std::string repo;
    std::unique_ptr<CallOff> off;
    std::unique_ptr<RunningThread> thread;
    enum class State {
      working,
      waits,  // until then nothing is tried
      ready,  // until then it is fresh enough to be claimed with
    };
    State state = State::working;
    Deadline until = no_deadline;
    bool ended = false;        // its thread is about to be joined
    bool is_outdated = false;  // origin is somewhere else by now
    std::optional<Worktree> tree;
    std::string no_tree;  // the attempt is to fail with that
  };
  /// Whether the job's worktree is ready to be claimed with; if not, sees to it that it will be. From run() alone.
  bool is_prepared(const Claimable& next);
  void prepare(Preparation& entry, const Claimable& next);
  void wait_for_path(const Claimable& next);
  /// Of a job that is about to be claimed.
  void take_tree(JobId job, Claim& claim) PAWL_REQUIRES(mutex);
  /// Calls off what is being prepared for a task.
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
  /// Answers all that wait for one repository, with one question to its origin.
  void answer_branch_asks(const std::string& repo);
  // executor_tasks.cc

  /// Whether a path has the step's process under way.
  bool runs_step(const StepPlace& place);
  /// The boot that began the step of a place; none if it is forgotten.
  std::optional<Boot> starter_of(const StepPlace& place);
  /// The reconciler's part for one task, on a worker's thread.
  void drive(TaskId task);
  /// What is to be done about a task that is being driven already.
  enum class IfDriven {
    enough,  // nothing: whoever drives it looks at it
    again,   // something has changed: it is looked at again afterwards
  };
  void post_drive(TaskId task, IfDriven if_driven);
  /// A whole pass over the tasks.
  void reconcile_all();

  // executor_cleanup.cc

  /// After a finished task: its folder goes, and of a cancelled one the branch at origin.
  void clean_up(TaskId task);
  bool is_finished(TaskId task);
  Result<Task> finished_task(TaskId task);
  /// On the thread for it, which an origin that hangs may keep busy.
  void delete_branch(const Task& cancelled);
  std::string why_kept(const Task& cancelled);
  void note_on_branch(const Task& cancelled, const std::string& text);
  bool is_worked_on(const std::string& repo, const std::string& branch);
  void remove_folder(TaskId task);

  // executor_outside.cc

  /// The process of a run that somebody else began, as it was reported.
  struct OutsideRun {
    std::int64_t pid = 0;
    std::int64_t pid_start = 0;
    std::string boot;  // of whoever reported it
    /// Opened when it was reported, if it was there then: it means that very process for good. May be null.
    std::shared_ptr<OtherProcess> process = nullptr;
    bool is_its = false;  // seen to be of the worker that reported it: only then is it ended
  };
  struct FoundOutside {
    JobId job{};
    TaskId task{};
    OutsideRun run;
    bool is_cancelled = false;
  };
  std::vector<FoundOutside> look_for_outside_runs();
  /// At the start: what other boots run by now; ends what a standing cancel wants ended.
  void find_outside_runs();
  /// After a cancel, on a worker's thread.
  void end_outside_of(TaskId task);
  void end_outside(const OutsideRun& run);
  std::optional<Boot> boot_of(const std::string& boot);

  // executor_previous.cc

  /// Keeps a handle on a process that has just been reported. On the thread for that, like what follows.
  void open_reported(JobId job, const OutsideRun& run);
  /// A worker's run whose attempt is over without its word.
  struct TakenBack {
    OutsideRun run;
    bool is_to_end = false;  // also if it bars nothing
  };
  /// What a barring process was told until now.
  struct LeftProcess {
    Previous previous;
    std::shared_ptr<OtherProcess> process = nullptr;
    bool is_its = false;                          // as OutsideRun's
    std::optional<Deadline> told = std::nullopt;  // by SIGTERM: when
    bool is_warned_of = false;
  };
  enum class PreviousEnd { gone, told, alive };
  /// A look at all that bars the claims of its task.
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
  std::map<std::pair<JobId, std::uint64_t>, LeftProcess> left_behind;  // by job and attempt; of that thread alone
  /// When jobs that were passed over for a variable are looked at again. Of run() alone.
  std::optional<Deadline> variables_again;
  std::uint64_t subscription = 0;
  std::unique_ptr<RunningThread> thread;  // runs run()

  mutable Mutex mutex;
  const std::unique_ptr<Signal> wake;
  bool ending PAWL_GUARDED_BY(mutex) = false;    // nothing new begins
  bool stopping PAWL_GUARDED_BY(mutex) = false;  // what runs is ended
  bool stopped PAWL_GUARDED_BY(mutex) = false;   // stop() was called
  unsigned hurries PAWL_GUARDED_BY(mutex) = 0;   // how often somebody could not wait for the next part of the end
  std::chrono::seconds stop_grace PAWL_GUARDED_BY(mutex){0};

  // What the log said, for run() to see to.
  bool jobs_changed PAWL_GUARDED_BY(mutex) = true;
  TimeUs log_time PAWL_GUARDED_BY(mutex);  // of the last record
  std::optional<TimeUs> pause_end
      PAWL_GUARDED_BY(mutex);  // by the clock of the log: when the next pause between two tries ends
  bool settings_changed PAWL_GUARDED_BY(mutex) = true;
  std::set<TaskId> flagged PAWL_GUARDED_BY(mutex);               // may stand where the reconciler drives them
  std::set<JobId> flagged_jobs PAWL_GUARDED_BY(mutex);           // whose tasks may
  std::set<TaskId> finished PAWL_GUARDED_BY(mutex);              // came to a terminal stage
  std::map<JobId, std::uint64_t> exited PAWL_GUARDED_BY(mutex);  // runs of others, by job: the attempt
  std::uint64_t leases_freed PAWL_GUARDED_BY(mutex) = 0;         // counts, for those who wait
  const std::unique_ptr<Signal> lease_freed;

  std::map<JobId, Running> running PAWL_GUARDED_BY(mutex);           // nodes stay where they are
  std::map<JobId, Preparation> preparations PAWL_GUARDED_BY(mutex);  // likewise
  /// Tasks that a path gave up for an origin or a variable, and when it is tried again.
  std::map<TaskId, Deadline> waiting_for_outside PAWL_GUARDED_BY(mutex);
  bool outside_changed PAWL_GUARDED_BY(mutex) = false;  // so there is a new time for the next look
  std::map<std::string, std::vector<BranchAsk>> branch_asks
      PAWL_GUARDED_BY(mutex);  // by repository: those that no question answers yet
  std::map<JobId, std::vector<std::string>> leftovers PAWL_GUARDED_BY(mutex);  // runs that are not known to be gone
  std::map<JobId, OutsideRun> outside_runs PAWL_GUARDED_BY(mutex);
  std::map<JobId, TakenBack> taken_back PAWL_GUARDED_BY(mutex);  // of those, for see_to_previous()
  bool previous_changed PAWL_GUARDED_BY(mutex) = false;
  bool is_seeing_to_previous PAWL_GUARDED_BY(mutex) = false;
  bool previous_seen_to PAWL_GUARDED_BY(mutex) = false;  // so there is a new time for the next look
  Deadline next_previous PAWL_GUARDED_BY(mutex) = no_deadline;
  std::set<TaskId> driven PAWL_GUARDED_BY(mutex);       // by a worker, now
  std::set<TaskId> drive_again PAWL_GUARDED_BY(mutex);  // flagged meanwhile
  std::set<TaskId> waiting_for_lease PAWL_GUARDED_BY(mutex);
  std::map<JobId, std::uint64_t> exits_waiting_for_lease PAWL_GUARDED_BY(mutex);
  bool retrying_leftovers PAWL_GUARDED_BY(mutex) = false;

  bool has_commands PAWL_GUARDED_BY(mutex) = false;  // whether any pipeline has an agent that is run from here
  bool reconciler_enabled PAWL_GUARDED_BY(mutex) = true;
  bool stop_enabled PAWL_GUARDED_BY(mutex) = true;
  std::chrono::seconds reconciler_interval PAWL_GUARDED_BY(mutex){0};
  ReconcilerTotals totals PAWL_GUARDED_BY(mutex);
};

}  // namespace pawl
