// The state: everything that the log has decided so far, in ordered tables, with a digest over the rows.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "engine/state/claimable_jobs.h"
#include "engine/state/digest.h"
#include "engine/state/rows.h"
#include "engine/state/settings.h"
#include "engine/state/table.h"

namespace pawl {

/// The boot name of the daemon.
constexpr std::string_view daemon_name = "pawld";

/// A finished task, with its jobs, on its way to the archive (SPEC §4).
struct ArchivedTask {
  Task task;
  std::vector<Job> jobs;
};

/// The answers to retries with the same idempotency key: the last `limits::keyed_records_max` of them.
class KeyMemory {
 public:
  /// The row for a principal's key or, if there is none, the row from before keys were recorded with their owner.
  const KeyRow* find(const std::string& principal, const std::string& key) const;
  /// Forgets the oldest beyond the limit.
  void remember(KeyRow row);
  /// Oldest first.
  const std::map<std::uint64_t, KeyRow>& rows() const { return by_order_; }

 private:
  std::map<std::uint64_t, KeyRow> by_order_;
  std::map<std::pair<std::string, std::string>, std::uint64_t> order_of_;  // by principal and key
  std::uint64_t next_order_ = 1;
};

/// How many open jobs an agent has.
struct AgentJobs {
  std::uint64_t queued = 0;
  std::uint64_t running = 0;
  friend bool operator==(const AgentJobs&, const AgentJobs&) = default;
};

/// Indexes and counts that follow every change to a row, so no answer has to scan the tables. Not in the digest: they
/// are derived from rows, except the totals of archived tasks, which checkpoints store.
struct Indexes {
  std::map<std::pair<std::string, std::string>, TaskId> live_work_items;  // (repo, work item)
  // The tasks in memory, by one of their names. By work item: by name_hash(), so that no name is stored twice; look at
  // the row as well.
  std::map<std::string, std::set<TaskId>, std::less<>> tasks_in_stage;
  std::map<std::string, std::set<TaskId>, std::less<>> tasks_in_repo;
  std::set<std::pair<std::uint64_t, TaskId>> tasks_by_work_item;
  // How many follow a definition: of all in memory, and of the live ones.
  std::map<Seq, std::uint64_t> tasks_of_pipeline;
  std::map<Seq, std::uint64_t> live_of_pipeline;
  std::set<std::pair<TaskId, JobId>> jobs_of_task;
  std::set<std::pair<TaskId, JobId>> open_jobs;  // of those, the queued and running ones
  std::set<JobId> queued;
  ClaimableJobs claimable;
  // Queued jobs in a retry pause, by agent and then by the end of the pause.
  std::map<std::string, std::set<std::pair<TimeUs, JobId>>> paused;
  std::set<std::pair<TimeUs, TaskId>> not_before;  // the live tasks that have such a time, by it; it may be over
  std::set<JobId> running;
  std::set<std::pair<TaskId, JobId>> barred;      // jobs that left a process behind
  std::set<std::pair<TimeUs, JobId>> claim_ends;  // running jobs whose claim has a ttl, by its end
  std::map<std::string, std::uint64_t> running_by_repo;
  std::map<std::string, AgentJobs> jobs_of_agent;  // of the agents that have any
  std::set<std::pair<TaskId, TaskId>> dependents;  // (task, live task that depends on it)
  std::set<TaskId> blocked;
  std::map<std::string, std::uint64_t> step_runs;                // how many steps of tasks in memory have each PAWL_RUN
  std::set<TaskId> cancel_standing;                              // requested, and not yet carried out
  std::set<std::pair<std::string, std::string>> leases_of_boot;  // (boot id, key)
  std::uint64_t task_leases = 0;                                 // on `task:` keys
  std::map<std::string, std::string, std::less<>> boot_in_force;  // boot id by name
  // What each principal has (the daemon's own under ""): boots in force, leases, live tasks.
  std::map<std::string, std::uint64_t, std::less<>> boots_of_principal;
  std::map<std::string, std::uint64_t, std::less<>> leases_of_principal;
  std::map<std::string, std::uint64_t, std::less<>> tasks_of_principal;
  std::uint64_t archived_done = 0;
  std::uint64_t archived_cancelled = 0;
};

/// For indexes: two names may have the same.
std::uint64_t name_hash(std::string_view name);

/// Threads: the sequencer's only; others get copies of rows.
class State {
 public:
  Table<TaskId, Task> tasks;
  Table<JobId, Job> jobs;
  Table<std::string, Lease> leases;
  Table<std::string, Boot> boots;
  Table<Seq, PipelineRow> pipelines;
  Table<std::string, SettingRow> settings_changed;  // every setting ever changed, by key
  Table<std::string, RepoRow> repos;
  Table<std::string, HoldRow> holds;      // by place
  Table<std::string, FreezeRow> freezes;  // by the pipeline's name
  Table<int, Ids> ids;                    // one row, with key 0
  KeyMemory keys;
  Indexes indexes;

