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
/// Of their own: an origin that is silent must not keep a path waiting.
constexpr unsigned branch_asker_threads = 4;
constexpr seconds leftovers_again{1};
constexpr seconds room_again{1};
/// Of the 9 s that a whole stop takes at most; most service managers wait for 10.
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
  const std::lock_guard lock(impl_->mutex);
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
    if (note.is_foreign) continue;  // the copy of a note: what it names goes on elsewhere
    enders.push_back(system.start_thread([this, note] {
      const EndOrder order{Stop::terminate, seconds(world.kill_after_s())};
      if (end_run(system, note.run, order) == RunEnd::gone) return;
      warn("run " + note.run + " (" + note.purpose + ") of an earlier start is still alive and cannot be ended");
      const std::lock_guard lock(mutex);
      if (const auto job = job_of(note)) leftovers[*job].push_back(note.run);
    }));
  }
  for (const auto& ender : enders) ender->join();

  for (const TaskId task : system.worktrees()) {
    if (is_finished(task)) {
      clean_up(task);
    } else if (options.has_old_trees) {
      if (const auto removed = system.remove_worktree(task); !removed) warn(removed.error().message);
    }
  }
  // Those that were held when the task was finished: its folder is gone, and nobody would come for them any more.
  for (const TaskId task : system.placed()) {
    if (is_finished(task)) system.forget_places(task);
  }

  // Workers that outlived the last boot may have told it of exits that it did not get to see to.
  const auto told = desk.ask([this](const State& state) {
    std::map<JobId, std::uint64_t> jobs;
    for (const JobId id : state.indexes.running) {
      const Job& job = *state.jobs.find(id);
      if (job.run && job.run->exit_code && job.run->owner.boot_id != options.boot_id) jobs.emplace(id, job.attempts);
    }
    return jobs;
  });
  find_outside_runs();
  const std::lock_guard lock(mutex);
  for (const auto& [job, attempt] : told) world.take_in_hand(job);
  exited.insert(told.begin(), told.end());
}

void Executor::Impl::read_settings() {
  const auto [settings, grace_s, commands] = desk.ask([](const State& state) {
    bool some = false;
    for (const auto& [seq, row] : state.pipelines.rows()) {
      for (const Agent& agent : row.definition->agents) some = some || !agent.run.empty();
    }
    // Whoever sets it knows how long his service manager waits; the default has to fit into what most of them do.
    const std::int64_t grace = state.settings_changed.find("stop.kill_after_s")
                                   ? state.settings().stop.kill_after_s
                                   : std::min(state.settings().stop.kill_after_s, stop_grace_default_s);
    return std::tuple(state.settings(), grace, some);
  });
  world.set_kill_after_s(settings.stop.kill_after_s);
  world.set_output_bytes_max(settings.output.max_bytes);
  const std::lock_guard lock(mutex);
  has_commands = commands;
  reconciler_enabled = settings.reconciler.enabled;
  stop_enabled = settings.stop.enabled;
  stop_grace = seconds(grace_s);
  reconciler_interval = seconds(settings.reconciler.interval_s);
}

void Executor::Impl::listen(std::span<const Published> batch) {
  const std::lock_guard lock(mutex);
  bool news = false;
  for (const Published& published : batch) {
    if (published.applied.outcome == Outcome::accepted) news = note(published) || news;
  }
  // The clock of the log may have leapt on.
  if (!batch.empty()) log_time = TimeUs{batch.back().record.stamp()->time_us()};
  if (pause_end && log_time >= *pause_end) {
    pause_end.reset();
    jobs_changed = news = true;
  }
  if (news) wake->notify();
}

