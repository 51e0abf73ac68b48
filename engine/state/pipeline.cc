// Validates definitions. Each stage has exactly one forward edge and is reachable from the first, so a valid pipeline
// is a chain from its first stage to `done`; only rollbacks lead back, to a stage earlier in the chain. The checks go
// from the small (names, limits) to the large (edges, budgets), so the first problem reported can be fixed before any
// other.
#include "engine/state/pipeline.h"

#include <algorithm>
#include <set>
#include <tuple>

#include "engine/state/variables.h"
#include "schema/limits.h"

namespace pawl {

const Stage* Pipeline::stage(std::string_view stage_name) const {
  for (const Stage& stage : stages) {
    if (stage.name == stage_name) return &stage;
  }
  return nullptr;
}

const Agent* Pipeline::agent(std::string_view agent_name) const {
  for (const Agent& agent : agents) {
    if (agent.name == agent_name) return &agent;
  }
  return nullptr;
}

const PipelineStep* Pipeline::step(std::string_view to, std::string_view step_name) const {
  for (const Stage& stage : stages) {
    if (stage.to != to) continue;
    for (const PipelineStep& step : stage.steps) {
      if (step.name == step_name) return &step;
    }
  }
  return nullptr;
}

namespace {

using Problem = std::optional<std::string>;  // what is wrong, but not where

Problem name_problem(std::string_view name) {
  if (name.empty()) return "has no name";
  if (name.size() > limits::name_bytes_max) {
    return "has a name of " + std::to_string(name.size()) + " bytes; the limit is " +
           std::to_string(limits::name_bytes_max);
  }
  const auto is_first = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  const auto is_later = [&](char c) { return is_first(c) || c == '.' || c == '_' || c == '-'; };
  if (!is_first(name.front()) || !std::all_of(name.begin(), name.end(), is_later)) {
    return "has an invalid name: use a-z, 0-9, '.', '_' and '-', and begin with a letter or a digit";
  }
  return std::nullopt;
}

Problem timeout_problem(std::int64_t timeout_s) {
  if (timeout_s >= 1 && timeout_s <= limits::timeout_s_max) return std::nullopt;
  return "has a timeout_s of " + std::to_string(timeout_s) + "; the range is 1 to " +
         std::to_string(limits::timeout_s_max);
}

Problem output_problem(const std::optional<std::int64_t>& max_bytes) {
  if (!max_bytes) return std::nullopt;
  if (*max_bytes >= limits::output_bytes_bound_min && *max_bytes <= limits::output_bytes_bound_max) return std::nullopt;
  return "has an output_max_bytes of " + std::to_string(*max_bytes) + "; the range is " +
         std::to_string(limits::output_bytes_bound_min) + " to " + std::to_string(limits::output_bytes_bound_max);
}

Problem command_problem(const CommandLine& run, std::string_view what) {
  if (run.empty()) return std::nullopt;
  std::size_t bytes = 0;
  for (const std::string& word : run) bytes += word.size() + 1;
  const std::string subject = "has a `" + std::string(what) + "` ";
  if (run.size() > limits::command_words_max || bytes > limits::command_bytes_max) {
    return subject + "of " + std::to_string(run.size()) + " words and " + std::to_string(bytes) +
           " bytes; the limit is " + std::to_string(limits::command_words_max) + " words and " +
           std::to_string(limits::command_bytes_max) + " bytes";
  }
  if (run.front().empty()) return subject + "whose first word, the program, is empty";
  const auto holds_nul = [](const std::string& word) { return word.find('\0') != std::string::npos; };
  if (std::any_of(run.begin(), run.end(), holds_nul)) return subject + "with a NUL byte in it";
  return std::nullopt;
}

/// "stage 3 'review'": numbers count from 1, for people.
std::string label(std::string_view kind, std::size_t index, std::string_view name) {
  return std::string(kind) + " " + std::to_string(index + 1) + " '" + std::string(name) + "'";
}

/// Checks one variable: "X is …".
Problem variable_problem(const Variable& variable) {
  const std::string& name = variable.name;
  const auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; };
  const auto is_later = [&](char c) { return is_letter(c) || (c >= '0' && c <= '9'); };
  if (name.empty() || name.size() > limits::name_bytes_max || !is_letter(name.front()) ||
      !std::all_of(name.begin(), name.end(), is_later)) {
    return "'" + name +
           "' is not a valid name: use letters, digits and '_', do not begin with a digit, and use at most " +
           std::to_string(limits::name_bytes_max) + " bytes";
  }
  if (name.starts_with("PAWL_")) return name + " begins with PAWL_, which is reserved for pawl's own variables";
  int sources = 0;
  for (const std::optional<std::string>* text : {&variable.value, &variable.file, &variable.from_daemon}) {
    if (!*text) continue;
    ++sources;
    if ((*text)->size() > limits::variable_bytes_max || (*text)->find('\0') != std::string::npos) {
      return name + " holds more than " + std::to_string(limits::variable_bytes_max) + " bytes, or a NUL byte";
    }
  }
  if (sources != 1) return name + " must have exactly one of `value`, `file` and `from_daemon`";
  if (variable.file && !variable.file->starts_with('/')) return name + " names a file by a path that is not absolute";
  if (variable.from_daemon && variable.from_daemon->empty()) return name + " has a `from_daemon` without a name";
  return std::nullopt;
}

}  // namespace

