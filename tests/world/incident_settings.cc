// Causes that are settings: wrong long before anyone notices.
#include <algorithm>

#include "tests/world/incident_causes.h"

namespace pawl::hostile {

namespace {

void set_low(Incident& incident, const char* key, std::int64_t value) {
  incident.hands_off.insert(key);
  incident.cause = incident.set(key, value);
  incident.words = std::string(key) + " is set to " + std::to_string(value);
}

}  // namespace

void low_grace(Incident& incident) {
  set_low(incident, "reaper.finalize_grace_s", incident.dice().between(0, 20));
}

void low_ceiling(Incident& incident) {
  set_low(incident, "reaper.max_running_s", 1300);
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

void few_interruptions(Incident& incident) {
  const std::int64_t allowed = incident.dice().between(0, 1);
  set_low(incident, "recovery.max_interruptions", allowed);
  incident.sleep(20 * minute, 60 * minute);
  for (std::int64_t restart = 0; restart <= allowed; ++restart) {
    const auto interrupted = static_cast<std::uint64_t>(restart);
    const auto is_at_work = [&] { return incident.is_daemon_idle() && job_at_work(incident, interrupted); };
    if (!incident.await(is_at_work, 2 * hour)) return;
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

// Definitions.

namespace {

Pipeline some_pipeline(Incident& incident) {
  return incident.pipelines()[static_cast<std::size_t>(incident.dice().between(1, 2))];
}

void define(Incident& incident, const Pipeline& pipeline) {
  const Seq seq = incident.redefine(pipeline);
  if (seq != Seq{0}) incident.cause = seq;
}

}  // namespace

void short_timeout(Incident& incident) {
  Pipeline pipeline = some_pipeline(incident);
  const std::int64_t timeout_s = incident.dice().between(60, 150);
  for (Agent& agent : pipeline.agents) agent.timeout_s = timeout_s;
  define(incident, pipeline);
  incident.words =
      "the agents of '" + pipeline.name + "' get " + std::to_string(timeout_s) + " s for work that takes minutes";
}

void bad_gate(Incident& incident) {
  Pipeline pipeline = some_pipeline(incident);
  for (Stage& stage : pipeline.stages) {
    if (stage.gate) stage.gate->run.push_back("--strict");
  }
  incident.red_from = next(incident.story().witness().state().last_seq);
  define(incident, pipeline);
  if (incident.cause) incident.red_from = incident.cause;
  incident.words = "'" + pipeline.name + "' is defined with gates that are always red";
}

}  // namespace pawl::hostile
