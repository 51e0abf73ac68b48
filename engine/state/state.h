// The state: everything that the log has decided so far, in ordered tables, with the digest over its rows.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "engine/state/digest.h"
#include "engine/state/rows.h"
#include "engine/state/settings.h"
#include "engine/state/table.h"

namespace pawl {

/// The name under which the daemon boots.
constexpr std::string_view daemon_name = "pawld";

/// A finished task on its way out of memory, with its jobs (SPEC §4).
struct ArchivedTask {
  Task task;
  std::vector<Job> jobs;
};

/// What a retry with the same idempotency key is answered with: the last `limits::keyed_records_max` of them.
class KeyMemory {
 public:
  /// The row of a principal's key. Where it has none, that of a log of before, which did not say whose its keys are.
  const KeyRow* find(const std::string& principal, const std::string& key) const;
  /// Forgets the oldest beyond the bound.
  void remember(KeyRow row);
  /// Oldest first.
  const std::map<std::uint64_t, KeyRow>& rows() const { return by_order_; }

 private:
  std::map<std::uint64_t, KeyRow> by_order_;
  std::map<std::pair<std::string, std::string>, std::uint64_t> order_of_;  // by principal and key
  std::uint64_t next_order_ = 1;
};

/// Sums that follow every change of a row, so that no answer has to walk the tables. Not in the digest: they are
/// derived from rows, but for the totals of archived tasks, which checkpoints keep.
struct Indexes {
  std::map<std::pair<std::string, std::string>, TaskId> live_work_items;  // (repo, work item)
  std::map<std::string, std::uint64_t> tasks_by_stage;                    // those in memory
  std::set<std::pair<TaskId, JobId>> jobs_of_task;
  std::set<JobId> queued;
  // Of those, by repository and agent: where a repository is taken, a claim passes over all of its jobs at once.
  std::map<std::string, std::map<std::string, std::set<JobId>>> queued_by_repo;
  std::set<std::pair<TimeUs, JobId>> paused;  // of those: by the time before which they are not claimed
  std::set<JobId> running;
  std::set<std::pair<TaskId, JobId>> barred;      // jobs that left a process behind
  std::set<std::pair<TimeUs, JobId>> claim_ends;  // of those: by the end of a claim that is to be renewed
  std::map<std::string, std::uint64_t> running_by_repo;
  std::set<std::pair<TaskId, TaskId>> dependents;  // (task, live task that depends on it)
  std::set<TaskId> blocked;
  std::map<std::string, std::uint64_t> step_runs;  // of steps of tasks in memory: how many bear each PAWL_RUN
  std::set<TaskId> cancel_standing;                // requested, and not yet carried out
  std::set<std::pair<std::string, std::string>> leases_of_boot;   // (boot id, key)
  std::map<std::string, std::string, std::less<>> boot_in_force;  // boot id by name
  // What each principal has, the daemon's own under "": boots in force, leases, live tasks.
  std::map<std::string, std::uint64_t> boots_of_principal;
  std::map<std::string, std::uint64_t> leases_of_principal;
  std::map<std::string, std::uint64_t> tasks_of_principal;
  std::uint64_t archived_done = 0;
  std::uint64_t archived_cancelled = 0;
};

/// Threads: the sequencer's alone; others get copies of rows.
class State {
 public:
  Table<TaskId, Task> tasks;
  Table<JobId, Job> jobs;
  Table<std::string, Lease> leases;
  Table<std::string, Boot> boots;
  Table<Seq, PipelineRow> pipelines;
  Table<std::string, SettingRow> settings_changed;  // those that were ever set, by key
  Table<std::string, RepoRow> repos;
  Table<int, Ids> ids;  // one row, of key 0
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

  /// Whether that id was ever given out. What a restore left out was not, as far as this log knows.
  bool given_out(TaskId task) const;
  bool given_out(JobId job) const;
  /// How often the log was restored from a backup.
  std::uint64_t restores() const;

  /// The boot in force of that name; null if there is none.
  const Boot* boot_named(std::string_view name) const;
  /// The definition in force under that name; null if there is none.
  const PipelineRow* pipeline_in_force(std::string_view name) const;
  /// Whether tasks may name that repository: any, as long as none is declared.
  bool is_known_repo(const std::string& repo) const;
  const Pipeline& pipeline_of(const Task& task) const { return *pipelines.find(task.pipeline)->definition; }
  /// The task's stage; null when it is terminal.
  const Stage* stage_of(const Task& task) const { return pipeline_of(task).stage(task.stage); }