std::optional<std::string> env_problem(const Variables& env) {
  if (env.size() > limits::variables_max) {
    return "has " + std::to_string(env.size()) + " variables in its `env`; the limit is " +
           std::to_string(limits::variables_max);
  }
  std::set<std::string_view> names;
  for (const Variable& variable : env) {
    Problem problem = variable_problem(variable);
    if (!problem && !names.insert(variable.name).second) problem = variable.name + " is defined twice";
    if (problem) return "has an `env` in which " + *problem;
  }
  return std::nullopt;
}

namespace {

Problem agent_problem(const Agent& agent) {
  if (Problem problem = name_problem(agent.name)) return problem;
  if (Problem problem = command_problem(agent.run, "run")) return problem;
  if (Problem problem = env_problem(agent.env)) return problem;
  if (Problem problem = output_problem(agent.output_max_bytes)) return problem;
  return timeout_problem(agent.timeout_s);
}

Problem step_body_problem(const PipelineStep& step) {
  if (Problem problem = name_problem(step.name)) return problem;
  if (Problem problem = command_problem(step.run, "run")) return problem;
  if (Problem problem = command_problem(step.probe, "probe")) return problem;
  if (Problem problem = env_problem(step.env)) return problem;
  if (Problem problem = output_problem(step.output_max_bytes)) return problem;
  if (Problem problem = timeout_problem(step.timeout_s)) return problem;
  if (step.settle_s < 0 || step.settle_s > limits::timeout_s_max) {
    return "has a settle_s of " + std::to_string(step.settle_s) + "; the range is 0 to " +
           std::to_string(limits::timeout_s_max);
  }
  if (step.not_done_exit_codes.size() > 255) return "has more than 255 not_done_exit_codes";
  for (const int code : step.not_done_exit_codes) {
    // 0 means that the step was done: it cannot also mean that it was not.
    if (code < 1 || code > 255) {
      return "has " + std::to_string(code) + " among its not_done_exit_codes; the range is 1 to 255";
    }
  }
  return std::nullopt;
}

Problem steps_problem(const std::vector<PipelineStep>& steps) {
  if (steps.size() > limits::steps_per_edge_max) {
    return "has " + std::to_string(steps.size()) + " steps; the limit is " + std::to_string(limits::steps_per_edge_max);
  }
  std::set<std::string_view> names;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const Problem problem = step_body_problem(steps[i]);
    if (problem) return label("step", i, steps[i].name) + " " + *problem;
    if (!names.insert(steps[i].name).second)
      return label("step", i, steps[i].name) + " has a name that is already used";
  }
  return std::nullopt;
}

/// What is wrong with one of those who may approve. `daemon` and `tcp` are everyone's names, and say nothing.
Problem approver_problem(const std::string& name) {
  constexpr std::string_view kinds[] = {"token:", "uid:", "user:", "group:"};
  for (const std::string_view head : kinds) {
    if (!name.starts_with(head)) continue;
    const std::string_view rest = std::string_view(name).substr(head.size());
    const bool is_number =
        !rest.empty() && std::all_of(rest.begin(), rest.end(), [](char c) { return c >= '0' && c <= '9'; });
    if (!rest.empty() && rest.size() <= limits::name_bytes_max && (head != "uid:" || is_number)) return std::nullopt;
  }
  return "names '" + name + "' as one who may approve; it must be token:NAME, uid:NUMBER, user:NAME or group:NAME";
}

