// Pipelines as data: stages, the edges between them, and their commands.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/state/calendar.h"
#include "engine/state/settings.h"
#include "event_generated.h"

namespace pawl {

/// The terminal stages: sinks of every pipeline, never listed in a definition.
constexpr std::string_view stage_done = "done";
constexpr std::string_view stage_cancelled = "cancelled";

constexpr bool is_terminal(std::string_view stage) {
  return stage == stage_done || stage == stage_cancelled;
}

/// A command line, executed without a shell; empty means none.
using CommandLine = std::vector<std::string>;

constexpr std::int64_t agent_timeout_default_s = 1800;
constexpr std::int64_t gate_timeout_default_s = 300;
constexpr std::int64_t step_timeout_default_s = 900;
constexpr std::int64_t settle_default_s = 30;  // for an irreversible step; for any other: 0

/// A variable in the environment of a command. Exactly one of the other fields gives its value.
struct Variable {
  std::string name;
  std::optional<std::string> value = {};
  std::optional<std::string> file = {};         // an absolute path, read when the command starts
  std::optional<std::string> from_daemon = {};  // a variable in the daemon's environment

  friend bool operator==(const Variable&, const Variable&) = default;
};
/// The `env` of one place in a definition. Names are unique.
using Variables = std::vector<Variable>;

struct Agent {
  std::string name;
  CommandLine run = {};  // empty: claimed by external workers only
  std::int64_t timeout_s = agent_timeout_default_s;
  Variables env = {};
  /// How much of the output of one run is kept, in bytes; none: `output.max_bytes` of the settings.
  std::optional<std::int64_t> output_max_bytes = {};
};

using fb::ApprovalTimeout;

/// Whose word a gate needs, after its command.
struct Approval {
  /// Who may: "token:NAME", "uid:N", "user:NAME", "group:NAME". What a name of the last two stands for is the daemon's
  /// to know.
  std::vector<std::string> by = {};
  std::int64_t need = 1;
  bool not_submitter = false;
  std::optional<std::int64_t> timeout_s = {};  // none: it waits for ever
  ApprovalTimeout on_timeout = ApprovalTimeout::block;

  friend bool operator==(const Approval&, const Approval&) = default;
};

struct Gate {
  CommandLine run = {};  // empty: always green
  std::int64_t timeout_s = gate_timeout_default_s;
  Variables env = {};
  std::optional<std::int64_t> output_max_bytes = {};  // as an agent's
  std::optional<Approval> approve = {};
};

struct PipelineStep {
  std::string name;
  CommandLine run = {};    // empty: the daemon cannot start it
  CommandLine probe = {};  // empty: none. Exit 0: it happened; 1: it did not; else unknown
  std::int64_t timeout_s = step_timeout_default_s;
  bool irreversible = false;
  bool exclusive = false;  // needs the repository's lease
  std::vector<int> not_done_exit_codes =
      {};  // exit codes by which an irreversible step guarantees that nothing happened
  /// How long after the end of the last attempt a probe's *no* may release the crossing (SPEC §8).
  std::int64_t settle_s = 0;
  Variables env = {};                                 // for its command and its probe
  std::optional<std::int64_t> output_max_bytes = {};  // as an agent's; for its command and, separately, its probe
};

struct Stage {
  std::string name;
  std::string agent = {};                // empty: none; the reconciler advances the task
  std::optional<Gate> gate = {};         // none: always green
  std::string to;                        // the forward edge
  std::vector<PipelineStep> steps = {};  // if there are any, the forward edge is guarded
  std::string rollback = {};             // empty: none
  Variables env = {};                    // for its agent, gate and steps

  bool guarded() const { return !steps.empty(); }
  /// What its gate asks people for; null: nothing.
  const Approval* approval() const { return gate && gate->approve ? &*gate->approve : nullptr; }
};

struct Pipeline {
  std::string name;
  std::vector<Agent> agents;
  std::vector<Stage> stages;  // tasks start at the first
  /// "create": a branch missing at origin is created from the default branch. "existing" or none: a missing branch
  /// stops the work.
  std::optional<std::string> branch = {};
  Variables env = {};                     // for every command
  std::optional<Calendar> calendar = {};  // none: it is never frozen

