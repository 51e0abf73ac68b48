// The causes that incidents can have, for incident_kinds.cc; and what they share.
#pragma once

#include "tests/world/incident.h"

namespace pawl::hostile {

bool is_accepted(const fb::Record& record);
/// The first is the cause; later ones are as much of it.
void note_cause(Incident& incident, const fb::Record& record);
/// A job of the daemon's that an agent works on, with so many interruptions or more.
std::optional<JobId> job_at_work(Incident& incident, std::uint64_t interruptions = 0);

// incident_settings.cc
void low_grace(Incident& incident);
void low_ceiling(Incident& incident);
void low_merge_ttl(Incident& incident);
void low_concurrency(Incident& incident);
void few_tries(Incident& incident);
void no_rollbacks(Incident& incident);
void long_pause(Incident& incident);
void few_interruptions(Incident& incident);
void switch_off(Incident& incident);
void narrow_scope(Incident& incident);
void held_dependency(Incident& incident);
void short_timeout(Incident& incident);
void bad_gate(Incident& incident);

// incident_accidents.cc: to machines, workers, agents and tasks
void wrong_probe(Incident& incident);
void wrong_word(Incident& incident);
void disproved_word(Incident& incident);
void false_report(Incident& incident);
void forced_release(Incident& incident);
void short_ttl(Incident& incident);
void killed_worker(Incident& incident);
void endless_step(Incident& incident);
void endless_agent(Incident& incident);
void killed_agent(Incident& incident);
void clock_leap(Incident& incident);
void clock_step(Incident& incident);
void wall_leap(Incident& incident);
void twins(Incident& incident);
void bad_worker(Incident& incident);
void crash_loop(Incident& incident);
void stop_midway(Incident& incident);
void starvation(Incident& incident);

}  // namespace pawl::hostile
