// The kinds of incidents. Each puts one cause into a healthy story, at a moment of its own choice, through the same
// requests and accidents that anyone could make or have.
#include <algorithm>
#include <array>

#include "tests/world/incident.h"

namespace pawl::hostile {
namespace {

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

constexpr std::array<IncidentKind, 5> kinds = {{
    {"none", "nothing goes wrong: a healthy story", nullptr, nullptr},
    {"grace", "the grace of finalizers is so short that the reaper takes work from owners that still push it",
     "reaper.finalize_grace_s", low_grace},
    {"ceiling", "jobs of honest length are reaped as too old, until their tries are spent", "reaper.max_running_s",
     low_ceiling},
    {"merge_ttl", "the lease on a repository runs out in the middle of a merge", "lease.merge_ttl_s", low_merge_ttl},
    {"concurrency", "so few jobs run at once that tasks starve", nullptr, low_concurrency},
}};

}  // namespace

std::span<const IncidentKind> incident_kinds() {
  return kinds;
}

}  // namespace pawl::hostile
