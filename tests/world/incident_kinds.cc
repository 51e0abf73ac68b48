// The kinds of incidents. Each puts one cause into a healthy story, at a moment of its own choice, through the same
// requests and accidents that anyone could make or have.
#include <algorithm>
#include <array>

#include "tests/world/incident.h"

namespace pawl::hostile {
namespace {

bool is_accepted(const fb::Record& record) {
  return record.stamp()->outcome() == static_cast<std::uint16_t>(Outcome::accepted);
}

/// The first is the cause; later ones are as much of it.
void note_cause(Incident& incident, const fb::Record& record) {
  const Seq seq{record.stamp()->seq()};
  if (incident.cause) {
    incident.also.push_back(seq);
  } else {
    incident.cause = seq;
  }
}

// Settings: wrong long before anyone notices.

void set_low(Incident& incident, const char* key, std::int64_t value) {
  incident.hands_off.insert(key);
  incident.cause = incident.set(key, value);
  incident.words = std::string(key) + " is set to " + std::to_string(value);
}

void low_grace(Incident& incident) {
  set_low(incident, "reaper.finalize_grace_s", incident.dice().between(0, 20));
}

void low_ceiling(Incident& incident) {
  set_low(incident, "reaper.max_running_s", 1200);
}

void low_merge_ttl(Incident& incident) {
  set_low(incident, "lease.merge_ttl_s", incident.dice().between(245, 270));
}

void low_concurrency(Incident& incident) {
  set_low(incident, "queue.max_concurrency", 1);
}

void few_tries(Incident& incident) {
  set_low(incident, "job.max_attempts", 1);
}

void no_rollbacks(Incident& incident) {
  set_low(incident, "pipeline.max_rollbacks", 0);
}

void long_pause(Incident& incident) {
  incident.hands_off.insert("job.retry_delay_s");
  incident.set("job.retry_delay_max_s", std::int64_t{86400});
  set_low(incident, "job.retry_delay_s", incident.dice().between(6, 24) * 3600);
}

/// A job of the daemon's that an agent works on.
std::optional<JobId> job_at_work(Incident& incident, std::uint64_t interruptions = 0) {
  const State& state = incident.state();
  std::vector<JobId> found;
  for (const JobId id : state.indexes.running) {
    const Job& job = *state.jobs.find(id);
    const bool is_own = job.run->owner.actor == "executor" && job.run->pid && !job.run->exit_code;
    if (is_own && job.interruptions >= interruptions && !incident.plan(job.task).ails) found.push_back(id);
  }
  if (found.empty()) return std::nullopt;
  return incident.dice().pick(found);
}

void few_interruptions(Incident& incident) {
  const std::int64_t allowed = incident.dice().between(0, 1);
  set_low(incident, "recovery.max_interruptions", allowed);
  incident.sleep(20 * minute, 60 * minute);
  for (std::int64_t restart = 0; restart <= allowed; ++restart) {
    const auto interrupted = static_cast<std::uint64_t>(restart);
    if (!incident.await([&] { return job_at_work(incident, interrupted).has_value(); }, 2 * hour)) return;
    incident.dice().one_in(2) ? incident.story().strike_down() : incident.story().tell_to_end();
    incident.story().scheduler.sleep(10 * second);
  }
}

void switch_off(Incident& incident) {
  const bool is_reaper = incident.dice().one_in(2);
  incident.setting = is_reaper ? "reaper.enabled" : "reconciler.enabled";
  incident.cause = incident.set(incident.setting, false);
  incident.words = incident.setting + " is switched off, and stays off";
  if (!is_reaper) return;
  incident.sleep(20 * minute, 60 * minute);
  // A worker dies at work, and is not started again.
  std::string victim;
  const auto is_at_work = [&] {
    for (const JobId id : incident.state().indexes.running) {
      const Job& job = *incident.state().jobs.find(id);
      if (job.run->owner.actor.starts_with("worker") && job.run->pid && !job.run->exit_code) {
        victim = job.run->owner.actor;
      }
    }
    return !victim.empty();
  };
  if (!incident.await(is_at_work, 2 * hour)) return;
  incident.habits[victim].is_gone = true;
  incident.story().machines.kill(incident.hands[victim]);
  incident.words += "; " + victim + " dies at work";
}

void narrow_scope(Incident& incident) {
  Dice& dice = incident.dice();
  const std::string left_out = dice.pick(incident.story().repos);
  std::vector<std::string> covered;
  for (const std::string& repo : incident.story().repos) {
    if (repo != left_out) covered.push_back(repo);
  }
  incident.cause = incident.set("ownership.repos", covered);
  incident.words = "ownership.repos leaves " + left_out + " out, where two cross the same edges";
  for (const auto& [name, process] : incident.hands) {
    if (name == "worker-3" || name == "worker-4") incident.habits[name].takes_all_of = left_out;
  }
}

void held_dependency(Incident& incident) {
  incident.cause = incident.set("queue.cancelled_dependency", std::string("hold"));
  incident.words = "queue.cancelled_dependency is set to hold";
  incident.sleep(10 * minute, 40 * minute);
  std::optional<TaskId> before;
  const auto is_awaited = [&] {
    for (const auto& [id, task] : incident.state().tasks.rows()) {
      for (const TaskId on : task.depends_on) {
        const Task* other = incident.state().tasks.find(on);
        if (other && !is_terminal(other->stage) && other->cancel_requested.empty()) before = on;
      }
    }
    return before.has_value();
  };
  if (!incident.await(is_awaited, 4 * hour)) return;
  fb::CancelRequestedT cancel;
  cancel.task = raw(*before);
  cancel.reason = "not needed any more";
  const Seq seq = incident.command(cancel);
  if (seq != Seq{0}) incident.also.push_back(seq);
}

// What is said of a step.

fb::StepFinishedT word_of(const Task& task, const StepRow& step, bool happened) {
  fb::StepFinishedT finished;
  finished.task = raw(task.id);
  finished.version = raw(step.version);
  finished.step = step.step;
  finished.started = raw(step.started);
  finished.outcome = happened ? fb::StepOutcome::done : fb::StepOutcome::did_not_happen;
  finished.by = fb::StepBy::operator_;
  return finished;
}

/// The first "no" of those that may say it; what follows is as wrong.
void watch_for_no(Incident& incident, fb::StepBy by) {
  incident.watcher = [&incident, by](const fb::Record& record) {
    const auto* said = record.event_as_StepFinished();
    if (!said || !incident.doubtful || !is_accepted(record) || said->by() != by) return;
    const StepKey key{TaskId{said->task()}, Version{said->version()}, said->step()->str()};
    if (key != *incident.doubtful || said->outcome() != fb::StepOutcome::did_not_happen) return;
    note_cause(incident, record);
  };
}

void wrong_probe(Incident& incident) {
  incident.probes_lie = true;
  incident.in_doubt_of = "service";
  incident.in_the_air = incident.dice().one_in(2) ? 0 : incident.dice().between(3, 8) * minute;
  incident.next_step_ends_in_doubt = true;
  incident.words = incident.in_the_air == 0 ? "a probe says no of what has happened"
                                            : "a probe says no of what is still under way to the target";
  watch_for_no(incident, fb::StepBy::probe);
  // What it is wrong about is one thing; the next step is judged by a sound one.
  incident.await([&] { return incident.also.size() > 0; }, 24 * hour);
  incident.probes_lie = false;
}

/// The daemon's command failed after its effect, and the task waits for people.
void wrong_word_of_daemons(Incident& incident) {
  incident.in_doubt_of = "plain";
  incident.next_step_ends_in_doubt = true;
  const auto waits = [&] {
    if (!incident.doubtful) return false;
    const Task* task = incident.state().tasks.find(incident.doubtful->task);
    return task && !task->blocked.empty() && open_step(*task);
  };
  if (!incident.await(waits, 24 * hour)) return;
  incident.sleep(3 * minute, 30 * minute);
  const Task& task = *incident.state().tasks.find(incident.doubtful->task);
  const StepRow* step = open_step(task);
  if (!step) return;
  fb::TaskUnblockedT unblocked;
  unblocked.task = raw(task.id);
  unblocked.reason = "resolved";
  watch_for_no(incident, fb::StepBy::operator_);
  incident.command(word_of(task, *step, false), unblocked);
}

/// An open step of a worker, and its task.
struct AtStep {
  TaskId task{};
  std::string worker;
  StepRow step;
};
std::optional<AtStep> worker_at_step(Incident& incident, const std::function<bool(const StepRow&)>& is_meant) {
  for (const auto& [id, task] : incident.state().tasks.rows()) {
    const StepRow* step = open_step(task);
    const auto known = step ? incident.story().workers.find(step->boot) : incident.story().workers.end();
    if (known == incident.story().workers.end() || !task.blocked.empty() || !is_meant(*step)) continue;
    return AtStep{id, known->second.name, *step};
  }
  return std::nullopt;
}

std::string some_hand(Incident& incident) {
  return "worker-" + std::to_string(incident.dice().between(1, 4));
}

std::string irreversible_step(Incident& incident) {
  return incident.dice().one_in(3) ? "deploy" : "merge";
}

Seq take_lease_away(Incident& incident, const std::string& key) {
  const Lease* lease = incident.state().lease(key);
  if (!lease) return Seq{0};
  fb::LeaseReclaimedT event;
  event.key = key;
  event.token = raw(lease->token);
  event.reason = fb::ReclaimReason::forced;
  return incident.command(event);
}

/// A worker has done it, and cannot say so: its network is away. People say that it did not happen.
void wrong_word_of_workers(Incident& incident) {
  const std::string name = some_hand(incident);
  Habits& habits = incident.habits[name];
  habits.in_step = irreversible_step(incident);
  habits.is_cut_off = true;
  habits.step_takes = incident.dice().between(60, 140) * minute;
  const std::string step_name = habits.in_step;
  std::map<Seq, Us> seen;
  const auto since = [&](const StepRow& step) { return seen.try_emplace(step.started, incident.now()).first->second; };
  std::optional<AtStep> at;
  const auto is_silent = [&] {
    at = worker_at_step(incident, [&](const StepRow& step) {
      return step.irreversible && step.step == step_name && incident.now() - since(step) > 10 * minute;
    });
    return at.has_value() && at->worker == name;
  };
  if (!incident.await(is_silent, 24 * hour)) return;
  incident.sleep(minute, 10 * minute);
  const Task* task = incident.state().tasks.find(at->task);
  const StepRow* step = task ? open_step(*task) : nullptr;
  if (!step || step->started != at->step.started) return;
  incident.doubtful = StepKey{at->task, step->version, step->step};
  watch_for_no(incident, fb::StepBy::operator_);
  const fb::StepFinishedT word = word_of(*task, *step, false);
  const std::string repo = repo_key(task->repo);
  const Lease* of_repo = incident.state().lease(repo);
  const bool is_its = of_repo && of_repo->owner.boot_id == step->boot;
  take_lease_away(incident, task_key(at->task));
  if (is_its) take_lease_away(incident, repo);
  incident.command(word);
}

void wrong_word(Incident& incident) {
  incident.words = "an operator says of a step that it did not happen, which did";
  incident.dice().one_in(2) ? wrong_word_of_daemons(incident) : wrong_word_of_workers(incident);
}

// What is done to those who are at work.

void forced_release(Incident& incident) {
  std::optional<AtStep> at;
  const auto is_at_step = [&] {
    at = worker_at_step(incident, [](const StepRow&) { return true; });
    return at.has_value();
  };
  if (!incident.await(is_at_step, 24 * hour)) return;
  const Seq seq = take_lease_away(incident, task_key(at->task));
  if (seq == Seq{0}) return;
  incident.cause = seq;
  incident.words = "an operator frees the lease of " + at->worker + " by force, which is alive and goes on";
}

void short_ttl(Incident& incident) {
  const std::string name = some_hand(incident);
  const std::int64_t ttl_s = incident.dice().between(40, 120);
  incident.watcher = [&incident, name, ttl_s](const fb::Record& record) {
    const auto* acquired = record.event_as_LeaseAcquired();
    if (!acquired || !is_accepted(record) || record.actor()->string_view() != name) return;
    if (acquired->ttl() == ttl_s) note_cause(incident, record);
  };
  incident.habits[name].lease_ttl_s = ttl_s;
  incident.words = name + " takes a lease for " + std::to_string(ttl_s) + " s, and works for longer";
}

/// What `name` starts, in the step that its habits name.
void watch_for_start(Incident& incident, const std::string& name) {
  const std::string step = incident.habits[name].in_step;
  incident.watcher = [&incident, name, step](const fb::Record& record) {
    const auto* started = record.event_as_StepStarted();
    const bool is_it = started && is_accepted(record) && record.actor()->string_view() == name;
    if (is_it && started->step()->string_view() == step && !incident.cause) note_cause(incident, record);
    // That it is dead shows when it comes back.
    const auto* booted = record.event_as_BootStarted();
    if (incident.cause && booted && booted->name()->string_view() == name && incident.also.empty()) {
      note_cause(incident, record);
    }
  };
}

void killed_worker(Incident& incident) {
  const std::string name = some_hand(incident);
  Habits& habits = incident.habits[name];
  habits.in_step = irreversible_step(incident);
  habits.dies = true;
  habits.is_gone = incident.dice().one_in(2);
  watch_for_start(incident, name);
  incident.words = name + " is killed in the middle of '" + habits.in_step + "'";
}

void endless_step(Incident& incident) {
  const std::string name = some_hand(incident);
  Habits& habits = incident.habits[name];
  habits.in_step = incident.dice().one_in(2) ? "retest" : "merge";
  habits.step_takes = 100 * hour;
  watch_for_start(incident, name);
  incident.words = "'" + habits.in_step + "' of " + name + " never ends";
}

void endless_agent(Incident& incident) {
  std::optional<TaskId> task;
  const auto is_young = [&] {
    task = incident.some_task([&](const Task& row, const KnownTask& known) {
      return known.pipeline == "delivery" && row.stage == "development" && !incident.state().running_job(row.id);
    });
    return task.has_value();
  };
  if (!incident.await(is_young, 24 * hour)) return;
  incident.plan(*task).is_endless = true;
  incident.watcher = [&incident, task](const fb::Record& record) {
    const auto* claimed = record.event_as_JobClaimed();
    const auto* started = record.event_as_RunStarted();
    if (!is_accepted(record) || (!claimed && !started)) return;
    const Job* job = incident.story().witness().state().jobs.find(JobId{claimed ? claimed->job() : started->job()});
    if (job && job->task == *task && job->attempts == 1) note_cause(incident, record);
  };
  incident.words = "an agent from outside never ends";
}

void killed_agent(Incident& incident) {
  std::optional<TaskId> task;
  for (int kills = 0; kills < 6; ++kills) {
    const JobId* at_work = nullptr;
    std::optional<JobId> job;
    const auto is_there = [&] {
      job = job_at_work(incident);
      at_work = job ? &*job : nullptr;
      return at_work && (!task || incident.state().jobs.find(*job)->task == *task);
    };
    if (!incident.await(is_there, 3 * hour)) return;
    task = incident.state().jobs.find(*job)->task;
    incident.words = "somebody kills the agents of task " + std::to_string(raw(*task));
    const Run run = *incident.state().jobs.find(*job)->run;
    const ProcessPtr process = incident.story().machines.find(incident.story().machines.host(daemon_machine), *run.pid);
    if (!process || process->start != run.pid_start) continue;
    incident.watcher = [&incident, id = *job](const fb::Record& record) {
      const auto* exited = record.event_as_RunExited();
      if (exited && JobId{exited->job()} == id && exited->exit_code() != 0) note_cause(incident, record);
    };
    incident.story().machines.kill(process);
    incident.story().scheduler.sleep(20 * second);
    const Task* row = incident.state().tasks.find(*task);
    if (!row || !row->blocked.empty()) return;
  }
}

// Machines.

void clock_leap(Incident& incident) {
  const auto is_busy = [&] { return worker_at_step(incident, [](const StepRow&) { return true; }).has_value(); };
  if (!incident.await(is_busy, 24 * hour)) return;
  const Us leap = incident.dice().between(3 * 60, 9 * 60) * minute;
  incident.hangs_from = incident.now() + leap;
  incident.also.push_back(incident.story().witness().state().last_seq);
  incident.watcher = [&incident, from = incident.now() + leap](const fb::Record& record) {
    // Before that, decided but not durable yet.
    if (incident.now() < from) {
      incident.also.front() = Seq{record.stamp()->seq()};
    } else if (!incident.cause) {
      note_cause(incident, record);
    }
  };
  incident.story().freeze(leap);
  incident.words = "the machine is frozen, and its clocks leap by " + std::to_string(leap / minute) + " minutes";
}

void twins(Incident& incident) {
  const std::string name = some_hand(incident);
  const Boot* first = incident.state().boot_named(name);
  if (!first) return;
  incident.watcher = [&incident, name](const fb::Record& record) {
    const auto* booted = record.event_as_BootStarted();
    if (booted && is_accepted(record) && booted->name()->string_view() == name) note_cause(incident, record);
  };
  incident.also.push_back(first->started);
  incident.habits[name].comes_back_at_once = true;
  send_hand(incident, name, "epsilon");
  incident.words = "a second machine registers as " + name;
}

void crash_loop(Incident& incident) {
  incident.away_for = incident.dice().between(2, 8) * second;
  incident.watcher = [&incident](const fb::Record& record) {
    const auto* booted = record.event_as_BootStarted();
    if (booted && booted->name()->string_view() == daemon_name) note_cause(incident, record);
  };
  const std::int64_t times = incident.dice().between(8, 14);
  for (std::int64_t i = 0; i < times; ++i) {
    if (!incident.await([&] { return job_at_work(incident).has_value(); }, hour)) return;
    incident.sleep(10 * second, 60 * second);
    incident.story().daemon_that_serves();
    incident.story().strike_down();
    incident.story().scheduler.sleep(second);
  }
  incident.words = "the daemon is killed " + std::to_string(times) + " times within minutes";
  incident.away_for.reset();
}

// Tasks.

Seq create(Incident& incident, const std::string& item, const std::string& repo, const std::string& pipeline,
           std::optional<TaskId> on) {
  fb::TaskCreatedT event;
  event.work_item = item;
  event.repo = repo;
  event.branch = "b-" + item;
  event.pipeline = pipeline;
  if (on) event.depends_on.push_back(raw(*on));
  return incident.command(event);
}

void stop_midway(Incident& incident) {
  std::optional<AtStep> at;
  const auto is_at_step = [&] {
    at = worker_at_step(incident, [](const StepRow& step) { return step.step == "merge"; });
    return at.has_value();
  };
  if (!incident.await(is_at_step, 24 * hour)) return;
  const KnownTask known = incident.tasks[at->task];
  fb::CancelRequestedT cancel;
  cancel.task = raw(at->task);
  cancel.reason = "to be done anew";
  const Seq seq = incident.command(cancel);
  if (seq == Seq{0}) return;
  incident.cause = seq;
  incident.words = known.work_item + " is stopped in the midst of a crossing, and created anew";
  if (!incident.await([&] { return incident.tasks[at->task].is_over; }, 6 * hour)) return;
  incident.sleep(minute, 20 * minute);
  const Seq anew = create(incident, known.work_item, known.repo, known.pipeline, std::nullopt);
  if (anew != Seq{0}) incident.also.push_back(anew);
}

void starvation(Incident& incident) {
  std::optional<TaskId> first;
  const auto is_young = [&] {
    first = incident.some_task([](const Task& task, const KnownTask& known) {
      return known.pipeline != "delivery" && task.stage == "build";
    });
    return first.has_value();
  };
  if (!incident.await(is_young, 24 * hour)) return;
  incident.plan(*first).ails = true;
  incident.not_helped.insert(*first);
  incident.watcher = [&incident, id = *first](const fb::Record& record) {
    if (!incident.cause && !incident.tasks[id].blocked.empty()) note_cause(incident, record);
  };
  incident.words = "task " + std::to_string(raw(*first)) + " is blocked by its own failure, and others depend on it";
  for (std::int64_t i = incident.dice().between(1, 3); i > 0; --i) {
    const Seq seq = create(incident, incident.story().fresh_id("N"), incident.dice().pick(incident.story().repos),
                           incident.dice().one_in(2) ? "delivery" : "service", first);
    if (seq != Seq{0}) incident.also.push_back(seq);
    incident.sleep(second, 3 * minute);
  }
}

constexpr std::array kinds = {
    IncidentKind{"none", "nothing goes wrong: a healthy story", nullptr, nullptr},
    IncidentKind{"grace", "the grace of finalizers is so short that the reaper takes work from owners that still push it",
                 "reaper.finalize_grace_s", low_grace},
    IncidentKind{"ceiling", "jobs of honest length are reaped as too old, until their tries are spent",
                 "reaper.max_running_s", low_ceiling},
    IncidentKind{"interruptions", "a job fails because of one or two restarts of the daemon",
                 "recovery.max_interruptions", few_interruptions},
    IncidentKind{"merge_ttl", "the lease on a repository runs out in the middle of a merge", "lease.merge_ttl_s",
                 low_merge_ttl},
    IncidentKind{"switch_off", "the reaper or the reconciler is switched off, and forgotten", nullptr, switch_off},
    IncidentKind{"concurrency", "so few jobs run at once that tasks starve", nullptr, low_concurrency},
    IncidentKind{"wrong_probe", "a probe says no of an effect that happened, or is in the air", nullptr, wrong_probe},
    IncidentKind{"wrong_word", "an operator says of a step that it did not happen, which did", nullptr, wrong_word},
    IncidentKind{"scope", "ownership.repos leaves a repository out, where two cross the same edges", "ownership.repos",
                 narrow_scope},
    IncidentKind{"forced_release", "an operator frees the lease of a live owner, which goes on", nullptr,
                 forced_release},
    IncidentKind{"clock_leap", "a machine is frozen and its clocks go on: ttls run out under live owners", nullptr,
                 clock_leap},
    IncidentKind{"twins", "two machines register under one worker's name, each making the other stale", nullptr, twins},
    IncidentKind{"crash_loop", "the daemon is killed again and again, until interruptions are spent", nullptr,
                 crash_loop},
    IncidentKind{"endless_step", "a worker's step never ends", nullptr, endless_step},
    IncidentKind{"endless_agent", "a worker's agent never ends, and the ceiling reaps it", nullptr, endless_agent},
    IncidentKind{"stop_midway", "a task is cancelled in the midst of a crossing, and its work item created anew",
                 nullptr, stop_midway},
    IncidentKind{"starvation", "tasks depend on one that is blocked for good", nullptr, starvation},
    IncidentKind{"short_ttl", "a worker takes a lease for less time than it needs", nullptr, short_ttl},
    IncidentKind{"killed_worker", "a worker is killed in the middle of an irreversible step", nullptr, killed_worker},
    IncidentKind{"killed_agent", "somebody kills a task's agents, until its tries are spent", nullptr, killed_agent},
    IncidentKind{"attempts", "job.max_attempts is 1, and an agent fails once", "job.max_attempts", few_tries},
    IncidentKind{"rollbacks", "pipeline.max_rollbacks is 0, and a gate is red once", "pipeline.max_rollbacks",
                 no_rollbacks},
    IncidentKind{"retry_delay", "the pause between two attempts is set to hours", "job.retry_delay_s", long_pause},
    IncidentKind{"held_dependency", "queue.cancelled_dependency is hold, and a dependency is cancelled",
                 "queue.cancelled_dependency", held_dependency},
};

}  // namespace

std::span<const IncidentKind> incident_kinds() {
  return kinds;
}

}  // namespace pawl::hostile
