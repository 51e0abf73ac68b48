// A world that answers from a log: processes that were found dead there are dead, and gates give their recorded
// results. If the log has no answer, it notes the question, and the story ends there.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/policies/world.h"
#include "tools/forensics/recorded_log.h"

namespace pawl {

class RecordedWorld final : public World {
 public:
  explicit RecordedWorld(const RecordedLog& log);

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
  using Process = std::pair<std::string, std::int64_t>;  // boot id, pid
  struct GateFact {
    TimeUs time;
    GateAnswer answer;
  };
  struct GatePlace {
    TaskId task{};
    Version version{};
    std::string gate;
    friend auto operator<=>(const GatePlace&, const GatePlace&) = default;
  };

  void die(const std::string& boot, std::int64_t pid, TimeUs since);
  void learn(const fb::Record& record);
  void learn_reap(const fb::Record& record, const fb::JobReaped& event);
  void ask(std::string what);

  std::map<Process, TimeUs> dead_since_;
  std::map<GatePlace, std::vector<GateFact>> gates_;
  // While reading the log: running jobs by id, and holders by key.
  struct Running {
    Process owner;
    std::optional<std::int64_t> pid;
  };
  std::map<std::uint64_t, Running> running_;
  std::map<std::string, Process> holders_;
  std::map<std::string, std::int64_t> boots_;
};

}  // namespace pawl
