// Records in words: what was requested, and if it was refused, who or what caused that.
#pragma once

#include <string>
#include <vector>

#include "engine/rules/apply.h"
#include "tools/forensics/explain_boots.h"
#include "tools/forensics/explain_context.h"

namespace pawl {

/// A record as a story tells it.
struct Narration {
  std::string says;                // continues the actor's name: "takes the lease task:1"
  std::vector<std::string> notes;  // why, for whom, on what evidence
  std::vector<Seq> because;        // earlier records that it depends on or ran into; ascending, each once
};

/// A record and its context. `context` is the one before it, `state` the one after its group; a refused record leaves
/// the state as it was before.
struct Scene {
  const fb::Record& record;
  const Applied& applied;
  const StoryContext& context;
  const State& state;

  bool accepted() const { return applied.outcome == Outcome::accepted; }
  TimeUs now() const { return {record.stamp()->time_us()}; }
};

Narration narration(const Scene& scene);

/// Adds to the notes why the record was refused.
void add_obstacle(const Scene& scene, Narration& narration);

/// The key of the lease that a record is about: its own, or that of its task. Empty: of none.
std::string lease_key_of(const Scene& scene);

void point_to(Narration& narration, const RecordRef& ref);

/// "monitor's record 9, 6 min 00 s before"
std::string by_record(const RecordRef& ref, TimeUs now);
/// "worker of build-2 (pid 7)"; omits the daemon's name.
std::string in_words(const Owner& owner);
/// "7 min 30 s", "340 ms", "0 s"
std::string span_of(TimeUs from, TimeUs to);

}  // namespace pawl