Problem approval_problem(const Stage& stage, const Approval& approval) {
  if (approval.by.empty()) return "needs an approval, but names none who may give it (`by`)";
  if (approval.by.size() > limits::approvers_max) {
    return "names " + std::to_string(approval.by.size()) + " who may approve; the limit is " +
           std::to_string(limits::approvers_max);
  }
  for (std::size_t i = 0; i < approval.by.size(); ++i) {
    if (Problem problem = approver_problem(approval.by[i])) return problem;
    if (std::find(approval.by.begin(), approval.by.begin() + static_cast<std::ptrdiff_t>(i), approval.by[i]) !=
        approval.by.begin() + static_cast<std::ptrdiff_t>(i)) {
      return "names '" + approval.by[i] + "' twice among those who may approve";
    }
  }
  const bool has_group = std::any_of(approval.by.begin(), approval.by.end(),
                                     [](const std::string& name) { return name.starts_with("group:"); });
  const auto most =
      has_group ? static_cast<std::int64_t>(limits::approvers_max) : static_cast<std::int64_t>(approval.by.size());
  if (approval.need < 1 || approval.need > most) {
    return "needs " + std::to_string(approval.need) + " approvals; the range is 1 to " + std::to_string(most) +
           (has_group ? "" : ", which is how many may approve");
  }
  if (approval.timeout_s && (*approval.timeout_s < 1 || *approval.timeout_s > limits::approval_timeout_s_max)) {
    return "has an approval with a timeout_s of " + std::to_string(*approval.timeout_s) + "; the range is 1 to " +
           std::to_string(limits::approval_timeout_s_max);
  }
  if (approval.on_timeout == ApprovalTimeout::roll_back && !approval.timeout_s) {
    return "says what happens when the time for an approval is over, but has no timeout_s for it";
  }
  if (approval.on_timeout == ApprovalTimeout::roll_back && stage.rollback.empty()) {
    return "rolls back when the time for an approval is over, but its stage has no `rollback`";
  }
  return std::nullopt;
}

/// Checks one stage, except where its edges lead.
Problem stage_body_problem(const Pipeline& pipeline, const Stage& stage) {
  if (Problem problem = name_problem(stage.name)) return problem;
  if (is_terminal(stage.name)) return "has a reserved name: the terminal stages are implicit";
  if (!stage.agent.empty() && !pipeline.agent(stage.agent))
    return "has the agent '" + stage.agent + "', which is not defined";
  if (stage.gate) {
    Problem problem = command_problem(stage.gate->run, "run");
    if (!problem) problem = env_problem(stage.gate->env);
    if (!problem) problem = output_problem(stage.gate->output_max_bytes);
    if (!problem) problem = timeout_problem(stage.gate->timeout_s);
    if (!problem && stage.gate->approve) problem = approval_problem(stage, *stage.gate->approve);
    if (problem) return "has a gate that " + *problem;
  }
  if (Problem problem = env_problem(stage.env)) return problem;
  if (Problem problem = steps_problem(stage.steps)) return "has a problem on its edge: " + *problem;
  return std::nullopt;
}

Problem forward_problem(const Pipeline& pipeline, const Stage& stage) {
  if (stage.to.empty()) return "has no `to`: its forward edge is missing";
  if (stage.to == stage_cancelled) return "leads to 'cancelled', which only a cancellation reaches";
  if (stage.to == stage.name) return "leads to itself";
  if (stage.to != stage_done && !pipeline.stage(stage.to)) return "leads to '" + stage.to + "', which is not a stage";
  return std::nullopt;
}

std::optional<PipelineProblem> problem_at_stage(const Pipeline& pipeline, std::size_t index, const Problem& what) {
  if (!what) return std::nullopt;
  return PipelineProblem{PipelineProblem::Where::stage, index,
                         label("stage", index, pipeline.stages[index].name) + " " + *what};
}

std::size_t index_of(const Pipeline& pipeline, std::string_view stage_name) {
  const Stage* stage = pipeline.stage(stage_name);
  return static_cast<std::size_t>(stage - pipeline.stages.data());
}

/// Requires: each stage leads to a stage or to `done`.
std::optional<PipelineProblem> way_problem(const Pipeline& pipeline) {
  // The position of each stage on the path from the first; absent if it is not on the path.
  std::vector<std::optional<std::size_t>> place(pipeline.stages.size());
  std::size_t length = 0;
  for (std::size_t at = 0;; at = index_of(pipeline, pipeline.stages[at].to)) {
    place[at] = length++;
    const std::string& to = pipeline.stages[at].to;
    if (to == stage_done) break;
    if (place[index_of(pipeline, to)]) {
      return problem_at_stage(pipeline, at, "leads back to '" + to + "': a cycle that is not a rollback");
    }
  }
  for (std::size_t i = 0; i < pipeline.stages.size(); ++i) {
    if (!place[i]) {
      return problem_at_stage(pipeline, i,
                              "is unreachable: no path leads to it from '" + pipeline.stages[0].name + "'");
    }
  }
  for (std::size_t i = 0; i < pipeline.stages.size(); ++i) {
    const std::string& back = pipeline.stages[i].rollback;
    if (back.empty()) continue;
    if (is_terminal(back) || !pipeline.stage(back)) {
      return problem_at_stage(pipeline, i, "rolls back to '" + back + "', which is not a stage");
    }
    if (back == pipeline.stages[i].name) return problem_at_stage(pipeline, i, "rolls back to itself");
    if (*place[index_of(pipeline, back)] > *place[i]) {
      return problem_at_stage(pipeline, i, "rolls back to '" + back + "', which comes after it");
    }
  }
  return std::nullopt;
}

