// A story whose people, machines and fates are given instead of made up at random: incidents with one known cause
// (incident.h). Without a script nothing of this is used.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "engine/policies/world.h"
#include "engine/state/pipeline.h"
#include "schema/record_view.h"
#include "tests/world/scheduler.h"

namespace pawl::hostile {

class Story;

/// What a command will do.
struct Fate {
  Us work = 0;
  std::optional<Us> effect;  // when it sends its request to the target; none: never
  Us latency = 0;            // from the request to the effect
  CommandExit exit;
};

class Script {
 public:
  virtual ~Script() = default;

  /// Repositories, each with its origin.
  virtual const std::map<std::string, std::string>& repos() const = 0;
  virtual const std::vector<Pipeline>& pipelines() const = 0;

  /// Sends everyone from outside.
  virtual void begin(Story& story) = 0;
  /// Whether the log ends here. Asked after each turn.
  virtual bool is_over() = 0;
  /// A record has become durable, and the witness has seen it.
  virtual void see(const fb::Record& record) = 0;
  /// Whether a fault that the world's own checks find is left alone: the cause may rightly lead to it.
  virtual bool bears_with(const std::string& fault) = 0;
  /// How long the daemon is away after its end.
  virtual Us downtime() = 0;

  // What the daemon's commands do.

  virtual Fate fate_of_agent(TaskId task) = 0;
  virtual Fate fate_of_gate(TaskId task) = 0;
  virtual Fate fate_of_step(const StepKey& key, const PipelineStep& step) = 0;
  /// The verdict is the exit code: 0 yes, 1 no, 2 unknown.
  virtual Fate fate_of_probe(const StepKey& key, Verdict truth) = 0;
};

}  // namespace pawl::hostile
