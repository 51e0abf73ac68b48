#include "engine/rules/recovery.h"

#include <algorithm>

#include "engine/rules/proposals.h"

namespace pawl {
namespace {

/// The result for a stale boot's running job. If its agent has exited, the work is finished and the job waits for its
/// finalizer, which the end of a worker does not affect. If the daemon itself was the finalizer, the next daemon's
/// reconciler runs the gate.
std::optional<fb::JobResult> result_of(const Job& job, const Boot& boot, std::uint32_t rules) {
  if (rules < 2 || !job.run->exit_code) return fb::JobResult::retry;
  if (boot.name != daemon_name) return std::nullopt;
  return *job.run->exit_code == 0 ? fb::JobResult::done : fb::JobResult::retry;
}

fb::JobReapedT reaped_by_restart(const State& state, const Job& job, fb::JobResult result, TimeUs now) {
  fb::JobReapedT event;
  event.job = raw(job.id);
  event.attempt = job.attempts;
  event.tier = fb::Tier::restart;
  event.outcome = result;
  event.reason = "stale_boot";
  event.evidence = std::make_unique<fb::EvidenceT>();
  event.evidence->age_s = age_s(job.run->claimed, now);
  if (job.run->exited) event.evidence->exit_age_s = age_s(*job.run->exited, now);
  event.evidence->marked = job.run->marked;
  if (const Lease* lease = state.lease(task_key(job.task))) {
    event.lease_token = raw(lease->token);
    event.evidence->lease_owner = owner_event(lease->owner);
    event.evidence->lease_owner_alive = !state.boots.find(lease->owner.boot_id)->stale;
  }
  return event;
}

}  // namespace

Group recovery_of_stale_boots(const State& state, const Requester& requester, TimeUs now, std::uint32_t rules) {
  // Few boots hold anything, so this walks the holders, not the boots.
  std::vector<const Boot*> stale;
  const auto note = [&](const std::string& boot_id) {
    const Boot* boot = state.boots.find(boot_id);
    if (boot->stale && std::find(stale.begin(), stale.end(), boot) == stale.end()) stale.push_back(boot);
  };
  for (const auto& [key, lease] : state.leases.rows()) note(lease.owner.boot_id);
  for (const JobId id : state.indexes.running) note(state.jobs.find(id)->run->owner.boot_id);
  std::sort(stale.begin(), stale.end(),
            [](const Boot* left, const Boot* right) { return left->started < right->started; });

  Group group;
  for (const Boot* boot : stale) {
    for (const auto& [key, lease] : state.leases.rows()) {
      if (lease.owner.boot_id != boot->boot_id) continue;
      fb::LeaseReclaimedT event;
      event.key = key;
      event.token = raw(lease.token);
      event.reason = fb::ReclaimReason::stale_boot;
      group.push_back(propose(requester, event));
    }
    for (const JobId id : state.indexes.running) {
      const Job& job = *state.jobs.find(id);
      if (job.run->owner.boot_id != boot->boot_id) continue;
      if (const auto result = result_of(job, *boot, rules)) {
        group.push_back(propose(requester, reaped_by_restart(state, job, *result, now)));
      }
    }
  }
  return group;
}

Group cancellations_due(const State& state, const Requester& requester) {
  const std::set<TaskId>& standing = state.indexes.cancel_standing;
  std::set<TaskId> touched;
  for (const TaskId id : state.touched_tasks()) {
    if (standing.contains(id)) touched.insert(id);
  }
  Group group;
  for (const TaskId id : state.boots.is_touched() ? standing : touched) {
    const Task& task = *state.tasks.find(id);
    if (is_committed(task) || state.lease(task_key(id)) || state.running_job(id)) continue;
    if (is_restored(task)) continue;  // It may have been delivered in the lost records: wait for an operator.
    fb::TaskCancelledT event;
    event.task = raw(id);
    group.push_back(propose(requester, event));
  }
  return group;
}

}  // namespace pawl
