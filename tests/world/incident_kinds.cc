// The kinds of incidents. Each puts one cause into a healthy story, at a moment of its own choice, through the same
// requests and accidents that anyone could make or have.
#include <array>

#include "tests/world/incident_causes.h"

namespace pawl::hostile {
namespace {

constexpr std::array kinds = {
    IncidentKind{"none", "nothing goes wrong: a healthy story", nullptr, nullptr},
    IncidentKind{"grace",
                 "the grace of finalizers is so short that the reaper takes work from owners that still push it",
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
    IncidentKind{
        "disproved_word",
        "an operator says of a worker's step that it did not happen; its owner, late and refused, says that it did",
        nullptr, disproved_word},
    IncidentKind{"false_report", "a worker reports for others that their agents have exited: it is refused", nullptr,
                 false_report, true},
    IncidentKind{"scope", "ownership.repos leaves a repository out, where two cross the same edges", "ownership.repos",
                 narrow_scope},
    IncidentKind{"forced_release", "an operator frees the lease of a live owner, which goes on", nullptr,
                 forced_release},
    IncidentKind{"clock_leap", "a machine is frozen and its clocks go on: ttls run out under live owners", nullptr,
                 clock_leap},
    IncidentKind{"clock_step",
                 "the clock of the records leaps ahead while everything runs on: ttls run out under live owners",
                 nullptr, clock_step},
    IncidentKind{"wall_leap", "the wall clock alone leaps, to and fro: the clock of the records does not follow",
                 nullptr, wall_leap, true},
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
    IncidentKind{"short_timeout", "a pipeline is defined anew, with less time for agents than they need", nullptr,
                 short_timeout},
    IncidentKind{"bad_gate", "a pipeline is defined anew, with a gate that is always red", nullptr, bad_gate},
    IncidentKind{"bad_worker", "a new version of a worker fails whatever it claims", nullptr, bad_worker},
};

}  // namespace

std::span<const IncidentKind> incident_kinds() {
  return kinds;
}

bool is_accepted(const fb::Record& record) {
  return record.stamp()->outcome() == static_cast<std::uint16_t>(Outcome::accepted);
}

void note_cause(Incident& incident, const fb::Record& record) {
  const Seq seq{record.stamp()->seq()};
  if (incident.cause) {
    incident.also.push_back(seq);
  } else {
    incident.cause = seq;
  }
}

std::optional<JobId> job_at_work(Incident& incident, std::uint64_t interruptions) {
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

}  // namespace pawl::hostile
