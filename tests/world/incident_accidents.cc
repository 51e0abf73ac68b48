// Causes that are accidents, to machines, workers, agents and tasks, and words that are wrong.
#include <algorithm>

#include "tests/world/incident_causes.h"

namespace pawl::hostile {

namespace {

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

}  // namespace

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

namespace {

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

/// The first report of the step itself that comes after the word.
void watch_for_proof(Incident& incident, Seq started) {
  incident.watcher = [&incident, started, no = incident.watcher](const fb::Record& record) {
    no(record);
    const auto* said = record.event_as_StepFinished();
    const bool is_it = said && Seq{said->started()} == started && said->by() == fb::StepBy::command;
    if (!is_it || !incident.cause || is_accepted(record) || incident.proof) return;
    if (said->outcome() == fb::StepOutcome::done) incident.proof = Seq{record.stamp()->seq()};
  };
}

/// A worker has done it, and cannot say so: its network is away. People say that it did not happen.
void wrong_word_of_workers(Incident& incident) {
  const std::string name = some_hand(incident);
  Habits& habits = incident.habits[name];
  habits.in_step = irreversible_step(incident);
  habits.is_cut_off = true;
  habits.step_takes = incident.dice().between(35, 80) * minute;
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
  if (incident.needs_proof) watch_for_proof(incident, step->started);
  const fb::StepFinishedT word = word_of(*task, *step, false);
  const std::string repo = repo_key(task->repo);
  const Lease* of_repo = incident.state().lease(repo);
  const bool is_its = of_repo && of_repo->owner.boot_id == step->boot;
  take_lease_away(incident, task_key(at->task));
  if (is_its) take_lease_away(incident, repo);
  incident.command(word);
}

}  // namespace

void wrong_word(Incident& incident) {
  incident.words = "an operator says of a step that it did not happen, which did";
  if (incident.dice().one_in(2)) return wrong_word_of_daemons(incident);
  incident.words += "; its worker is cut off, and says so later";
  wrong_word_of_workers(incident);
}

void disproved_word(Incident& incident) {
  incident.needs_proof = true;
  incident.words =
      "an operator says of a worker's step that it did not happen; its late, refused report says that it did";
  wrong_word_of_workers(incident);
}

// What is done to those who are at work.

void forced_release(Incident& incident) {
  std::optional<AtStep> at;
  const auto is_at_step = [&] {
    at = worker_at_step(incident, [](const StepRow& step) { return step.irreversible; });
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
    if (acquired->ttl() != ttl_s) return;
    note_cause(incident, record);
    incident.habits[name].in_step = acquired->edge()->string_view().starts_with("deploy->") ? "deploy" : "retest";
    incident.habits[name].step_takes = 15 * minute;
  };
  incident.habits[name].lease_ttl_s = ttl_s;
  incident.words = name + " takes a lease for " + std::to_string(ttl_s) + " s, and works for longer";
}

namespace {

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

}  // namespace

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

namespace {

/// The first record after the log's time went ahead by so much, and the one before.
void watch_for_leap(Incident& incident, Us leap) {
  incident.watcher = [&incident, leap,
                      last = incident.story().witness().state().last_time.us](const fb::Record& record) mutable {
    const std::int64_t time = record.stamp()->time_us();
    if (time - last > leap / 2 && !incident.cause) {
      note_cause(incident, record);
      incident.also.push_back(Seq{record.stamp()->seq() - 1});
    }
    last = time;
  };
}

bool await_worker_at_step(Incident& incident) {
  const auto is_busy = [&] {
    return worker_at_step(incident, [](const StepRow& step) { return step.irreversible; }).has_value();
  };
  return incident.await(is_busy, 24 * hour);
}

}  // namespace

void clock_leap(Incident& incident) {
  if (!await_worker_at_step(incident)) return;
  const Us leap = incident.dice().between(3 * 60, 9 * 60) * minute;
  incident.hangs_from = incident.now() + leap;
  watch_for_leap(incident, leap);
  incident.story().freeze(leap);
  incident.words = "the machine is frozen, and its clocks leap by " + std::to_string(leap / minute) + " minutes";
}

void clock_step(Incident& incident) {
  if (!await_worker_at_step(incident)) return;
  const Us leap = incident.dice().between(3 * 60, 9 * 60) * minute;
  watch_for_leap(incident, leap);
  incident.story().leap_stamps(leap);
  incident.words = "the clock of the records leaps ahead by " + std::to_string(leap / minute) + " minutes";
}

void wall_leap(Incident& incident) {
  incident.words = "the wall clock leaps, and nothing comes of it";
  for (;;) {
    if (!await_worker_at_step(incident)) return;
    incident.story().leap_wall(incident.dice().between(-9 * 60, 9 * 60) * minute);
    incident.sleep(10 * minute, 60 * minute);
  }
}

/// One worker reports for the others.
void false_report(Incident& incident) {
  const std::string liar = some_hand(incident);
  incident.words = liar + " reports for others that their agents have exited";
  for (;;) {
    incident.sleep(2 * minute, 10 * minute);
    incident.story().daemon_that_serves();
    const State& state = incident.state();
    const Boot* boot = state.boot_named(liar);
    std::vector<JobId> others;
    for (const JobId id : state.indexes.running) {
      const Job& job = *state.jobs.find(id);
      if (job.run->owner.actor != liar && job.run->pid && !job.run->exit_code) others.push_back(id);
    }
    if (!boot || others.empty()) continue;
    fb::RunExitedT exited;
    exited.job = raw(incident.dice().pick(others));
    exited.attempt = state.jobs.find(JobId{exited.job})->attempts;
    exited.exit_code = 1;
    incident.story().ask(propose_group(
        {.boot = boot->boot_id, .actor = liar, .key = {}, .request = {}, .principal = boot->principal.value_or("")},
        exited));
  }
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

void bad_worker(Incident& incident) {
  const std::string name = some_hand(incident);
  incident.watcher = [&incident, name](const fb::Record& record) {
    const auto* booted = record.event_as_BootStarted();
    const bool is_it = booted && is_accepted(record) && booted->name()->string_view() == name;
    if (is_it && !incident.cause && booted->version()->string_view() == "worker 2.5") note_cause(incident, record);
  };
  incident.habits[name].is_broken = true;
  incident.habits[name].comes_back_at_once = true;
  incident.words = "a new version of " + name + " is broken, and fails whatever it claims";
  const auto is_idle = [&] {
    const State& state = incident.state();
    return std::none_of(state.indexes.running.begin(), state.indexes.running.end(),
                        [&](JobId id) { return state.jobs.find(id)->run->owner.actor == name; }) &&
           std::none_of(state.leases.rows().begin(), state.leases.rows().end(),
                        [&](const auto& lease) { return lease.second.owner.actor == name; });
  };
  if (incident.await(is_idle, 12 * hour)) incident.story().machines.kill(incident.hands[name]);
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

namespace {

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

}  // namespace

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
    first = incident.some_task(
        [](const Task& task, const KnownTask& known) { return known.pipeline != "delivery" && task.stage == "build"; });
    return first.has_value();
  };
  if (!incident.await(is_young, 24 * hour)) return;
  incident.plan(*first).ails = true;
  incident.not_helped.insert(*first);
  incident.watcher = [&incident, id = *first](const fb::Record& record) {
    const auto* finished = record.event_as_JobFinished();
    const Job* job = finished ? incident.story().witness().state().jobs.find(JobId{finished->job()}) : nullptr;
    if (job && job->task == id && job->status == JobStatus::failed) note_cause(incident, record);
  };
  incident.words = "task " + std::to_string(raw(*first)) + " is blocked by its own failure, and others depend on it";
  for (std::int64_t i = incident.dice().between(1, 3); i > 0; --i) {
    const Seq seq = create(incident, incident.story().fresh_id("N"), incident.dice().pick(incident.story().repos),
                           incident.dice().one_in(2) ? "delivery" : "service", first);
    if (seq != Seq{0}) incident.also.push_back(seq);
    incident.sleep(second, 3 * minute);
  }
}

}  // namespace pawl::hostile