std::optional<PipelineProblem> problem_of_whole(const Pipeline& pipeline) {
  const auto whole = [&](const std::string& what) {
    return PipelineProblem{PipelineProblem::Where::pipeline, 0, "pipeline '" + pipeline.name + "' " + what};
  };
  if (const Problem problem = name_problem(pipeline.name)) return whole(*problem);
  if (pipeline.stages.empty()) return whole("has no stages");
  if (pipeline.stages.size() > limits::stages_max) {
    return whole("has " + std::to_string(pipeline.stages.size()) + " stages; the limit is " +
                 std::to_string(limits::stages_max));
  }
  if (pipeline.branch && *pipeline.branch != "existing" && *pipeline.branch != "create") {
    return whole("has '" + *pipeline.branch + "' as `branch`; use existing or create");
  }
  if (const Problem problem = env_problem(pipeline.env)) return whole(*problem);
  if (pipeline.agents.size() > limits::agents_max) {
    return whole("has " + std::to_string(pipeline.agents.size()) + " agents; the limit is " +
                 std::to_string(limits::agents_max));
  }
  return std::nullopt;
}

std::optional<PipelineProblem> problem_of_agents(const Pipeline& pipeline) {
  std::set<std::string_view> names;
  for (std::size_t i = 0; i < pipeline.agents.size(); ++i) {
    Problem problem = agent_problem(pipeline.agents[i]);
    if (!problem && !names.insert(pipeline.agents[i].name).second) problem = "has a name that is already used";
    if (problem) {
      return PipelineProblem{PipelineProblem::Where::agent, i,
                             label("agent", i, pipeline.agents[i].name) + " " + *problem};
    }
  }
  return std::nullopt;
}

/// The time budget of an edge's steps, each with its probe; the probe of an irreversible step may run twice, with the
/// settle time in between.
std::int64_t steps_budget_s(const Stage& stage, std::uint32_t rules) {
  std::int64_t budget_s = 0;
  for (const PipelineStep& step : stage.steps) {
    budget_s += step.timeout_s;
    if (step.probe.empty()) continue;
    budget_s += step.settle_s + step.timeout_s;
    if (rules >= 2 && step.irreversible) budget_s += step.timeout_s;
  }
  return budget_s;
}

std::vector<std::string_view> stage_names(const Pipeline& pipeline) {
  std::vector<std::string_view> names;
  for (const Stage& stage : pipeline.stages) names.emplace_back(stage.name);
  return names;
}

Problem budget_problem(const Pipeline& pipeline, const Stage& stage, const Settings& settings, std::uint32_t rules) {
  const Agent* agent = pipeline.agent(stage.agent);
  const std::int64_t edge_s = (stage.gate ? stage.gate->timeout_s : 0) + steps_budget_s(stage, rules);
  const std::int64_t stage_s = (agent ? agent->timeout_s : 0) + edge_s + settings.reaper.finalize_grace_s;
  if (stage_s >= settings.reaper.max_running_s) {
    return "may take " + std::to_string(stage_s) +
           " s (agent, gate, steps, probes and reaper.finalize_grace_s), which must be less than reaper.max_running_s, "
           "now " +
           std::to_string(settings.reaper.max_running_s) + "; lower their timeout_s, or raise that setting";
  }
  const bool exclusive =
      std::any_of(stage.steps.begin(), stage.steps.end(), [](const PipelineStep& step) { return step.exclusive; });
  if (exclusive && edge_s >= settings.lease.merge_ttl_s) {
    return "has an exclusive step, and its edge may take " + std::to_string(edge_s) +
           " s (gate, steps and probes), which must be less than lease.merge_ttl_s, now " +
           std::to_string(settings.lease.merge_ttl_s) + "; lower their timeout_s, or raise that setting";
  }
  return std::nullopt;
}

}  // namespace

