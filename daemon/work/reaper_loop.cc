#include "daemon/work/reaper_loop.h"

#include <algorithm>
#include <chrono>
#include <exception>
#include <set>
#include <utility>
#include <vector>

#include "engine/rules/claim.h"
#include "store/os/mutex.h"

namespace pawl {
namespace {

using std::chrono::seconds;

/// How many gates and steps of the exit-zero rule run at once.
constexpr unsigned finishing_threads = 4;
/// How soon to check a claim again if a pass could do nothing about it.
constexpr seconds claim_again{1};

/// A lease as a pass saw it, with what is needed to judge it.
struct LeaseObservation {
  Lease lease;
  Boot boot;
  bool task_job_runs = false;
};

}  // namespace

struct ReaperLoop::Impl {
  Impl(Desk& desk_, System& system_, Machine& machine_, World& world_, Options options_)
      : desk(desk_),
        system(system_),
        machine(machine_),
        world(world_),
        options(std::move(options_)),
        workers(system_.make_pool(finishing_threads)),
        wake(system_.make_signal()),
        last_pass(system_.now()),
        deaths(system_.watch_deaths([this] { note_death(); })) {}

  void start();
  void stop();
  void listen(std::span<const Published> batch);
  void note_death();
  void run();
  void read_settings();

  ReaperPass pass();
  Deadline next_end() const;
  /// One look at running jobs, from a job on, with the settings and the time that it is judged by.
  struct Runs {
    TimeUs now;
    Settings settings;
    std::vector<WatchedRun> runs;
  };
  void reap(const WatchedRun& run, const Runs& seen, ReaperPass& pass);
  void finish(TaskId task, JobId job, const SincePass& since_pass);
  void trouble(JobId job, const std::string& what);
  void reclaim_leases(ReaperPass& pass);
  void reclaim(const LeaseObservation& observation, fb::ReclaimReason reason, ReaperPass& pass);
  Runs running_from(JobId from) const;
  std::vector<LeaseObservation> leases_after(const std::string& key) const;
  SincePass since_pass() const;
  void watch_boots();

  Requester requester() const {
    return {.boot = options.boot_id, .actor = "reaper", .key = {}, .request = std::nullopt};
  }

  Desk& desk;
  System& system;
  Machine& machine;
  World& world;
  const Options options;
  const std::unique_ptr<Pool> workers;
  std::uint64_t subscription = 0;

  // Only for the loop's thread.
  Streaks streaks;
  std::optional<Deadline> last_pass_begun;
  std::optional<Deadline> pass_before_begun;  // the one before that

  mutable Mutex mutex;
  const std::unique_ptr<Signal> wake;
  bool stopping PAWL_GUARDED_BY(mutex) = false;
  bool settings_changed PAWL_GUARDED_BY(mutex) = false;
  bool somebody_died PAWL_GUARDED_BY(mutex) = false;
  bool claims_changed PAWL_GUARDED_BY(mutex) = true;
  Deadline claim_end PAWL_GUARDED_BY(mutex) = no_deadline;  // when the next claim may have run out
  bool enabled PAWL_GUARDED_BY(mutex) = true;
  seconds interval PAWL_GUARDED_BY(mutex){0};
  std::vector<std::function<void(const ReaperPass&)>> asked PAWL_GUARDED_BY(mutex);
  std::set<JobId> finishing PAWL_GUARDED_BY(mutex);
  ReaperTotals totals PAWL_GUARDED_BY(mutex);
  Deadline last_pass PAWL_GUARDED_BY(mutex);