/// False if there is nothing in it for the executor: most of what others do to tasks with agents of their own.
bool Executor::Impl::note(const Published& published) {
  const fb::Record& record = published.record;
  const Effects& effects = published.applied.effects;
  bool queued = false;
  for (const Effect& effect : effects) queued = queued || effect.kind == EffectKind::job_queued;
  // A record after which a task has a job leaves nothing to the reconciler.
  bool flags = false;
  bool frees = queued;
  if (const auto* event = record.event_as_StageTransition()) {
    const bool ends = is_terminal(event->to()->string_view());
    if (ends) finished.insert(TaskId{event->task()});
    if (!ends && !queued) flags = flagged.insert(TaskId{event->task()}).second;
    frees = frees || ends;
    // With ownership off no lease is freed with it, and an exit may wait for the crossing that is finished now.
    if (record.stamp()->unchecked()) flags = try_waiting_again() || flags;
  } else if (const auto* cancelled = record.event_as_TaskCancelled()) {
    frees = finished.insert(TaskId{cancelled->task()}).second;
  } else if (const auto* unblocked = record.event_as_TaskUnblocked()) {
    frees = true;
    flagged.insert(TaskId{unblocked->task()});
    try_waiting_again();  // what an attempt left behind may bar nothing any more
  } else if (const auto* ended = record.event_as_JobFinished()) {
    frees = true;
    // `done` comes with what moved or blocked the task.
    if (!queued && ended->result() != fb::JobResult::done) flagged_jobs.insert(JobId{ended->job()});
    take_back(JobId{ended->job()}, false);
    flags = try_waiting_again();  // for the end of its agent
    // Said by somebody else while its agent runs: that works for nothing, where others are about to.
    if (const auto ours = running.find(JobId{ended->job()}); ours != running.end()) ours->second.off->call();
  } else if (const auto* reaped = record.event_as_JobReaped()) {
    frees = previous_changed = true;
    flags = try_waiting_again();
    if (!queued) flagged_jobs.insert(JobId{reaped->job()});
  } else if (const auto* gone = record.event_as_PreviousGone()) {
    frees = true;
    flagged_jobs.insert(JobId{gone->job()});
    try_waiting_again();
  } else if (const auto* set = record.event_as_SettingChanged()) {
    frees = settings_changed = true;
    // At once: a cancel in the very next record goes by it.
    const std::string_view key = set->key()->string_view();
    if (key == "stop.enabled") stop_enabled = set->value()->flag().value_or(true);
    // Switched off, leases stand in nobody's way; switched on, whoever was refused for want of one may have it.
    if (key.starts_with("ownership.")) try_waiting_again();
  } else if (record.event_as_PipelineDefined()) {
    frees = settings_changed = true;
  } else if (record.event_as_RepoDeclared() || record.event_as_RepoRemoved()) {
    note_repo(record);
    frees = true;
  } else if (const auto* step = record.event_as_StepFinished()) {
    // A job or an exit may wait for a crossing that was committed, and is not any more.
    if (step->outcome() != fb::StepOutcome::done) {
      frees = true;
      flags = try_waiting_again();
    }
  } else if (const auto* started = record.event_as_RunStarted()) {
    const JobId job{started->job()};
    const OutsideRun run{.pid = started->pid(), .pid_start = started->pid_start(), .boot = record.boot()->str()};
    if (!running.contains(job)) {
      outside_runs.insert_or_assign(job, run);
      previous_thread->post([this, job, run] { open_reported(job, run); });
    }
  } else if (const auto* exit = record.event_as_RunExited()) {
    const JobId job{exit->job()};
    flags = try_waiting_again();
    if (!running.contains(job)) {
      world.take_in_hand(job);
      flags = exited.insert_or_assign(job, exit->attempt()).second || flags;
    }
  }
  if (const auto* cancel = record.event_as_CancelRequested()) call_off_preparations(TaskId{cancel->task()});
  // Whoever asked for the gate: a monitor, the finalizer, somebody outside. No job of the task need run.
  if (const auto* cancel = record.event_as_CancelRequested(); cancel && stop_enabled) {
    world.call_off(TaskId{cancel->task()}, RealWorld::Which::gates);
  }
  for (const Effect& effect : effects) {
    if (effect.kind == EffectKind::task && !queued) flags = flagged.insert(TaskId{effect.id}).second;
    const bool is_left_alone = record.event_as_CancelRequested() && !stop_enabled;
    if (effect.kind == EffectKind::end_group && !is_left_alone) call_off(effect, record);
    if (effect.kind == EffectKind::lease_freed) flags = try_waiting_again() || flags;
  }
  jobs_changed = jobs_changed || frees;
  return frees || flags;
}

/// Somebody was turned away from a path that has ended now.
void Executor::Impl::note_path_end() {
  const std::lock_guard lock(mutex);
  if (try_waiting_again()) wake->notify();
}

/// Each looks for itself whether what it waits for is free now. False if nobody waits.
bool Executor::Impl::try_waiting_again() {
  ++leases_freed;
  lease_freed->notify();
  const bool any = !waiting_for_lease.empty() || !exits_waiting_for_lease.empty();
  flagged.merge(waiting_for_lease);
  exited.merge(exits_waiting_for_lease);
  return any;
}

