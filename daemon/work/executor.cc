#include "daemon/work/executor.h"

#include <algorithm>
#include <string_view>
#include <tuple>

#include "daemon/work/executor_impl.h"
#include "engine/rules/claim.h"

namespace pawl {
namespace {

using std::chrono::seconds;

constexpr unsigned worker_threads = 8;
/// Separate threads: a silent origin must not keep a path waiting.
constexpr unsigned branch_asker_threads = 4;
constexpr seconds orphans_again{1};
constexpr seconds room_again{1};
/// Part of the 9 s that a whole stop takes at most; most service managers wait 10 s.
constexpr std::int64_t stop_grace_default_s = 6;
constexpr std::string_view job_purpose = "job ";

/// The job that a run was for; none if it was for something else.
std::optional<JobId> job_of(const RunNote& note) {
  if (!note.purpose.starts_with(job_purpose)) return std::nullopt;
  return JobId{std::strtoull(note.purpose.c_str() + job_purpose.size(), nullptr, 10)};
}

}  // namespace

Executor::Executor(Desk& desk, System& system, Options options)
    : impl_(std::make_shared<Impl>(desk, system, std::move(options))) {}

Executor::~Executor() {
  impl_->stop();
}

void Executor::start() {
  impl_->start();
}

void Executor::drain(seconds time) {
  impl_->drain(time);
}

void Executor::stop() {
  impl_->stop();
}

void Executor::hurry() {
  impl_->hurry();
}

World& Executor::world() {
  return impl_->world;
}

Machine& Executor::machine() {
  return impl_->machine;
}

ReconcilerTotals Executor::reconciler_totals() const {
  const MutexLock lock(impl_->mutex);
  return impl_->totals;
}

Executor::Impl::Impl(Desk& desk_, System& system_, Options options_)
    : desk(desk_),
      system(system_),
      options(std::move(options_)),
      machine(desk_),
      weather(system_, options.origin_alert),
      world(system_, weather, options.boot_id),
      workers(system_.make_pool(worker_threads)),
      branch_deletions(system_.make_pool(1)),
      branch_askers(system_.make_pool(branch_asker_threads)),
      previous_thread(system_.make_pool(1)),
      wake(system_.make_signal()),
      lease_freed(system_.make_signal()) {
  world.set_on_path_end([this] { note_path_end(); });
  world.set_on_missing([this](TaskId task, const std::string& words) { note_missing(task, words); });
}

void Executor::Impl::start() {
  read_settings();
  // Subscribed first, so that nothing falls between this look at the state and the next record.
  subscription = desk.subscribe([impl = weak_from_this()](std::span<const Published> batch) {
    if (const auto alive = impl.lock()) alive->listen(batch);
  });
  learn_origins();
  end_what_earlier_boots_left();
  thread = system.start_thread([this] { run(); });
}

void Executor::Impl::end_what_earlier_boots_left() {
  const std::vector<RunNote> notes = system.noted_runs();
  std::vector<std::unique_ptr<RunningThread>> enders;
  for (const RunNote& note : notes) {
    if (note.is_foreign) continue;  // a copied note: the run it names goes on elsewhere
    enders.push_back(system.start_thread([this, note] {
      const EndRequest request{Stop::terminate, seconds(world.kill_after_s())};
      if (end_run(system, note.run, request) == RunEnd::gone) return;
      warn("run " + note.run + " (" + note.purpose + ") of an earlier start is still alive; pawld cannot end it",
           {.job = job_of(note)});
      const MutexLock lock(mutex);
      if (const auto job = job_of(note)) orphans[*job].push_back(note.run);
    }));
  }
  for (const auto& ender : enders) ender->join();

  for (const TaskId task : system.worktrees()) {
    if (is_finished(task)) {
      clean_up(task);
    } else if (options.has_old_trees) {
      if (const auto removed = system.remove_worktree(task); !removed) {
        warn(removed.error().message, {.task = task});
      }
    }
  }
  // Places that were locked when their task finished: its folder is gone, so nothing else would remove them.
  for (const TaskId task : system.placed()) {
    if (is_finished(task)) system.forget_places(task);
  }

  // Workers that outlived the last boot may have reported exits that it did not get to handle.
  const auto told = desk.ask([this](const State& state) {
    std::map<JobId, std::uint64_t> jobs;
    for (const JobId id : state.indexes.running) {
      const Job& job = *state.jobs.find(id);
      if (job.run && job.run->exit_code && job.run->owner.boot_id != options.boot_id) jobs.emplace(id, job.attempts);
    }
    return jobs;
  });
  find_outside_runs();
  const MutexLock lock(mutex);
  for (const auto& [job, attempt] : told) world.take_in_hand(job);
  exited.insert(told.begin(), told.end());
}

void Executor::Impl::read_settings() {
  const auto [settings, grace_s, commands] = desk.ask([](const State& state) {
    bool some = false;
    for (const auto& [seq, row] : state.pipelines.rows()) {
      for (const Agent& agent : row.definition->agents) some = some || !agent.run.empty();
    }
    // An operator who sets it knows how long the service manager waits; the default must suit most of them.
    const std::int64_t grace = state.settings_changed.find("stop.kill_after_s")
                                   ? state.settings().stop.kill_after_s
                                   : std::min(state.settings().stop.kill_after_s, stop_grace_default_s);
    return std::tuple(state.settings(), grace, some);
  });
  world.set_kill_after_s(settings.stop.kill_after_s);
  world.set_output_bytes_max(settings.output.max_bytes);
  const MutexLock lock(mutex);
  has_commands = commands;
  reconciler_enabled = settings.reconciler.enabled;
  stop_enabled = settings.stop.enabled;
  stop_grace = seconds(grace_s);
  reconciler_interval = seconds(settings.reconciler.interval_s);
}

void Executor::Impl::run() {
  Deadline next_pass = system.now();
  Deadline last_pass = next_pass;
  Deadline next_orphans = next_pass;
  Deadline next_claim = no_deadline;
  MutexLock lock(mutex);
  while (!stopping) {
    const Deadline now = system.now();
    if (std::exchange(settings_changed, false)) {
      lock.unlock();
      read_settings();
      lock.lock();
      next_pass = std::min(next_pass, last_pass + reconciler_interval);
    }
    if (std::exchange(holds_changed, false)) next_pass = now;
    if (now >= next_pass) {
      last_pass = now;
      next_pass = now + reconciler_interval;
      exited.merge(exits_waiting_for_lease);
      const bool reconciles = reconciler_enabled;
      lock.unlock();
      if (reconciles) reconcile_all();
      lock.lock();
    }
    if (now >= next_claim) {
      next_claim = no_deadline;
      jobs_changed = true;
    }
    while (const auto due = alarms.take_due(now)) flagged.insert(*due);
    std::set<TaskId> tasks = std::exchange(flagged, {});
    const std::set<JobId> jobs = std::exchange(flagged_jobs, {});
    std::set<TaskId> ended = std::exchange(finished, {});
    std::map<JobId, std::uint64_t> exits = std::exchange(exited, {});
    const bool claim = std::exchange(jobs_changed, false) && has_commands;
    lock.unlock();
    if (!jobs.empty()) {
      tasks.merge(desk.ask([&jobs](const State& state) {
        std::set<TaskId> of_jobs;
        for (const JobId id : jobs) {
          if (const Job* job = state.jobs.find(id)) of_jobs.insert(job->task);
        }
        return of_jobs;
      }));
    }
    if (!ended.empty()) tasks.merge(dependents_of(ended));
    look_after(std::move(tasks), ended, exits);
    join_ended();
    std::optional<TimeUs> next_end;
    if (claim) {
      // Read before the round, so that a pause that ends during it is looked at again.
      const TimeUs log_now = desk.now();
      const bool may_claim = has_room();
      if (may_claim) claim_jobs();
      next_end = desk.ask(
          [log_now](const State& state) { return next_pause_end(state, agents_with_commands(state), log_now); });
      next_claim = next_end ? system.now() + std::chrono::microseconds(next_end->us - log_now.us) : no_deadline;
      if (!may_claim) next_claim = std::min(next_claim, system.now() + room_again);
      if (variables_again) next_claim = std::min(next_claim, *std::exchange(variables_again, std::nullopt));
    }
    lock.lock();
    if (claim) pause_end = next_end;
    if (pause_end && log_time >= *pause_end) jobs_changed = true;
    const auto news = [&]() PAWL_REQUIRES(mutex) {
      return stopping || jobs_changed || settings_changed || holds_changed || !flagged.empty() ||
             !flagged_jobs.empty() || !finished.empty() || !exited.empty() || previous_seen_to || alarms_changed ||
             (previous_changed && !is_seeing_to_previous);
    };
    if (!orphans.empty() && system.now() >= next_orphans) {
      next_orphans = system.now() + orphans_again;
      if (!std::exchange(retrying_orphans, true)) workers->post([this] { retry_orphans(); });
    }
    previous_seen_to = alarms_changed = false;
    if ((previous_changed || system.now() >= next_previous) && !std::exchange(is_seeing_to_previous, true)) {
      previous_changed = false;
      previous_thread->post([this] { see_to_previous(); });
    }
    const bool looks_at_previous = !is_seeing_to_previous && next_previous != no_deadline;
    Deadline next =
        std::min({next_pass, next_claim, looks_at_previous ? next_previous : no_deadline, alarms.next(no_deadline)});
    for (const auto& [job, entry] : preparations) {
      if (!entry.ended) continue;
      next = std::min(next, entry.until);
      next_claim = std::min(next_claim, entry.until);
    }
    wake->await(lock, orphans.empty() ? next : std::min(next, next_orphans), news);
  }
}

/// The tasks that the end of these may unblock.
std::set<TaskId> Executor::Impl::dependents_of(const std::set<TaskId>& ended) {
  return desk.ask([&ended](const State& state) {
    std::set<TaskId> tasks;
    for (const TaskId task : ended) {
      const auto& dependents = state.indexes.dependents;
      for (auto at = dependents.lower_bound({task, TaskId{0}}); at != dependents.end() && at->first == task; ++at) {
        tasks.insert(at->second);
      }
    }
    return tasks;
  });
}

void Executor::Impl::look_after(std::set<TaskId> tasks, const std::set<TaskId>& ended,
                                const std::map<JobId, std::uint64_t>& exits) {
  for (const TaskId task : ended) {
    tasks.erase(task);
    workers->post([this, task] { clean_up(task); });
  }
  for (const auto& [job, attempt] : exits) {
    workers->post([this, job = job, attempt = attempt] { monitor_once(job, attempt); });
  }
  for (const TaskId task : tasks) post_drive(task, IfDriven::again);
}

}  // namespace pawl
