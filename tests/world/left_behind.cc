#include "tests/world/left_behind.h"

#include <optional>

namespace pawl::hostile {

void LeftBehind::leave(JobId job) {
  const auto agent = reported_.find(job);
  if (agent == reported_.end()) return;
  left_.push_back(agent->second);
  reported_.erase(agent);
}

void LeftBehind::see(const fb::Record& record, const State& state) {
  const std::string which = "record " + std::to_string(record.stamp()->seq());
  if (const auto* started = record.event_as_RunStarted()) {
    const Job& job = *state.jobs.find(JobId{started->job()});
    const Boot* owner = state.boots.find(job.run->owner.boot_id);
    const Boot* daemon = state.boot_named(daemon_name);
    reported_.erase(job.id);
    if (!owner || !daemon || owner->name == daemon_name || owner->host != daemon->host || job.run->exit_code) return;
    reported_[job.id] = {job.task, job.id, owner->host, started->pid(), started->pid_start()};
  } else if (const auto* exited = record.event_as_RunExited()) {
    reported_.erase(JobId{exited->job()});
  } else if (const auto* finished = record.event_as_JobFinished()) {
    const Job* job = state.jobs.find(JobId{finished->job()});
    const bool is_owners = job && job->run && job->run->owner.boot_id == record.boot()->string_view();
    if (!is_owners && finished->result() != fb::JobResult::done) leave(JobId{finished->job()});
    reported_.erase(JobId{finished->job()});
  } else if (const auto* reaped = record.event_as_JobReaped()) {
    if (!reaped->evidence() || !reaped->evidence()->first_dead()) leave(JobId{reaped->job()});
    reported_.erase(JobId{reaped->job()});
  } else if (const auto* unblocked = record.event_as_TaskUnblocked()) {
    const Task* task = state.tasks.find(TaskId{unblocked->task()});
    if (!task || !task->blocked.empty() || task->lost_dependency) return;
    std::erase_if(left_, [&](const Agent& agent) { return agent.task == task->id; });  // by an operator's word
  } else if (const auto* gone = record.event_as_PreviousGone()) {
    for (const Agent& agent : left_) {
      if (raw(agent.job) != gone->job() || agent.pid != gone->pid() || !lives(agent)) continue;
      broken_(which + " says that process " + std::to_string(agent.pid) + " is gone, but it is alive");
    }
  } else if (const auto* claimed = record.event_as_JobClaimed()) {
    const Job& job = *state.jobs.find(JobId{claimed->job()});
    for (const Agent& agent : left_) {
      if (agent.task != job.task || !lives(agent)) continue;
      broken_(which + " gives out job " + std::to_string(claimed->job()) + " beside process " +
              std::to_string(agent.pid) + ", which an attempt of job " + std::to_string(raw(agent.job)) +
              " left behind");
    }
    std::erase_if(left_, [&](const Agent& agent) { return agent.task == job.task; });
  }
}

}  // namespace pawl::hostile
