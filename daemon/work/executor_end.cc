// How the executor ends: nothing new begins, running work finishes or is ended, and meanwhile only some proposals are
// accepted.
#include <algorithm>
#include <utility>

#include "daemon/work/executor_impl.h"

namespace pawl {
namespace {

using std::chrono::seconds;

constexpr std::chrono::milliseconds look_for_hurry{100};
/// From SIGTERM to SIGKILL for steps and probes, which have not been signalled before.
constexpr seconds steps_kill_after{1};

/// Whether it starts a job, a path or a step.
bool begins(const Group& group) {
  return std::any_of(group.begin(), group.end(), [](const Proposal& proposal) {
    const fb::Event type = proposal.record().event_type();
    return type == fb::Event::JobClaimed || type == fb::Event::LeaseAcquired || type == fb::Event::StepStarted;
  });
}

/// Whether it reports how something ended. `done`: only if it succeeded.
bool is_fact(const Group& group, bool done) {
  const fb::Record& first = group.front().record();
  if (const auto* step = first.event_as_StepFinished()) {
    return group.size() == 1 && (!done || step->outcome() == fb::StepOutcome::done);
  }
  // The group may also contain the finalizer's mark.
  const auto* exit = first.event_as_RunExited();
  return exit && (!done || exit->exit_code() == 0);
}

}  // namespace

bool EndingMachine::is_taken(Phase phase, const Group& group) {
  switch (phase) {
    case Phase::open:
      return true;
    case Phase::finishing:
      return !begins(group);
    case Phase::draining:
      return is_fact(group, false);
    case Phase::closed:
      return is_fact(group, true);
  }
  return false;
}

Decision EndingMachine::propose(Group group) {
  const Phase phase = phase_;
  if (is_taken(phase, group)) return machine_.propose(std::move(group));
  Decision refused;
  refused.outcome = Outcome::stale_boot;
  return refused;
}

void Executor::Impl::begin_nothing_more() {
  const MutexLock lock(mutex);
  ending = true;
  wake->notify();
  lease_freed->notify();
}

void Executor::Impl::drain(seconds time) {
  begin_nothing_more();
  machine.enter(EndingMachine::Phase::finishing);
  await_end(system.now() + time);
}

void Executor::Impl::stop() {
  {
    const MutexLock lock(mutex);
    if (std::exchange(stopped, true)) return;
  }
  begin_nothing_more();
  end_what_runs();
  if (thread) thread->join();
  // run() has ended, and only it adds or joins threads. Joined without the mutex: each thread takes it before it ends.
  std::vector<RunningThread*> threads;
  {
    const MutexLock lock(mutex);
    for (auto& [job, of_job] : running) threads.push_back(of_job.thread.get());  // null where a claim was cut short
    for (auto& [job, entry] : preparations) threads.push_back(entry.thread.get());
  }
  for (RunningThread* each : threads) {
    if (each) each->join();
  }
  workers->stop();
  branch_deletions->stop();
  branch_askers->stop();
  previous_thread->stop();
}

void Executor::Impl::hurry() {
  const MutexLock lock(mutex);
  ++hurries;
  wake->notify();
}

void Executor::Impl::end_what_runs() {
  seconds grace{0};
  {
    const MutexLock lock(mutex);
    stopping = true;
    grace = stop_grace;
    machine.enter(EndingMachine::Phase::draining);
    for (auto& [job, of_job] : running) of_job.off->call();
    for (auto& [job, entry] : preparations) entry.off->call();
    wake->notify();
    lease_freed->notify();
  }
  if (subscription != 0) desk.unsubscribe(subscription);
  system.stop_git();
  world.drain();
  await_end(system.now() + grace);
  machine.enter(EndingMachine::Phase::closed);
  world.call_off_all();
  await_end(system.now() + steps_kill_after);
  world.hurry();
  world.await_idle(no_deadline);
}

void Executor::Impl::await_end(Deadline deadline) {
  MutexLock lock(mutex);
  const unsigned before = std::exchange(hurries, 0);
  const auto jobs_have_ended = [&]() PAWL_REQUIRES(mutex) {
    return std::all_of(running.begin(), running.end(),
                       [](const auto& entry) { return entry.second.ended || !entry.second.thread; });
  };
  if (before > 0) return;
  while (system.now() < deadline && hurries == 0) {
    lock.unlock();
    // A hurried stop waits no longer than this.
    const bool is_idle = world.await_idle(std::min(deadline, system.now() + look_for_hurry));
    lock.lock();
    if (!is_idle) continue;
    const Deadline next = std::min(deadline, system.now() + look_for_hurry);
    if (wake->await(lock, next, [&]() PAWL_REQUIRES(mutex) { return jobs_have_ended() || hurries > 0; }) &&
        jobs_have_ended())
      return;
  }
  hurries = 0;
}

}  // namespace pawl