/// What a record wants ended. Not later, from another thread: by then the same task may have a new step under way. A
/// cancelled task's steps go on, since a committed crossing is finished honestly; what the reaper's ceiling has met
/// must not.
void Executor::Impl::call_off(const Effect& end_group, const fb::Record& record) {
  const JobId job{end_group.id};
  const fb::JobReaped* reaped = record.event_as_JobReaped();
  // The effect names one job. A task that was moved on by hand may have more, and a cancel ends them all.
  if (!reaped && !outside_runs.empty()) {
    workers->post([this, task = TaskId{end_group.task}] { end_outside_of(task); });
  } else if (reaped) {
    take_back(job, true);
  }
  bool is_ours = false;
  for (auto& [id, of_job] : running) {
    const bool ends = id == job || (!reaped && of_job.task == TaskId{end_group.task});
    if (ends) of_job.off->call();
    is_ours = is_ours || ends;
  }
  const bool at_ceiling = reaped && reaped->tier() == fb::Tier::ceiling;
  if (at_ceiling || is_ours) {
    world.call_off(TaskId{end_group.task}, at_ceiling ? RealWorld::Which::all : RealWorld::Which::gates);
  }
}

void Executor::Impl::run() {
  Deadline next_pass = system.now();
  Deadline last_pass = next_pass;
  Deadline next_leftovers = next_pass;
  Deadline next_claim = no_deadline;
  std::unique_lock lock(mutex);
  while (!stopping) {
    const Deadline now = system.now();
    if (std::exchange(settings_changed, false)) {
      lock.unlock();
      read_settings();
      lock.lock();
      next_pass = std::min(next_pass, last_pass + reconciler_interval);
    }
    if (now >= next_pass) {
      last_pass = now;
      next_pass = now + reconciler_interval;
      exited.merge(exits_waiting_for_lease);
      lock.unlock();
      if (reconciler_enabled) reconcile_all();
      lock.lock();
    }
    if (now >= next_claim) {
      next_claim = no_deadline;
      jobs_changed = true;
    }
    for (auto waits = waiting_for_outside.begin(); waits != waiting_for_outside.end();) {
      if (now < waits->second) {
        ++waits;
        continue;
      }
      flagged.insert(waits->first);
      waits = waiting_for_outside.erase(waits);
    }
    std::set<TaskId> tasks = std::exchange(flagged, {});
    const std::set<JobId> jobs = std::exchange(flagged_jobs, {});
    std::set<TaskId> ended = std::exchange(finished, {});
    std::map<JobId, std::uint64_t> exits = std::exchange(exited, {});
    const bool claim = std::exchange(jobs_changed, false);
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
    if (claim && has_commands) {
      // The time of before: a pause that ends during the round is looked at again.
      const TimeUs log_now = desk.now();
      const bool may_claim = has_room();
      if (may_claim) claim_jobs();
      next_end = desk.ask([log_now](const State& state) { return next_pause_end(state, log_now); });
      next_claim = next_end ? system.now() + std::chrono::microseconds(next_end->us - log_now.us) : no_deadline;
      if (!may_claim) next_claim = std::min(next_claim, system.now() + room_again);
      if (variables_again) next_claim = std::min(next_claim, *std::exchange(variables_again, std::nullopt));
    }
    lock.lock();
    if (claim) pause_end = next_end;
    if (pause_end && log_time >= *pause_end) jobs_changed = true;
    const auto news = [&] {
      return stopping || jobs_changed || settings_changed || !flagged.empty() || !flagged_jobs.empty() ||
             !finished.empty() || !exited.empty() || previous_seen_to || outside_changed ||
             (previous_changed && !is_seeing_to_previous);
    };
    if (!leftovers.empty() && system.now() >= next_leftovers) {
      next_leftovers = system.now() + leftovers_again;
      if (!std::exchange(retrying_leftovers, true)) workers->post([this] { retry_leftovers(); });
    }
    previous_seen_to = outside_changed = false;
    if ((previous_changed || system.now() >= next_previous) && !std::exchange(is_seeing_to_previous, true)) {
      previous_changed = false;
      previous_thread->post([this] { see_to_previous(); });
    }
    const bool looks_at_previous = !is_seeing_to_previous && next_previous != no_deadline;
    Deadline next = std::min({next_pass, next_claim, looks_at_previous ? next_previous : no_deadline});
    for (const auto& [task, until] : waiting_for_outside) next = std::min(next, until);
    for (const auto& [job, entry] : preparations) {
      if (!entry.ended) continue;
      next = std::min(next, entry.until);
      next_claim = std::min(next_claim, entry.until);
    }
    wake->await(lock, leftovers.empty() ? next : std::min(next, next_leftovers), news);
  }
}

/// Those that a task's end may set free.
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