  /// The lease on a key, whether live or not; null if it is free.
  const Lease* lease(const std::string& key) const { return leases.find(key); }
  /// Held, its boot not stale, its ttl not run out (SPEC §4).
  bool is_live(const Lease& lease, TimeUs now) const;
  /// The task's queued or running job of its present version; null if there is none.
  const Job* open_job(const Task& task) const;
  /// The running job of the task, of whatever version; null if there is none.
  const Job* running_job(TaskId task) const;

  // For apply and group alone.

  /// Ends a record: brings digest, indexes and settings up to date with the rows that it touched.
  void settle();
  /// Takes back, or makes final, every record since the last of either.
  void undo_group();
  void keep_group();
  /// Removes the tasks that the group left finished: terminal, no queued or running job, no lease. After keep_group().
  std::vector<ArchivedTask> archive_finished();

  // For loading a checkpoint alone: rows were put in place by Table::load.

  /// Recomputes hashes, digest, indexes and settings. `archived_digest` stands for the rows in the archive.
  void loaded(std::uint64_t archived_digest, std::uint64_t archived_done, std::uint64_t archived_cancelled);
  std::uint64_t archived_digest() const { return archived_digest_; }

 private:
  void index(const Task* before, const Task* after);
  void index(const Job* before, const Job* after);
  void index(const Lease* before, const Lease* after);
  void index(const Boot* before, const Boot* after);
  void index(const PipelineRow*, const PipelineRow*) {}
  void index(const SettingRow*, const SettingRow*) {}
  void index(const RepoRow*, const RepoRow*) {}
  void index(const Ids*, const Ids*) {}
  template <class Row>
  void settle_row(RowKind kind, const Row* before, Row* after);
  template <class Key, class Row>
  void undo_table(Table<Key, Row>& table);
  template <class Key, class Row>
  void load_table(RowKind kind, Table<Key, Row>& table);
  void follow_settings();

  Settings settings_;
  std::uint64_t digest_ = 0;
  std::uint64_t archived_digest_ = 0;
  std::set<TaskId> maybe_finished_;  // touched by the group in hand
};

/// "'shpo' is not a declared repository; did you mean …": what is wrong with such a name. What is meant is one of those
/// that are shown to who asks; empty: all are.
std::string no_repo_named(const State& state, const std::string& name,
                          const std::function<bool(const std::string& repo)>& is_shown = {});

/// The same for a pipeline, of those in force.
std::string no_pipeline_named(const State& state, const std::string& name);
/// The same for a stage where a task may begin.
std::string no_stage_named(const Pipeline& pipeline, std::string_view name);

/// Whether ownership of a key is checked: keys of tasks and repositories follow the kill switch, all others always are.
bool is_key_checked(const State& state, const std::string& key);

/// Why a live task is blocked after a restore, until an operator says that its target was looked at, and that nothing
/// of what was lost still acts (SPEC §5). One that was blocked before has that reason behind this one.
constexpr std::string_view blocked_as_restored = "restored";
bool is_restored(const Task& task);

/// Whether a principal may act for a boot, and for what that holds: a boot belongs to who registered it, one of a log
/// of before to all, and the daemon's to itself alone.
bool belongs_to(const Boot& boot, std::string_view principal);

/// Whether the job's agent runs, as far as is recorded, and that boot owns it.
bool runs_an_agent_of(const Job& job, const std::string& boot);
/// The same for any job of the task: a task that was moved by hand may have several that run.
bool is_worked_on_by(const State& state, TaskId task, const std::string& boot);
/// Whether a task's crossing at its present version is committed: an irreversible step of it is started or done, or in
/// doubt (StepRow::in_doubt).
bool is_committed(const Task& task);
/// Whether something else than a doubt keeps it committed.
bool is_committed_beyond_doubt(const Task& task);
/// The stage to which the committed crossing leads; empty if none is.
std::string_view committed_to(const Task& task);
/// The step of the task that is started and not settled; null if there is none.
const StepRow* open_step(const Task& task);
/// The step of the present crossing that is in doubt and not started; null if there is none.
const StepRow* doubtful_step(const Task& task);

}  // namespace pawl
