// The reaper: what to do about a running job (SPEC §6). The decision is a pure function of observations; the pass
// around it proposes the result, and carries out the exit-zero rule: claim first, then act.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/policies/machine.h"
#include "engine/policies/world.h"

namespace pawl {

/// How many times in a row a run looked dead.
struct Streak {
  std::uint64_t attempt = 0;
  std::int64_t passes = 0;
  TimeUs first_dead;
};

/// What a pass saw of one running job.
struct ReapObservation {
  Job job;
  Settings settings;
  TimeUs now;
  Liveness life = Liveness::unknown;  // of its run's process
  bool owner_alive = true;            // its owner's boot is current and its process lives
  bool finalizer_alive =
      false;      // a live owner is finishing it, by the task's lease or, where marks replace leases, by the mark
  Streak streak;  // from before this pass
};

enum class ReapMove {
  leave,
  exit_zero,  // tier 2: exit code 0 is recorded, and nothing is finishing the job
  retry,      // apply the retry rule
};

struct ReapDecision {
  ReapMove move = ReapMove::leave;
  fb::Tier tier = fb::Tier::pid_dead;  // if the job moves
  bool deferred = false;               // to a live finalizer, on this pass
  bool claim_ended = false;            // by its ttl
  Streak streak;                       // after this pass
};

/// The table of SPEC §6.
[[nodiscard]] ReapDecision reap_decision(const ReapObservation& observation);

/// Whether finalizer marks are consulted for a job of that stage (SPEC §7, fallback).
[[nodiscard]] bool marks_count_on(std::string_view stage);

/// A running job, and what a pass has to know of its task.
struct WatchedRun {
  Job job;
  std::shared_ptr<const Boot> owner_boot;
  std::optional<Lease> lease;              // on the task
  std::shared_ptr<const Boot> lease_boot;  // its owner's; null without a lease
  std::string repo;
  std::string stage;  // the task's
};

/// One copy of each boot of a state, for as long as it does not change: most runs have the same few owners.
class BootCopies {
 public:
  std::shared_ptr<const Boot> copy_of(const Boot& boot);

 private:
  std::map<const Boot*, std::shared_ptr<const Boot>> copies_;  // only looked up, never walked
};

[[nodiscard]] WatchedRun watched_run(const State& state, const Job& running, BootCopies& boots);
[[nodiscard]] WatchedRun watched_run(const TaskView& view, const RunningJob& running);

/// Whether a live owner is finishing the job: it holds the task's lease; or, with ownership off for the repository, the
/// job is marked, marks count (`reaper.finalizer_liveness`) and the task is on deploy-staging.
[[nodiscard]] bool finalizer_is_alive(const WatchedRun& run, const Settings& settings, bool lease_owner_alive);

/// What is remembered from one pass to the next; lost at a restart.
using Streaks = std::map<JobId, Streak>;

/// What a pass sees of a run.
[[nodiscard]] ReapObservation reap_observation(const WatchedRun& run, const Settings& settings, World& world,
                                               TimeUs now, const Streaks& streaks);
/// Whether a pass has nothing to do about the run, and nothing to remember of it. Then it needs no closer look.
[[nodiscard]] bool is_left_alone(const WatchedRun& run, const Settings& settings, World& world, TimeUs now,
                                 const Streaks& streaks);

struct Reaped {
  ReapMove move = ReapMove::leave;
  bool deferred = false;
  bool reaped = false;              // a JobReaped was accepted
  std::int64_t past_ceiling_s = 0;  // how far the job was past max_running_s
  std::string trouble;              // what went wrong with this job; the pass goes on
};

/// What a part of a pass carries out directly.
enum class ReapMode {
  all,            // may block for as long as the stage's gate takes, and the steps of the advance that follows
  but_exit_zero,  // that decision is only reported; nothing blocks
};

/// Whole seconds since the pass before began, by a clock that never leaps; none for the first one of a boot. It is
/// asked just before a proposal, after the machine's clock: a daemon that sleeps in between shows too many, never too
/// few.
using SincePass = std::function<std::optional<std::int64_t>()>;

/// One job's part of a pass: looks, decides, proposes. `pid` is the reaper's own; without `since_pass` the evidence
/// does not say when the pass before was.
Reaped reap_job(Machine& machine, World& world, TaskId task, JobId job, Streaks& streaks, const Requester& requester,
                std::int64_t pid, ReapMode mode = ReapMode::all, const SincePass& since_pass = {});

/// Why a pass frees a lease; none if it does not. With `lease.reclaim_enabled`: its ttl has expired or its owner is
/// dead. Always: it is a `task:` lease older than max_running_s whose task has no running job.
[[nodiscard]] std::optional<fb::ReclaimReason> reclaim_reason(const Lease& lease, const Settings& settings, TimeUs now,
                                                              bool owner_alive, bool task_job_runs);

/// A lease to free after the jobs, and why.
struct LeaseToReclaim {
  std::string key;
  Token token{};
  fb::ReclaimReason reason{};
};

/// All leases that reclaim_reason() names, by key.
[[nodiscard]] std::vector<LeaseToReclaim> leases_to_reclaim(
    const State& state, TimeUs now, const std::function<bool(const Owner&, const Boot&)>& owner_alive);

}  // namespace pawl