std::optional<PipelineProblem> budget_problem_of(const Pipeline& pipeline, const Settings& settings,
                                                 std::uint32_t rules) {
  for (std::size_t i = 0; i < pipeline.stages.size(); ++i) {
    auto problem = problem_at_stage(pipeline, i, budget_problem(pipeline, pipeline.stages[i], settings, rules));
    if (problem) return problem;
  }
  return std::nullopt;
}

std::optional<PipelineProblem> problem_of(const Pipeline& pipeline, const Settings& settings, std::uint32_t rules) {
  if (auto problem = problem_of_whole(pipeline)) return problem;
  if (auto problem = problem_of_agents(pipeline)) return problem;
  std::set<std::string_view> names;
  for (std::size_t i = 0; i < pipeline.stages.size(); ++i) {
    Problem problem = stage_body_problem(pipeline, pipeline.stages[i]);
    if (!problem && !names.insert(pipeline.stages[i].name).second) problem = "has a name that is already used";
    if (problem) return problem_at_stage(pipeline, i, problem);
  }
  for (std::size_t i = 0; i < pipeline.stages.size(); ++i) {
    auto problem = problem_at_stage(pipeline, i, forward_problem(pipeline, pipeline.stages[i]));
    if (problem) return problem;
  }
  if (auto problem = way_problem(pipeline)) return problem;
  if (pipeline.calendar) {
    if (auto problem = calendar_problem(*pipeline.calendar, stage_names(pipeline))) {
      return PipelineProblem{PipelineProblem::Where::calendar, 0, "the calendar " + *problem};
    }
  }
  return budget_problem_of(pipeline, settings, rules);
}

Pipeline default_pipeline() {
  const PipelineStep retest{.name = "retest", .timeout_s = 900};
  const PipelineStep merge{.name = "merge", .timeout_s = 120, .irreversible = true, .exclusive = true};
  const PipelineStep deploy{.name = "deploy", .irreversible = true};
  const Gate gate;

  Pipeline pipeline;
  pipeline.name = "delivery";
  pipeline.branch = "create";
  pipeline.agents = {{.name = "analyst"}, {.name = "developer"}, {.name = "reviewer"}, {.name = "deployer"}};
  pipeline.stages = {
      {.name = "analysis", .agent = "analyst", .gate = gate, .to = "development"},
      {.name = "development", .agent = "developer", .gate = gate, .to = "review"},
      {.name = "review", .agent = "reviewer", .gate = gate, .to = "testing", .rollback = "development"},
      {.name = "testing", .agent = "deployer", .gate = gate, .to = "deploy-staging", .rollback = "development"},
      {.name = "deploy-staging",
       .agent = "deployer",
       .gate = gate,
       .to = "deploy",
       .steps = {retest, merge},
       .rollback = "development"},
      {.name = "deploy", .gate = gate, .to = "done", .steps = {deploy}, .rollback = "development"},
  };
  return pipeline;
}

namespace {

bool equal(const Stage& left, const Stage& right);

bool equal(const Agent& left, const Agent& right) {
  const auto all = [](const Agent& agent) {
    return std::tie(agent.name, agent.run, agent.timeout_s, agent.env, agent.output_max_bytes);
  };
  return all(left) == all(right);
}

bool equal(const std::optional<Gate>& left, const std::optional<Gate>& right) {
  if (left.has_value() != right.has_value()) return false;
  const auto all = [](const Gate& gate) {
    return std::tie(gate.run, gate.timeout_s, gate.env, gate.output_max_bytes, gate.approve);
  };
  return !left || all(*left) == all(*right);
}

bool equal(const PipelineStep& left, const PipelineStep& right) {
  const auto all = [](const PipelineStep& step) {
    return std::tie(step.name, step.run, step.probe, step.timeout_s, step.irreversible, step.exclusive,
                    step.not_done_exit_codes, step.settle_s, step.env, step.output_max_bytes);
  };
  return all(left) == all(right);
}

template <class Row>
bool equal(const std::vector<Row>& left, const std::vector<Row>& right) {
  return std::equal(left.begin(), left.end(), right.begin(), right.end(),
                    [](const Row& one, const Row& other) { return equal(one, other); });
}

bool equal(const Stage& left, const Stage& right) {
  return std::tie(left.name, left.agent, left.to, left.rollback, left.env) ==
             std::tie(right.name, right.agent, right.to, right.rollback, right.env) &&
         equal(left.gate, right.gate) && equal(left.steps, right.steps);
}

}  // namespace

bool operator==(const Pipeline& left, const Pipeline& right) {
  return left.name == right.name && left.branch == right.branch && left.env == right.env &&
         left.calendar == right.calendar && equal(left.agents, right.agents) && equal(left.stages, right.stages);
}

}  // namespace pawl
