// Records in words: what was asked, and, of what was refused, who or what stood in the way.
#pragma once

#include <string>
#include <vector>

#include "engine/rules/apply.h"
#include "tools/forensics/explain_memory.h"

namespace pawl {

/// A record as a story tells it.
struct Told {
  std::string says;                // continues the actor's name: "takes the lease task:1"
  std::vector<std::string> notes;  // why, by whose hand, on what evidence
  std::vector<Seq> because;        // earlier records that it rests on, or ran into; ascending, each once
};

/// A record, and what it met. `memory` is that before it; `state` that after its group, which for a refused record is
/// that before it.
struct Scene {
  const fb::Record& record;
  const Applied& applied;
  const Memory& memory;
  const State& state;

  bool accepted() const { return applied.outcome == Outcome::accepted; }
  TimeUs now() const { return {record.stamp()->time_us()}; }
};

Told told(const Scene& scene);

/// Adds to the notes why it was refused; nothing if it was accepted.
void add_obstacle(const Scene& scene, Told& told);

void point_to(Told& told, const Deed& deed);

/// "monitor's record 9, 6 min 00 s before"
std::string by_record(const Deed& deed, TimeUs now);
/// "worker of build-2 (pid 7)"; the daemon's name is left out.
std::string in_words(const Memory& memory, const Owner& owner);
/// "7 min 30 s", "340 ms", "0 s"
std::string span_of(TimeUs from, TimeUs to);

}  // namespace pawl
