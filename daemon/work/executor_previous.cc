// Processes that attempts of outside workers left behind on this host: each bars every claim of its task until it is
// gone (SPEC §8).
//
// The log identifies them by pid, start and host, so a restart changes nothing. Each is ended as for a cancel, and
// checked until there is evidence that it is gone: then PreviousGone records that. One that cannot be ended or seen
// keeps barring; `pawl stuck` names it.
#include <algorithm>
#include <iterator>
#include <utility>

#include "daemon/work/executor_impl.h"

namespace pawl {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr milliseconds look_again_soon{50};  // while one is about to end
constexpr milliseconds look_again_later{1000};
constexpr seconds dies_within{1};  // of SIGKILL

}  // namespace

void Executor::Impl::open_reported(JobId job, const OutsideRun& run) {
  if (run.pid <= 1 || run.pid > INT32_MAX || run.pid_start <= 0) return;
  const std::optional<Boot> boot = boot_of(run.boot);
  const auto pid = static_cast<pid_t>(run.pid);
  std::shared_ptr<OtherProcess> process = system.process(pid);
  // Open the handle first, then look: the process seen then is the one that the handle refers to.
  if (!boot || !process || system.liveness_of(boot->host, run.pid, run.pid_start) != Liveness::alive) return;
  const bool is_its = system.is_of_worker(pid, boot->pid, boot->pid_start);
  const MutexLock lock(mutex);
  const auto known = outside_runs.find(job);
  if (known == outside_runs.end() || known->second.pid != run.pid || known->second.pid_start != run.pid_start) return;
  known->second.process = std::move(process);
  known->second.is_its = is_its;
}

void Executor::Impl::take_back(JobId job, bool is_to_end) {
  const auto outside = outside_runs.find(job);
  if (outside == outside_runs.end()) return;
  taken_back.insert_or_assign(job, TakenBack{.run = std::move(outside->second), .is_to_end = is_to_end});
  outside_runs.erase(outside);
  previous_changed = true;
}

void Executor::Impl::see_to_previous() {
  std::map<JobId, TakenBack> taken;
  {
    const MutexLock lock(mutex);
    if (stopping) return;  // The next start finds them in the log.
    taken = std::exchange(taken_back, {});
  }
  const std::map<JobId, Previous> all = desk.ask([](const State& state) {
    std::map<JobId, Previous> found;
    for (const auto& [task, job] : state.indexes.barred) found.emplace(job, *state.jobs.find(job)->previous);
    return found;
  });
  for (auto& [job, of_job] : taken) {
    const auto previous = all.find(job);
    const bool bars = previous != all.end() && previous->second.pid == of_job.run.pid;
    if (bars) {
      LeftProcess& left = left_behind[{job, previous->second.attempt}];
      left.process = std::move(of_job.run.process);
      left.is_its = of_job.run.is_its;
    }
    if (!bars && of_job.is_to_end) workers->post([this, run = of_job.run, id = job] { end_outside(run, id); });
  }
  for (const auto& [job, previous] : all) {
    LeftProcess& left = left_behind[{job, previous.attempt}];
    left.job = job;
    left.previous = previous;
  }
  bool is_ending = false;
  for (auto each = left_behind.begin(); each != left_behind.end();) {
    const auto [job, attempt] = each->first;
    const auto barring = all.find(job);
    const bool bars = barring != all.end() && barring->second.attempt == attempt;
    // What got SIGTERM is followed to its end, whatever its task has done meanwhile.
    const bool is_over = !bars && !each->second.told;
    const PreviousEnd end = is_over ? PreviousEnd::gone : end_previous(each->second);
    is_ending = is_ending || end == PreviousEnd::told;
    const bool is_gone = end == PreviousEnd::gone && (!bars || say_gone(job, each->second.previous.pid));
    each = is_gone ? left_behind.erase(each) : std::next(each);
  }
  const MutexLock lock(mutex);
  is_seeing_to_previous = false;
  previous_seen_to = true;
  next_previous = no_deadline;
  if (!left_behind.empty()) next_previous = system.now() + (is_ending ? look_again_soon : look_again_later);
  wake->notify();
}