  const std::unique_ptr<DeathWatch> deaths;  // calls back into this object, so constructed last and destroyed first
  std::unique_ptr<RunningThread> thread;
};

ReaperLoop::ReaperLoop(Desk& desk, System& system, Machine& machine, World& world, Options options)
    : impl_(std::make_unique<Impl>(desk, system, machine, world, std::move(options))) {}

ReaperLoop::~ReaperLoop() {
  stop();
}

void ReaperLoop::start() {
  impl_->start();
}

void ReaperLoop::stop() {
  impl_->stop();
}

void ReaperLoop::pass_now(std::function<void(const ReaperPass&)> done) {
  const MutexLock lock(impl_->mutex);
  if (impl_->stopping) return;
  impl_->asked.push_back(std::move(done));
  impl_->wake->notify();
}

ReaperTotals ReaperLoop::totals() const {
  const MutexLock lock(impl_->mutex);
  ReaperTotals totals = impl_->totals;
  totals.since_pass_s = std::chrono::duration_cast<seconds>(impl_->system.now() - impl_->last_pass).count();
  return totals;
}

void ReaperLoop::Impl::start() {
  read_settings();
  // Subscribes first, so that no boot is missed between reading the state and the next record.
  subscription = desk.subscribe([this](std::span<const Published> batch) { listen(batch); });
  watch_boots();
  thread = system.start_thread([this] { run(); });
}

void ReaperLoop::Impl::stop() {
  {
    const MutexLock lock(mutex);
    if (std::exchange(stopping, true)) return;
    wake->notify();
  }
  if (subscription != 0) desk.unsubscribe(subscription);
  deaths->stop();
  if (thread) thread->join();
  workers->stop();
}

void ReaperLoop::Impl::listen(std::span<const Published> batch) {
  for (const Published& published : batch) {
    if (published.applied.outcome != Outcome::accepted) continue;
    if (const auto* boot = published.record.event_as_BootStarted()) {
      if (boot->boot_id()->string_view() != options.boot_id) {
        deaths->watch(boot->host()->str(), boot->pid(), boot->pid_start());
      }
    } else if (published.record.event_as_SettingChanged()) {
      const MutexLock lock(mutex);
      settings_changed = true;
      wake->notify();
    } else if (const auto* claimed = published.record.event_as_JobClaimed(); claimed && claimed->ttl()) {
      const MutexLock lock(mutex);
      claims_changed = true;
      wake->notify();
    }
  }
}

void ReaperLoop::Impl::note_death() {
  const MutexLock lock(mutex);
  somebody_died = true;
  wake->notify();
}

void ReaperLoop::Impl::watch_boots() {
  std::string after;
  for (bool more = true; more;) {
    const auto boots = desk.ask([this, &after](const State& state) {
      std::vector<Boot> some;
      const auto& rows = state.boots.rows();
      for (auto at = rows.upper_bound(after); at != rows.end() && some.size() < options.rows_per_look; ++at) {
        some.push_back(at->second);
      }
      return some;
    });
    for (const Boot& boot : boots) {
      if (!boot.stale && boot.boot_id != options.boot_id) deaths->watch(boot.host, boot.pid, boot.pid_start);
    }
    more = boots.size() == options.rows_per_look;
    if (more) after = boots.back().boot_id;
  }
}

void ReaperLoop::Impl::read_settings() {
  const Settings settings = desk.ask([](const State& state) { return state.settings(); });
  const MutexLock lock(mutex);
  enabled = settings.reaper.enabled;
  interval = seconds(settings.reaper.interval_s);
}

void ReaperLoop::Impl::run() {
  MutexLock lock(mutex);
  while (!stopping) {
    if (std::exchange(settings_changed, false)) {
      lock.unlock();
      read_settings();
      lock.lock();
    }
    if (std::exchange(claims_changed, false)) {
      lock.unlock();
      const Deadline end = next_end();
      lock.lock();
      claim_end = end;
    }
    const auto is_due = [&]() PAWL_REQUIRES(mutex) {
      return somebody_died || system.now() >= std::min(last_pass + interval, claim_end);
    };
    if ((enabled && is_due()) || !asked.empty()) {
      somebody_died = false;
      // A renewal moved the end, or the pass could do nothing: check again, at least a second later.
      claims_changed = claim_end != no_deadline;
      const auto answers = std::exchange(asked, {});
      lock.unlock();
      const ReaperPass done = pass();
      for (const auto& answer : answers) answer(done);
      lock.lock();
      continue;
    }
    const auto news = [&]() PAWL_REQUIRES(mutex) {
      return stopping || settings_changed || claims_changed || (enabled && somebody_died) || !asked.empty();
    };
    wake->await(lock, enabled ? std::min(last_pass + interval, claim_end) : no_deadline, news);
  }
}

Deadline ReaperLoop::Impl::next_end() const {
  const auto end = desk.ask([](const State& state) { return next_claim_end(state); });
  if (!end) return no_deadline;
  const auto left = std::chrono::microseconds(end->us - desk.now().us);
  if (left.count() > 0 || !last_pass_begun) return system.now() + std::max(left, left.zero());
  return std::max(system.now(), *last_pass_begun + claim_again);
}

ReaperPass ReaperLoop::Impl::pass() {
  ReaperPass done;
  pass_before_begun = std::exchange(last_pass_begun, system.now());
  std::set<JobId> seen;
  for (JobId from{0};;) {
    const Runs some = running_from(from);
    for (const WatchedRun& run : some.runs) {
      seen.insert(run.job.id);
      reap(run, some, done);
    }
    if (some.runs.size() < options.rows_per_look) break;
    from = JobId{raw(some.runs.back().job.id) + 1};
  }
  std::erase_if(streaks, [&seen](const auto& streak) { return !seen.contains(streak.first); });
  reclaim_leases(done);

  const MutexLock lock(mutex);
  last_pass = system.now();
  ++totals.passes;
  totals.defers += done.deferred;
  totals.last_pass = system.wall_time();
  totals.oldest_past_ceiling_s = done.oldest_past_ceiling_s;
  return done;
}

ReaperLoop::Impl::Runs ReaperLoop::Impl::running_from(JobId from) const {
  // Read before the rows: if the machine sleeps in between, the rows may not reflect that time.
  const TimeUs now = machine.now();
  return desk.ask([this, from, now](const State& state) {
    Runs some{.now = now, .settings = state.settings(), .runs = {}};
    const auto& running = state.indexes.running;
    BootCopies boots;
    some.runs.reserve(std::min(options.rows_per_look, running.size()));
    for (auto at = running.lower_bound(from); at != running.end() && some.runs.size() < options.rows_per_look; ++at) {
      some.runs.push_back(watched_run(state, *state.jobs.find(*at), boots));
    }
    return some;
  });
}

/// Most jobs are left alone, which one look at many of them shows. Only the others are looked at one by one.
void ReaperLoop::Impl::reap(const WatchedRun& run, const Runs& seen, ReaperPass& pass) {
  const JobId job = run.job.id;
  {
    const MutexLock lock(mutex);
    if (stopping || finishing.contains(job)) return;
  }
  ++pass.jobs;
  try {
    if (is_left_alone(run, seen.settings, world, seen.now, streaks)) return;
    const Reaped reaped = reap_job(machine, world, run.job.task, job, streaks, requester(), system.own_pid(),
                                   ReapMode::but_exit_zero, since_pass());
    pass.reaped += reaped.reaped;
    pass.deferred += reaped.deferred;
    pass.oldest_past_ceiling_s = std::max(pass.oldest_past_ceiling_s, reaped.past_ceiling_s);
    if (reaped.move != ReapMove::exit_zero) return;
  } catch (const std::exception& failure) {
    ++pass.troubles;
    return trouble(job, failure.what());
  }
  ++pass.finishing;
  {
    const MutexLock lock(mutex);
    finishing.insert(job);
  }
  workers->post([this, task = run.job.task, job, since = since_pass()] { finish(task, job, since); });
}

/// For what the present pass proposes, however long that takes. Counts from the beginning of the pass before: what that
/// one looked at it looked at later.
SincePass ReaperLoop::Impl::since_pass() const {
  if (!pass_before_begun) return {};
  return [this, before = *pass_before_begun]() -> std::optional<std::int64_t> {
    return std::chrono::duration_cast<seconds>(system.now() - before).count();
  };
}

/// Applies the exit-zero rule to one job, and decides afresh: much may have happened while it waited for a thread.
void ReaperLoop::Impl::finish(TaskId task, JobId job, const SincePass& since_pass) {
  Reaped reaped;
  try {
    Streaks none;  // an exited run has no streak
    reaped = reap_job(machine, world, task, job, none, requester(), system.own_pid(), ReapMode::all, since_pass);
  } catch (const std::exception& failure) {
    reaped.trouble = failure.what();
  }
  if (!reaped.trouble.empty()) trouble(job, reaped.trouble);
  const MutexLock lock(mutex);
  finishing.erase(job);
  totals.defers += reaped.deferred;
}

void ReaperLoop::Impl::trouble(JobId job, const std::string& what) {
  if (options.warn) options.warn({"reaper: job " + std::to_string(raw(job)) + ": " + what, {.job = job}});
  const MutexLock lock(mutex);
  ++totals.troubles;
}

std::vector<LeaseObservation> ReaperLoop::Impl::leases_after(const std::string& key) const {
  return desk.ask([this, &key](const State& state) {
    std::vector<LeaseObservation> some;
    const auto& rows = state.leases.rows();
    for (auto at = rows.upper_bound(key); at != rows.end() && some.size() < options.rows_per_look; ++at) {
      const std::optional<TaskId> task = task_of_key(at->first);
      some.push_back({.lease = at->second,
                      .boot = *state.boots.find(at->second.owner.boot_id),
                      .task_job_runs = task && state.running_job(*task)});
    }
    return some;
  });
}

void ReaperLoop::Impl::reclaim_leases(ReaperPass& pass) {
  const Settings settings = desk.ask([](const State& state) { return state.settings(); });
  std::string after;
  for (;;) {
    // Read before the rows: if the machine sleeps in between, the rows may not reflect that time.
    const TimeUs now = machine.now();
    const std::vector<LeaseObservation> some = leases_after(after);
    for (const LeaseObservation& observation : some) {
      const bool alive = world.is_alive(observation.lease.owner, observation.boot);
      if (const auto reason = reclaim_reason(observation.lease, settings, now, alive, observation.task_job_runs)) {
        reclaim(observation, *reason, pass);
      }
    }
    if (some.size() < options.rows_per_look) return;
    after = some.back().lease.key;
  }
}

void ReaperLoop::Impl::reclaim(const LeaseObservation& observation, fb::ReclaimReason reason, ReaperPass& pass) {
  fb::LeaseReclaimedT event;
  event.key = observation.lease.key;
  event.token = raw(observation.lease.token);
  event.reason = reason;
  if (const SincePass since = since_pass()) event.last_pass_s = since();
  // If renewed since the check, its owner is alive; the token alone would not show that.
  const auto unchanged = [key = observation.lease.key, renewed = observation.lease.renewed](const State& state) {
    const Lease* lease = state.lease(key);
    return lease && lease->renewed == renewed;
  };
  const std::optional<Decision> decision = desk.propose_if(propose_group(requester(), event), unchanged);
  pass.leases_reclaimed += decision && decision->outcome == Outcome::accepted;
}

}  // namespace pawl
