// The reaper: what is to be done about a job that runs (SPEC §6). The decision is a pure function of what was seen; the
// pass around it proposes it, and carries out the exit-zero rule: claim first, act afterwards.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "engine/policies/machine.h"
#include "engine/policies/world.h"

namespace pawl {

/// How often in a row a run looked dead.
struct Streak {
  std::uint64_t attempt = 0;
  std::int64_t passes = 0;
  TimeUs first_dead;
};

/// What a pass saw of one running job.
struct ReapSight {
  Job job;
  Settings settings;
  TimeUs now;
  Life life = Life::unknown;     // of its run's process
  bool owner_alive = true;       // its owner's boot is current and its process lives
  bool finalizer_alive = false;  // a live owner finishes it: the task's lease, or the mark where that stands in
  Streak streak;                 // before this pass
};

enum class ReapMove {
  leave,
  exit_zero,  // tier 2: exit code 0 is recorded, and nobody finishes it
  retry,      // by the retry rule
};

struct ReapDecision {
  ReapMove move = ReapMove::leave;
  fb::Tier tier = fb::Tier::pid_dead;  // when it moves
  bool deferred = false;               // to a live finalizer, on this pass
  bool claim_ended = false;            // by its ttl
  Streak streak;                       // after this pass
};

/// The table of SPEC §6.
[[nodiscard]] ReapDecision reap_decision(const ReapSight& sight);

/// Whether finalizer marks are consulted for a job of that stage (SPEC §7, fallback).
[[nodiscard]] bool marks_count_on(std::string_view stage);

/// Whether a live owner finishes the job: the lease of its task is held by one; or, with ownership off for the
/// repository, it is marked, marks count (`reaper.finalizer_liveness`), and the task stands on deploy-staging.
[[nodiscard]] bool finalizer_is_alive(const TaskView& view, const Job& job, bool lease_owner_alive);

/// What passes remember from one to the next; forgotten at a restart.
using Streaks = std::map<JobId, Streak>;

/// What a pass sees of a job of the view's task.
[[nodiscard]] ReapSight reap_sight(const TaskView& view, const RunningJob& running, World& world, TimeUs now,
                                   const Streaks& streaks);

struct Reaped {
  ReapMove move = ReapMove::leave;
  bool deferred = false;
  bool reaped = false;              // a JobReaped was accepted
  std::int64_t past_ceiling_s = 0;  // by how much the job was older than max_running_s
  std::string trouble;              // what went wrong with this job; the pass goes on
};

/// What a part of a pass carries out by itself.
enum class ReapActs {
  all,            // may block for as long as the stage's gate takes, and the steps of the advance that follows
  but_exit_zero,  // that decision is only told; nothing blocks
};

/// One job's part of a pass: looks, decides, proposes. `pid` is the reaper's own.
Reaped reap_job(Machine& machine, World& world, TaskId task, JobId job, Streaks& streaks, const Asker& asker,
                std::int64_t pid, ReapActs acts = ReapActs::all);

/// Why a pass frees a lease; none if it leaves it: its ttl ran out or its owner is dead (with `lease.reclaim_enabled`),
/// or, always, it is a `task:` lease older than max_running_s whose task has no running job.
[[nodiscard]] std::optional<fb::ReclaimReason> reclaim_reason(const Lease& lease, const Settings& settings, TimeUs now,
                                                              bool owner_alive, bool task_job_runs);

/// A lease that the pass frees after the jobs, and why.
struct LeaseToReclaim {
  std::string key;
  Token token{};
  fb::ReclaimReason reason{};
};

/// All leases that reclaim_reason() names, by key.
[[nodiscard]] std::vector<LeaseToReclaim> leases_to_reclaim(
    const State& state, TimeUs now, const std::function<bool(const Owner&, const Boot&)>& owner_alive);

}  // namespace pawl