/// For a process that this start found in the log, or that was not looked at soon enough after its report. A running
/// job's agent is not what another job left behind, no matter who reported it. Logs from before principals do not name
/// the worker: there any worker of this host counts.
bool Executor::Impl::was_its_workers(const Previous& previous) {
  struct Worker {
    std::int64_t pid = 0;
    std::int64_t pid_start = 0;
  };
  const std::vector<Worker> workers_here = desk.ask([this, &previous](const State& state) {
    std::vector<Worker> found;
    for (const JobId id : state.indexes.running) {
      const Run& run = *state.jobs.find(id)->run;
      if (run.pid == previous.pid && !run.exit_code && state.boots.find(run.owner.boot_id)->host == system.own_host()) {
        return found;
      }
    }
    if (previous.worker_pid) {
      found.push_back({*previous.worker_pid, previous.worker_pid_start.value_or(0)});
      return found;
    }
    for (const auto& [id, boot] : state.boots.rows()) {
      if (boot.name != daemon_name && boot.host == system.own_host()) found.push_back({boot.pid, boot.pid_start});
    }
    return found;
  });
  return std::any_of(workers_here.begin(), workers_here.end(), [&](const Worker& worker) {
    return system.is_of_worker(static_cast<pid_t>(previous.pid), worker.pid, worker.pid_start);
  });
}

/// False if it was refused.
bool Executor::Impl::say_gone(JobId job, std::int64_t pid) {
  fb::PreviousGoneT event;
  event.job = raw(job);
  event.pid = pid;
  return machine.propose(propose_group(requester("executor"), event)).outcome == Outcome::accepted;
}

/// Looks at it once, and does what is due. Does not wait.
Executor::Impl::PreviousEnd Executor::Impl::end_previous(LeftProcess& left) {
  const Previous& previous = left.previous;
  // Not an agent's pid: possible in a log from before such reports were refused. It must not be signalled.
  if (previous.pid <= 1 || previous.pid > INT32_MAX || previous.pid == system.own_pid()) return PreviousEnd::gone;
  if (system.kernel_has_ended(previous.host)) return PreviousEnd::gone;
  if (!left.process) {
    std::shared_ptr<OtherProcess> process = system.process(static_cast<pid_t>(previous.pid));
    const Liveness liveness = system.liveness_of(previous.host, previous.pid, previous.pid_start);
    if (liveness == Liveness::dead) return PreviousEnd::gone;
    if (liveness != Liveness::alive || !process) {
      return not_ended(left, "pawld cannot see whether it is alive");
    }
    left.process = std::move(process);
    left.is_its = was_its_workers(previous);
  }
  if (left.process->ended_within(milliseconds(0))) return PreviousEnd::gone;
  // The report may name any process. If it was not seen to be the worker's, a person has to end it.
  if (!left.is_its) return not_ended(left, "it was not seen to belong to the worker that reported it");

  const auto since = left.told ? system.now() - *left.told : seconds(0);
  const seconds kill_after(world.kill_after_s());
  const bool kills = left.told && since >= kill_after;
  if (left.told && !kills) return PreviousEnd::told;
  const std::optional<std::string> failure = left.process->signal_group(kills ? Stop::kill : Stop::terminate);
  if (failure) return not_ended(left, *failure);
  if (!left.told) left.told = system.now();
  if (left.process->ended_within(milliseconds(0))) return PreviousEnd::gone;
  if (!kills || since < kill_after + dies_within) return PreviousEnd::told;
  return not_ended(left, "it has survived SIGKILL");
}

Executor::Impl::PreviousEnd Executor::Impl::not_ended(LeftProcess& left, const std::string& why) {
  if (!std::exchange(left.is_warned_of, true)) {
    warn("process " + std::to_string(left.previous.pid) +
             ", which a worker left behind, holds up its task and is not ended: " + why,
         {.job = left.job});
  }
  return PreviousEnd::alive;
}

}  // namespace pawl
