// The reaper: what is to be done about a job that runs (SPEC §6). The decision is a pure function of what was seen; the
// pass around it proposes it, and carries out the exit-zero rule: claim first, act afterwards.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "engine/machine.h"
#include "engine/world.h"

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
  Streak streak;                       // after this pass
};

/// The table of SPEC §6.
[[nodiscard]] ReapDecision reap_decision(const ReapSight& sight);

/// Whether a live owner finishes the job: the lease of its task is held by one; or, with ownership off for the
/// repository, it is marked, marks count (`reaper.finalizer_liveness`), and the task stands on deploy-staging.
[[nodiscard]] bool finalizer_is_alive(const TaskView& view, const Job& job, bool lease_owner_alive);

/// What passes remember from one to the next; forgotten at a restart.
using Streaks = std::map<JobId, Streak>;

struct Reaped {
  ReapMove move = ReapMove::leave;
  bool deferred = false;
  bool reaped = false;  // a JobReaped was accepted
  std::string trouble;  // what went wrong with this job; the pass goes on
};

/// One job's part of a pass: looks, decides, proposes. `own_boot` is the reaper's; may block for as long as the stage's
/// gate takes (exit-zero rule), and for the steps of the advance that follows.
Reaped reap_job(Machine& machine, World& world, TaskId task, JobId job, Streaks& streaks, const Asker& asker,
                std::int64_t pid);

/// A lease that the pass frees after the jobs, and why.
struct LeaseToReclaim {
  std::string key;
  Token token{};
  fb::ReclaimReason reason{};
};

/// Leases whose ttl ran out or whose owner is dead (with `lease.reclaim_enabled`), and, always, a `task:` lease older
/// than max_running_s whose task has no running job. By key.
[[nodiscard]] std::vector<LeaseToReclaim> leases_to_reclaim(
    const State& state, TimeUs now, const std::function<bool(const Owner&, const Boot&)>& owner_alive);

}  // namespace pawl
