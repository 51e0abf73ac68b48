// A world that answers from a log: processes that were found dead there are dead, and gates give their recorded
// results. If the log has no answer, it notes the question, and the story ends there.
#pragma once

#include <optional>
#include <string>

#include "engine/policies/world.h"
#include "tools/forensics/recorded_facts.h"

namespace pawl {

class RecordedWorld final : public World {
 public:
  /// `facts` must outlive the world.
  explicit RecordedWorld(const RecordedFacts& facts) : facts_(facts) {}

  /// The time that the questions are about.
  TimeUs now;
  /// The first question that the log cannot answer.
  std::optional<std::string> unanswered;

  bool is_alive(const Owner& owner, const Boot& boot) override;
  Liveness life_of(const Run& run, const Boot& boot) override;
  GateAnswer run_gate(const Gate& gate, const CommandContext& context) override;
  bool can_run(const PipelineStep& step) override;
  EndedStart end_and_lock(const StepKey& place, const std::string& run, const Boot* starter) override;
  Held hold_step(const PipelineStep& step, const CommandContext& context, const std::string& previous_run) override;
  Verdict probe(const PipelineStep& step, const CommandContext& context) override;

 private:
  void ask(std::string what);

  const RecordedFacts& facts_;
};

}  // namespace pawl