  Seq last_seq{};
  TimeUs last_time;

  State();
  State(State&&) = default;
  State& operator=(State&&) = default;

  /// Follows settings_changed.
  const Settings& settings() const { return settings_; }
  /// 64-bit sum over the hashes of all rows, archived ones included.
  std::uint64_t digest() const { return digest_; }

  /// Whether that id was ever assigned. Ids that a restore skipped count as never assigned.
  bool given_out(TaskId task) const;
  bool given_out(JobId job) const;
  /// How many times the log was restored from a backup.
  std::uint64_t restores() const;

  /// The boot in force with that name; null if there is none.
  const Boot* boot_named(std::string_view name) const;
  /// The definition in force under that name; null if there is none.
  const PipelineRow* pipeline_in_force(std::string_view name) const;
  /// Whether tasks may name that repository. While none is declared, any name will do.
  bool is_known_repo(const std::string& repo) const;
  const Pipeline& pipeline_of(const Task& task) const { return *pipelines.find(task.pipeline)->definition; }
  /// The live tasks with that work item, in any repository, by id.
  std::vector<TaskId> live_tasks_of(std::string_view work_item) const;
  /// The task's stage; null when it is terminal.
  const Stage* stage_of(const Task& task) const { return pipeline_of(task).stage(task.stage); }

  /// The lease on a key, live or not; null if the key is free.
  const Lease* lease(std::string_view key) const { return leases.find(key); }
  /// Whether the lease is held, its boot is not stale and its ttl has not expired (SPEC §4).
  bool is_live(const Lease& lease, TimeUs now) const;
  /// The task's queued or running job at its current version; null if there is none.
  const Job* open_job(const Task& task) const;
  /// The task's running job, at any version; null if there is none.
  const Job* running_job(TaskId task) const;

  // For apply() and groups only.

  /// Ends a record: updates the digest, the indexes and the settings for the rows it touched.
  void settle();
  /// The waiting claims that the settled record may have freed.
  const FreedClaims& freed() const { return freed_; }
  /// Undoes, or makes final, every record since the last call of either.
  void undo_group();
  void keep_group();
  /// The tasks that the current group has changed, or a job or the lease of; in any order, some more than once.
  std::span<const TaskId> touched_tasks() const { return touched_; }
  /// Removes the tasks that the group left finished: terminal, no queued or running job, no lease. Call after
  /// keep_group().
  std::vector<ArchivedTask> archive_finished();

  // For loading a checkpoint only, after Table::load has put the rows in place.

  /// Recomputes hashes, digest, indexes and settings. `archived_digest` represents the rows in the archive.
  void loaded(std::uint64_t archived_digest, std::uint64_t archived_done, std::uint64_t archived_cancelled);
  std::uint64_t archived_digest() const { return archived_digest_; }

