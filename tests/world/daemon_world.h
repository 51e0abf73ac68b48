// The world as that daemon meets it: what daemon/work/real_world.cc promises, with processes that the seed makes up.
#pragma once

#include "tests/world/daemon.h"

namespace pawl::hostile {

class Daemon::Sight final : public World {
 public:
  Sight(Daemon& daemon, Story& story) : daemon_(daemon), story_(story) {}

  bool is_alive(const Owner& owner, const Boot& boot) override;
  Life life_of(const Run& run, const Boot& boot) override;
  GateAnswer run_gate(const Gate& gate, const CommandContext& context) override;
  bool can_run(const PipelineStep& step) override { return !step.run.empty(); }
  EndedStart end_and_lock(const StepPlace& place, const std::string& run, const Boot* starter) override;
  Held hold_step(const PipelineStep& step, const CommandContext& context, const std::string& previous_run) override;
  Verdict probe(const PipelineStep& step, const CommandContext& context) override;

 private:
  class Lock;
  class Step;
  class Listed;

  bool lives(const std::string& host, std::int64_t pid, std::optional<std::int64_t> start) const;
  bool lock_until(const StepKey& place, Us deadline);

  Daemon& daemon_;
  Story& story_;
};

}  // namespace pawl::hostile