  bool begins_branches() const { return branch == "create"; }
  /// Null if there is none, which includes the terminal stages.
  const Stage* stage(std::string_view stage_name) const;
  const Agent* agent(std::string_view agent_name) const;
  /// The step of that name on a guarded forward edge to `to`; null if there is none.
  const PipelineStep* step(std::string_view to, std::string_view step_name) const;
};

/// What is wrong with a pipeline, and where, so that a caller that knows line numbers can name the line.
struct PipelineProblem {
  enum class Where { pipeline, agent, stage, calendar };
  Where where = Where::pipeline;
  std::size_t index = 0;  // of the agent or stage
  std::string what;       // "stage 'review': rolls back to 'qa', which is not a stage"
};

/// The first problem in a definition, or none. Checks names, limits, edges (unreachable stage, missing edge, unknown
/// agent, a cycle that is not a rollback), the calendar and, with the settings in force, the time budgets of SPEC §3.
/// `rules` is the deciding version of the rules: an edge's time budget depends on it.
std::optional<PipelineProblem> problem_of(const Pipeline& pipeline, const Settings& settings, std::uint32_t rules);
/// Checks the time budgets only, for a setting that would break a pipeline in use.
std::optional<PipelineProblem> budget_problem_of(const Pipeline& pipeline, const Settings& settings,
                                                 std::uint32_t rules);

/// Conversion from and to the event, without its `given` field.
Pipeline pipeline_from(const fb::PipelineDefined& event);
fb::PipelineDefinedT pipeline_event(const Pipeline& pipeline);

/// The pipeline that every log starts with (SPEC §3).
Pipeline default_pipeline();

bool operator==(const Pipeline& left, const Pipeline& right);

template <class V>
void visit(const Variable& variable, V&& field) {
  field(1, "name", variable.name);
  field(2, "value", variable.value);
  field(3, "file", variable.file);
  field(4, "from_daemon", variable.from_daemon);
}

template <class V>
void visit(const Agent& agent, V&& field) {
  field(1, "name", agent.name);
  field(2, "run", agent.run);
  field(3, "timeout_s", agent.timeout_s);
  field(4, "env", agent.env);
  field(5, "output_max_bytes", agent.output_max_bytes);
}

template <class V>
void visit(const Approval& approval, V&& field) {
  field(1, "by", approval.by);
  field(2, "need", approval.need);
  field(3, "not_submitter", approval.not_submitter);
  field(4, "timeout_s", approval.timeout_s);
  field(5, "on_timeout", approval.on_timeout);
}

template <class V>
void visit(const Gate& gate, V&& field) {
  field(1, "run", gate.run);
  field(2, "timeout_s", gate.timeout_s);
  field(3, "env", gate.env);
  field(4, "output_max_bytes", gate.output_max_bytes);
  field(5, "approve", gate.approve);
}

template <class V>
void visit(const PipelineStep& step, V&& field) {
  field(1, "name", step.name);
  field(2, "run", step.run);
  field(3, "probe", step.probe);
  field(4, "timeout_s", step.timeout_s);
  field(5, "irreversible", step.irreversible);
  field(6, "exclusive", step.exclusive);
  field(7, "not_done_exit_codes", step.not_done_exit_codes);
  field(8, "settle_s", step.settle_s);
  field(9, "env", step.env);
  field(10, "output_max_bytes", step.output_max_bytes);
}

template <class V>
void visit(const Stage& stage, V&& field) {
  field(1, "name", stage.name);
  field(2, "agent", stage.agent);
  field(3, "gate", stage.gate);
  field(4, "to", stage.to);
  field(5, "steps", stage.steps);
  field(6, "rollback", stage.rollback);
  field(7, "env", stage.env);
}

template <class V>
void visit(const Pipeline& pipeline, V&& field) {
  field(1, "name", pipeline.name);
  field(2, "agents", pipeline.agents);
  field(3, "stages", pipeline.stages);
  field(4, "branch", pipeline.branch);
  field(5, "env", pipeline.env);
  field(6, "calendar", pipeline.calendar);
}

}  // namespace pawl