 private:
  void index(const Task* before, const Task* after);
  void index_names(const Task* before, const Task* after);
  void index(const Job* before, const Job* after);
  void index(const Lease* before, const Lease* after);
  void index(const Boot* before, const Boot* after);
  void index(const PipelineRow*, const PipelineRow*) {}
  void index(const SettingRow*, const SettingRow*) {}
  void index(const RepoRow*, const RepoRow*) {}
  void index(const HoldRow*, const HoldRow*) { holds_touched_ = true; }
  void index(const FreezeRow*, const FreezeRow*) { holds_touched_ = true; }
  void index(const Ids*, const Ids*) {}
  template <class Row>
  void settle_row(RowKind kind, const Row* before, Row* after);
  template <class Key, class Row>
  void undo_table(Table<Key, Row>& table);
  template <class Key, class Row>
  void load_table(RowKind kind, Table<Key, Row>& table);
  void follow_settings();
  /// Brings indexes.claimable up to date, once all rows of a record are in place.
  void follow_claimable();
  /// Whether the number of running jobs is at its limit.
  bool is_full() const;

  Settings settings_;
  std::uint64_t digest_ = 0;
  std::uint64_t archived_digest_ = 0;
  std::vector<TaskId> touched_;       // by the current group
  std::vector<TaskId> claims_moved_;  // whose queued jobs follow_claimable() looks at
  FreedClaims freed_;
  bool holds_touched_ = false;  // by the current record, or an override, or the time of a task
};

/// "'shpo' is not a declared repository; did you mean …": the message for an unknown repository. It suggests only
/// repositories that the requester may see; empty: all of them.
std::string no_repo_named(const State& state, const std::string& name,
                          const std::function<bool(const std::string& repo)>& is_shown = {});

/// The same for a pipeline; suggests only those in force.
std::string no_pipeline_named(const State& state, const std::string& name);
/// The same for a stage where a task may start.
std::string no_stage_named(const Pipeline& pipeline, std::string_view name);

/// Whether ownership of a key is checked. Keys of tasks and repositories follow the kill switch; all others are always
/// checked.
bool is_key_checked(const State& state, const std::string& key);

/// The reason that blocks a live task after a restore, until an operator confirms that the target was checked and that
/// nothing from the lost records is still running (SPEC §5). If the task was already blocked, its earlier reason
/// follows this one.
constexpr std::string_view blocked_as_restored = "restored";
bool is_restored(const Task& task);

/// Whether a principal may act for a boot and for what it holds. A boot belongs to the principal that registered it,
/// one from before principals to everyone, and the daemon's own boot to the daemon alone.
bool belongs_to(const Boot& boot, std::string_view principal);

/// Whether, by the records, the job's agent is running and that boot owns it.
bool runs_an_agent_of(const Job& job, std::string_view boot);
/// The same for any job of the task: a task that was moved by hand may have several running jobs.
bool is_worked_on_by(const State& state, TaskId task, std::string_view boot);
/// Whether new work on the task must wait for a dependency: a task that it depends on is not finished, or was cancelled
/// while `queue.cancelled_dependency` is `hold` (SPEC §4).
bool waits_for_dependency(const State& state, const Task& task);
/// Whether a process that an earlier attempt left behind blocks every claim for the task (SPEC §8).
bool is_barred(const State& state, TaskId task);
/// Why the job cannot be claimed, apart from a pause, the serial gate and the concurrency limit; `accepted` if nothing
/// but these can prevent it.
Outcome claim_obstacle(const State& state, const Job& job);
/// Whether the crossing at the task's current version is committed: an irreversible step of it is started, done or in
/// doubt (StepRow::in_doubt).
bool is_committed(const Task& task);
/// Whether anything other than doubt keeps it committed.
bool is_committed_beyond_doubt(const Task& task);
/// The stage that the committed crossing leads to; empty if no crossing is committed.
std::string_view committed_to(const Task& task);
/// The task's step that has started and is not settled; null if there is none.
const StepRow* open_step(const Task& task);
/// The step of the current crossing that is in doubt and not started; null if there is none.
const StepRow* doubtful_step(const Task& task);

}  // namespace pawl
