// Ends agents that outside workers started, when their job is taken back or their task cancelled (SPEC §4 end_group,
// §9).
//
// These agents have no lock and no mark in the environment; we have only the pid and the start time that the worker
// reported. So a process is ended only if it is on this machine, began at that time, and was seen to belong to the
// worker: a descendant of its process, or in its session and of its user. One elsewhere ends by itself, and its report
// is refused.
#include "daemon/work/executor_impl.h"

namespace pawl {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr milliseconds stop_is_seen_within{50};

}  // namespace

/// What other boots are running.
std::vector<Executor::Impl::FoundOutside> Executor::Impl::look_for_outside_runs() {
  return desk.ask([this](const State& state) {
    std::vector<FoundOutside> found;
    for (const JobId id : state.indexes.running) {
      const Job& job = *state.jobs.find(id);
      if (!job.run->pid || !job.run->pid_start || job.run->owner.boot_id == options.boot_id) continue;
      const Task& task = *state.tasks.find(job.task);
      found.push_back({.job = id,
                       .task = job.task,
                       .run = {.pid = *job.run->pid, .pid_start = *job.run->pid_start, .boot = job.run->owner.boot_id},
                       .is_cancelled = !task.cancel_requested.empty() && !job.run->exit_code});
    }
    return found;
  });
}

void Executor::Impl::find_outside_runs() {
  const std::vector<FoundOutside> all = look_for_outside_runs();
  const MutexLock lock(mutex);
  previous_changed = true;  // handles what earlier attempts left behind too
  for (const FoundOutside& each : all) {
    outside_runs.insert({each.job, each.run});
    previous_thread->post([this, job = each.job, run = each.run] { open_reported(job, run); });
    if (each.is_cancelled && stop_enabled)
      workers->post([this, run = each.run, job = each.job] { end_outside(run, job); });
  }
}

void Executor::Impl::end_outside_of(TaskId task) {
  for (FoundOutside& each : look_for_outside_runs()) {
    if (each.task != task || !each.is_cancelled) continue;
    {
      // What was seen at the report still counts after the worker is gone.
      const MutexLock lock(mutex);
      const auto known = outside_runs.find(each.job);
      if (known != outside_runs.end() && known->second.pid == each.run.pid) each.run = known->second;
    }
    workers->post([this, run = each.run, job = each.job] { end_outside(run, job); });
  }
}

std::optional<Boot> Executor::Impl::boot_of(const std::string& boot) {
  return desk.ask([&](const State& state) {
    const Boot* row = state.boots.find(boot);
    return row ? std::optional(*row) : std::nullopt;
  });
}

void Executor::Impl::end_outside(const OutsideRun& run, JobId job) {
  if (run.pid <= 1 || run.pid == system.own_pid() || run.pid_start <= 0) return;
  const std::optional<Boot> boot = boot_of(run.boot);
  // Open the handle first, then look: the process seen then is the one that the handle refers to.
  const auto pid = static_cast<pid_t>(run.pid);
  const std::unique_ptr<OtherProcess> process = system.process(pid);
  if (!boot || !process || system.liveness_of(boot->host, run.pid, run.pid_start) != Liveness::alive) return;
  if (!run.is_its && !system.is_of_worker(pid, boot->pid, boot->pid_start)) {
    warn("process " + std::to_string(pid) +
             ", which a worker reported as its agent, is not ended: it was not seen to belong to that worker",
         {.job = job});
    return;
  }

  const auto signal = [&](Stop how) {
    const std::optional<std::string> failure = process->signal_group(how);
    if (failure) warn("cannot end process " + std::to_string(pid) + " of a worker: " + *failure, {.job = job});
  };
  signal(Stop::terminate);
  const Deadline deadline = system.now() + seconds(world.kill_after_s());
  while (system.now() < deadline) {
    if (process->ended_within(stop_is_seen_within)) return;
    const MutexLock lock(mutex);
    if (stopping) return;  // The next start finds the request standing.
  }
  if (!process->ended_within(milliseconds(0))) signal(Stop::kill);
}

}  // namespace pawl
