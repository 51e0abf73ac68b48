#include "engine/policies/machine.h"

#include "engine/rules/claim.h"

namespace pawl {
namespace {

template <class Row>
std::optional<Row> copy_of(const Row* row) {
  return row ? std::optional<Row>(*row) : std::nullopt;
}

}  // namespace

std::optional<TaskView> view_of(const State& state, TaskId id) {
  const Task* task = state.tasks.find(id);
  if (!task) return std::nullopt;
  TaskView view;
  view.task = *task;
  view.pipeline = state.pipelines.find(task->pipeline)->definition;
  view.settings = state.settings();
  view.lease = copy_of(state.lease(task_key(id)));
  if (view.lease) view.lease_boot = copy_of(state.boots.find(view.lease->owner.boot_id));
  view.repo_lease = copy_of(state.lease(repo_key(task->repo)));
  if (view.repo_lease) view.repo_lease_boot = copy_of(state.boots.find(view.repo_lease->owner.boot_id));
  const StepRow* unsettled = open_step(*task);
  if (!unsettled) unsettled = doubtful_step(*task);
  if (unsettled) view.step_boot = copy_of(state.boots.find(unsettled->boot));
  view.open_job = copy_of(state.open_job(*task));
  view.running_job = copy_of(state.running_job(id));
  const auto& jobs = state.indexes.jobs_of_task;
  for (auto at = jobs.lower_bound({id, JobId{0}}); at != jobs.end() && at->first == id; ++at) {
    const Job& job = *state.jobs.find(at->second);
    if (job.version == task->version) ++view.jobs_of_version;
    if (job.status == JobStatus::running) view.running.push_back({job, *state.boots.find(job.run->owner.boot_id)});
  }
  view.waits_for_dependency = waits_for_dependency(state, *task);
  view.is_barred = is_barred(state, id);
  view.held = held_by(state, *task, state.last_time);
  view.restores = state.restores();
  view.now = state.last_time;
  return view;
}

}  // namespace pawl
