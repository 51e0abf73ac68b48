#include "engine/rules/retry.h"

#include <algorithm>

#include "engine/rules/rules.h"

namespace pawl {

bool moved_on(const Task* task, const Job& job) {
  return !task || task->version != job.version;
}

bool is_finished_work(const Task& task, const Job& job) {
  if (!job.run || job.run->exit_code != 0 || !job.run->exit_seq) return false;
  const Seq exited = *job.run->exit_seq;
  const bool gate_objects = task.gate && task.gate->version == task.version && task.gate->seq > exited &&
                            task.gate->passed != true && !task.gate->later.value_or(false);
  const bool step_failed = std::any_of(task.steps.begin(), task.steps.end(), [&](const StepRow& step) {
    return step.version == task.version && step.started > exited && step.state == StepState::failed;
  });
  return !gate_objects && !step_failed;
}

JobStatus retry_status(const State& state, const Job& job, fb::Tier tier, std::uint32_t rules) {
  const Task* task = live_task(state, job.task);
  if (!task) return JobStatus::cancelled;
  if (moved_on(task, job)) return JobStatus::done;
  if (is_committed(*task)) return JobStatus::done;  // The reconciler re-enters the crossing.
  if (!task->cancel_requested.empty()) return JobStatus::cancelled;
  if (rules >= 2 && is_finished_work(*task, job)) return JobStatus::done;  // The reconciler runs the gate.
  const auto interruptions_max = static_cast<std::uint64_t>(state.settings().recovery.max_interruptions);
  if (tier == fb::Tier::restart && job.interruptions > interruptions_max) return JobStatus::failed;
  return job.charged_tries() < job.max_attempts ? JobStatus::queued : JobStatus::failed;
}

}  // namespace pawl
