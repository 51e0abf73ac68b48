#include "engine/rules/retry.h"

#include "engine/rules/rules.h"

namespace pawl {

bool moved_on(const Task* task, const Job& job) {
  return !task || task->version != job.version;
}

JobStatus retry_status(const State& state, const Job& job, fb::Tier tier) {
  const Task* task = live_task(state, job.task);
  if (!task) return JobStatus::cancelled;
  if (moved_on(task, job)) return JobStatus::done;
  if (is_committed(*task)) return JobStatus::done;  // The reconciler re-enters the crossing.
  if (!task->cancel_requested.empty()) return JobStatus::cancelled;
  const auto interruptions_max = static_cast<std::uint64_t>(state.settings().recovery.max_interruptions);
  if (tier == fb::Tier::restart && job.interruptions > interruptions_max) return JobStatus::failed;
  return job.attempts - job.interruptions < job.max_attempts ? JobStatus::queued : JobStatus::failed;
}

}  // namespace pawl
