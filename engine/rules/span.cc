#include "engine/rules/span.h"

#include <algorithm>

namespace pawl {
namespace {

using Of = Span::Of;

/// The definition that the task follows, and a name in it.
std::shared_ptr<const std::string> name_in_definition(const State& state, const Task& task, const std::string* name) {
  if (!name) return nullptr;
  return {state.pipelines.find(task.pipeline)->definition, name};
}

Span span_of_job(const State& state, const Job& job, Of of, TimeUs since, TimeUs now) {
  const Task* task = state.tasks.find(job.task);
  if (!task) return {};
  const Agent* agent = state.pipeline_of(*task).agent(job.agent);
  return {.of = of, .us = now.us - since.us, .name = name_in_definition(state, *task, agent ? &agent->name : nullptr)};
}

/// The end of a run that has not exited.
Span span_of_run(const State& state, std::uint64_t id, std::uint64_t attempt, TimeUs now) {
  const Job* job = state.jobs.find(JobId{id});
  if (!job || !job->run || job->attempts != attempt || job->run->exit_code) return {};
  return span_of_job(state, *job, Of::run, job->run->claimed, now);
}

/// What began when the task's lease was taken. While it is not held, that is not known.
Span span_of_lease(const State& state, const Task& task, Of of, TimeUs now) {
  const Lease* lease = state.lease(task_key(task.id));
  const Stage* stage = state.stage_of(task);
  if (!lease || !stage) return {};
  return {.of = of, .us = now.us - lease->acquired.us, .name = name_in_definition(state, task, &stage->name)};
}

Span span_of_transition(const State& state, const Task& task, std::string_view to, TimeUs now) {
  const Stage* stage = state.stage_of(task);
  if (!stage) return {};
  if (to == stage->to) return stage->guarded() ? span_of_lease(state, task, Of::crossing, now) : Span{};
  return {.of = Of::rollback, .us = 0, .name = name_in_definition(state, task, &stage->name)};
}

}  // namespace

Span span_ended_by(const State& state, const fb::Record& record) {
  const TimeUs now{record.stamp()->time_us()};
  if (const auto* claimed = record.event_as_JobClaimed()) {
    const Job* job = state.jobs.find(JobId{claimed->job()});
    if (!job) return {};
    return span_of_job(state, *job, Of::queue_wait, std::max(job->queued, job->not_before.value_or(job->queued)), now);
  }
  if (const auto* exited = record.event_as_RunExited()) {
    return span_of_run(state, exited->job(), exited->attempt(), now);
  }
  if (const auto* finished = record.event_as_JobFinished()) {
    return span_of_run(state, finished->job(), finished->attempt(), now);
  }
  if (const auto* reaped = record.event_as_JobReaped()) {
    return span_of_run(state, reaped->job(), reaped->attempt(), now);
  }
  if (const auto* gate = record.event_as_GateEvaluated()) {
    const Task* task = state.tasks.find(TaskId{gate->task()});
    return task ? span_of_lease(state, *task, Of::gate, now) : Span{};
  }
  if (const auto* moved = record.event_as_StageTransition()) {
    const Task* task = state.tasks.find(TaskId{moved->task()});
    return task ? span_of_transition(state, *task, moved->to()->string_view(), now) : Span{};
  }
  return {};
}

}  // namespace pawl
