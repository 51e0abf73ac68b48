// The reaper's loop (daemon/work/reaper_loop.cc) as an actor of its own.
#include "tests/world/daemon.h"
#include "tests/world/daemon_world.h"

namespace pawl::hostile {

void Daemon::run_reaper() {
  Us last_pass = scheduler_.now();
  for (;;) {
    const Settings settings = ask([](const State& state) { return state.settings(); });
    const Us next = last_pass + settings.reaper.interval_s * second;
    if (!settings.reaper.enabled) {
      scheduler_.wait_until(scheduler_.now() + minute);
      continue;
    }
    if (scheduler_.now() < next) {
      scheduler_.wait_until(next);
      continue;
    }
    reap_pass();
    last_pass = scheduler_.now();
  }
}

void Daemon::reap_pass() {
  const auto running = ask([](const State& state) {
    std::vector<std::pair<JobId, TaskId>> all;
    for (const JobId id : state.indexes.running) all.emplace_back(id, state.jobs.find(id)->task);
    return all;
  });
  std::set<JobId> seen;
  for (const auto& [job, task] : running) {
    seen.insert(job);
    if (finishing_.contains(job)) continue;
    const Reaped reaped =
        reap_job(*this, *world_, task, job, streaks_, asker("reaper"), pid(), ReapActs::but_exit_zero);
    if (reaped.move != ReapMove::exit_zero) continue;
    finishing_.insert(job);
    post([this, job = job, task = task] {
      Streaks none;
      reap_job(*this, *world_, task, job, none, asker("reaper"), pid());
      finishing_.erase(job);
    });
  }
  std::erase_if(streaks_, [&seen](const auto& streak) { return !seen.contains(streak.first); });
  reclaim_leases();
}

void Daemon::reclaim_leases() {
  struct LeaseSight {
    Lease lease;
    Boot boot;
    bool task_job_runs = false;
  };
  const auto [sights, settings] = ask([](const State& state) {
    std::vector<LeaseSight> all;
    for (const auto& [key, lease] : state.leases.rows()) {
      const std::optional<TaskId> task = task_of_key(key);
      all.push_back({.lease = lease,
                     .boot = *state.boots.find(lease.owner.boot_id),
                     .task_job_runs = task && state.running_job(*task)});
    }
    return std::pair(all, state.settings());
  });
  for (const LeaseSight& sight : sights) {
    const bool alive = world_->is_alive(sight.lease.owner, sight.boot);
    const auto reason = reclaim_reason(sight.lease, settings, now(), alive, sight.task_job_runs);
    if (!reason) continue;
    fb::LeaseReclaimedT event;
    event.key = sight.lease.key;
    event.token = raw(sight.lease.token);
    event.reason = *reason;
    submit({.group = propose_group(asker("reaper"), event),
            .resolve =
                [key = sight.lease.key, renewed = sight.lease.renewed](const State& state, Group&) {
                  const Lease* lease = state.lease(key);
                  return lease && lease->renewed == renewed;
                },
            .look = {},
            .done = [](const std::optional<Decision>&) {}});
    scheduler_.pause();
  }
}

}  // namespace pawl::hostile
