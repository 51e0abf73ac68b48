#include "daemon/pipeline_yaml.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <filesystem>
#include <optional>
#include <sstream>
#include <string_view>
#include <utility>
#include <vector>

#include "daemon/pipeline_programs.h"
#include "daemon/pipeline_yaml_calendar.h"
#include "daemon/pipeline_yaml_fields.h"
#include "engine/state/variables.h"
#include "schema/limits.h"
#include "schema/printable.h"
#include "schema/proposal.h"
#include "store/os/regular_file.h"

namespace pawl {
namespace {

constexpr std::size_t file_bytes_max = 1024 * 1024;

Result<CommandLine> optional_command(const YamlFile& source, const Fields& fields, std::string_view name,
                                     const std::string& of) {
  const YAML::Node* node = field(fields, name);
  source.read.command_lines.push_back(node ? line_of(node->Mark()) : 0);
  if (!node) return CommandLine();
  const std::string what = in_quotes(name) + " of " + of;
  if (node->IsScalar()) {
    const std::string line = PAWL_TRY(text_of(source, *node, what));
    return CommandLine{"/bin/sh", "-c", line};
  }
  if (!node->IsSequence()) return at(source, *node, what + " is neither a list of words nor a line for the shell");
  PAWL_TRY(bounded(source, *node, limits::command_words_max, what));
  CommandLine command;
  for (const YAML::Node& word : *node) {
    if (!word.IsScalar()) return at(source, word, what + " has a word that is not text");
    PAWL_TRY(check_bytes(source, word, what));
    command.push_back(word.Scalar());
  }
  if (command.empty()) return at(source, *node, what + " is an empty list: leave it out if there is no command");
  std::string& program = command.front();
  if (program.empty()) return at(source, *node, what + " begins with an empty word");
  if (program.starts_with("./") || program.starts_with("../")) {
    program = (std::filesystem::path(source.base_dir) / program).lexically_normal().string();
  }
  return command;
}

/// The value of a variable: a scalar is taken as text as written, even if it looks like another type.
Result<Variable> variable_of(const YamlFile& source, const YAML::Node& key, const YAML::Node& node,
                             const std::string& of) {
  const std::string name = PAWL_TRY(text_of(source, key, "the name of a variable of " + of));
  Variable variable{.name = name};
  const std::string what = "variable " + in_quotes(name) + " of " + of;
  if (node.IsScalar()) {
    PAWL_TRY(check_bytes(source, node, what));
    variable.value = node.Scalar();
    return variable;
  }
  if (!node.IsMap()) {
    return at(source, node.IsNull() ? key : node,  // a null node has the mark of the next node
              what + " is neither a text nor a map of `file` or `from_daemon`; write '' for an empty text");
  }
  const Fields fields = PAWL_TRY(fields_of(source, node, what, {"file", "from_daemon"}));
  if (fields.size() != 1) return at(source, node, what + " must have either `file` or `from_daemon`");
  if (const YAML::Node* file = field(fields, "file")) {
    const std::string path = PAWL_TRY(text_of(source, *file, "'file' of " + what));
    const bool is_absolute = path.starts_with('/');
    variable.file = is_absolute ? path : (std::filesystem::path(source.base_dir) / path).lexically_normal().string();
  } else {
    variable.from_daemon = PAWL_TRY(optional_text(source, fields, "from_daemon", what));
  }
  return variable;
}

Result<Variables> optional_env(const YamlFile& source, const Fields& fields, const std::string& of) {
  const YAML::Node* node = field(fields, "env");
  Variables env;
  if (!node) return env;
  if (!node->IsMap()) return at(source, *node, "'env' of " + of + " is not a map of names and values");
  PAWL_TRY(bounded(source, *node, limits::variables_max, "'env' of " + of));
  for (const auto& entry : *node) {
    const YAML::Node key = entry.first;
    env.push_back(PAWL_TRY(variable_of(source, key, entry.second, of)));
    // Checked here rather than with the whole, so that the error has the variable's own line.
    if (const auto problem = env_problem(env)) return at(source, key, of + " " + *problem);
    source.read.variables.push_back({line_of(key.Mark()), env.back()});
  }
  return env;
}

Result<Agent> agent_of(const YamlFile& source, const std::string& name, const YAML::Node& node) {
  const std::string what = "agent " + in_quotes(name);
  Agent agent;
  agent.name = name;
  if (node.IsNull()) {  // `analyst:` alone: for external workers, with the default time-out
    source.read.command_lines.push_back(0);
    return agent;
  }
  const Fields fields = PAWL_TRY(fields_of(source, node, what, {"run", "timeout_s", "env", "output_max_bytes"}));
  agent.run = PAWL_TRY(optional_command(source, fields, "run", what));
  agent.timeout_s = PAWL_TRY(optional_number(source, fields, "timeout_s", agent.timeout_s, what));
  agent.env = PAWL_TRY(optional_env(source, fields, what));
  agent.output_max_bytes = PAWL_TRY(number_if_given(source, fields, "output_max_bytes", what));
  return agent;
}

/// Who may approve: one name or a list. A name without a kind is a token's.
Result<std::vector<std::string>> approvers_of(const YamlFile& source, const YAML::Node& node, const std::string& what) {
  const auto named = [&](const YAML::Node& each) -> Result<std::string> {
    std::string name = PAWL_TRY(text_of(source, each, what));
    return name.find(':') == std::string::npos ? "token:" + name : name;
  };
  std::vector<std::string> names;
  if (!node.IsSequence()) {
    names.push_back(PAWL_TRY(named(node)));
    return names;
  }
  PAWL_TRY(bounded(source, node, limits::approvers_max, what));
  for (const YAML::Node& each : node) names.push_back(PAWL_TRY(named(each)));
  return names;
}

Result<Approval> approval_of(const YamlFile& source, const YAML::Node& node, const std::string& what) {
  Approval approval;
  const Fields fields =
      PAWL_TRY(fields_of(source, node, what, {"by", "need", "not_submitter", "timeout_s", "on_timeout"}));
  if (const YAML::Node* by = field(fields, "by")) {
    approval.by = PAWL_TRY(approvers_of(source, *by, "'by' of " + what));
  }
  approval.need = PAWL_TRY(optional_number(source, fields, "need", approval.need, what));
  approval.not_submitter = PAWL_TRY(optional_flag(source, fields, "not_submitter", what)).value_or(false);
  approval.timeout_s = PAWL_TRY(number_if_given(source, fields, "timeout_s", what));
  if (const YAML::Node* end = field(fields, "on_timeout")) {
    const std::string word = PAWL_TRY(text_of(source, *end, "'on_timeout' of " + what));
    if (word != "block" && word != "roll_back") {
      return at(source, *end, "'on_timeout' of " + what + " is " + in_quotes(word) + "; use block or roll_back");
    }
    if (!approval.timeout_s) return at(source, *end, what + " has an 'on_timeout', but no 'timeout_s'");
    if (word == "roll_back") approval.on_timeout = ApprovalTimeout::roll_back;
  }
  return approval;
}

Result<Gate> gate_of(const YamlFile& source, const YAML::Node& node, const std::string& what) {
  Gate gate;
  const Fields fields =
      PAWL_TRY(fields_of(source, node, what, {"run", "timeout_s", "env", "output_max_bytes", "approve"}));
  gate.run = PAWL_TRY(optional_command(source, fields, "run", what));
  gate.timeout_s = PAWL_TRY(optional_number(source, fields, "timeout_s", gate.timeout_s, what));
  gate.env = PAWL_TRY(optional_env(source, fields, what));
  gate.output_max_bytes = PAWL_TRY(number_if_given(source, fields, "output_max_bytes", what));
  if (const YAML::Node* approve = field(fields, "approve")) {
    gate.approve = PAWL_TRY(approval_of(source, *approve, "'approve' of " + what));
  }
  return gate;
}

Result<std::vector<int>> exit_codes_of(const YamlFile& source, const YAML::Node& node, const std::string& what) {
  if (!node.IsSequence()) return at(source, node, what + " is not a list of exit codes");
  PAWL_TRY(bounded(source, node, 255, what));
  std::vector<int> codes;
  for (const YAML::Node& item : node) {
    const std::int64_t code = PAWL_TRY(number_of(source, item, "an exit code in " + what));
    if (code < 1 || code > 255) {
      return at(source, item, what + " names " + std::to_string(code) + "; an exit code here must be from 1 to 255");
    }
    codes.push_back(static_cast<int>(code));
  }
  return codes;
}

Result<PipelineStep> step_of(const YamlFile& source, const YAML::Node& node, const std::string& stage) {
  const std::string unnamed = "a step of " + stage;
  const Fields fields = PAWL_TRY(fields_of(source, node, unnamed,
                                           {"name", "run", "probe", "timeout_s", "irreversible", "exclusive",
                                            "not_done_exit_codes", "settle_s", "env", "output_max_bytes"}));
  PipelineStep step;
  step.name = PAWL_TRY(optional_text(source, fields, "name", unnamed));
  if (step.name.empty()) return at(source, node, unnamed + " has no name");
  const std::string what = "step " + in_quotes(step.name) + " of " + stage;
  step.run = PAWL_TRY(optional_command(source, fields, "run", what));
  step.probe = PAWL_TRY(optional_command(source, fields, "probe", what));
  step.timeout_s = PAWL_TRY(optional_number(source, fields, "timeout_s", step.timeout_s, what));
  const std::optional<bool> irreversible = PAWL_TRY(optional_flag(source, fields, "irreversible", what));
  step.irreversible = irreversible.value_or(false);
  const std::int64_t settle_s = step.irreversible ? settle_default_s : 0;
  step.settle_s = PAWL_TRY(optional_number(source, fields, "settle_s", settle_s, what));
  const YAML::Node* exclusive = field(fields, "exclusive");
  if (exclusive) {
    // The only thing that steps can exclude each other on. Spelled out, so that others can be added.
    if (!exclusive->IsScalar() || exclusive->Scalar() != "repo") {
      return at(source, *exclusive, "'exclusive' of " + what + " is not 'repo'");
    }
    step.exclusive = true;
  }
  step.env = PAWL_TRY(optional_env(source, fields, what));
  step.output_max_bytes = PAWL_TRY(number_if_given(source, fields, "output_max_bytes", what));
  const YAML::Node* codes = field(fields, "not_done_exit_codes");
  if (codes) step.not_done_exit_codes = PAWL_TRY(exit_codes_of(source, *codes, "'not_done_exit_codes' of " + what));
  return step;
}

Result<std::vector<PipelineStep>> steps_of(const YamlFile& source, const Fields& fields, const std::string& stage) {
  std::vector<PipelineStep> steps;
  const YAML::Node* list = field(fields, "steps");
  if (list) {
    if (!list->IsSequence()) return at(source, *list, "'steps' of " + stage + " is not a list");
    PAWL_TRY(bounded(source, *list, limits::steps_per_edge_max, "'steps' of " + stage));
    for (const YAML::Node& node : *list) steps.push_back(PAWL_TRY(step_of(source, node, stage)));
  }
  const std::optional<bool> guarded = PAWL_TRY(optional_flag(source, fields, "guarded", stage));
  if (!guarded || *guarded == !steps.empty()) return steps;
  return at(source, *field(fields, "guarded"),
            *guarded ? "the edge of " + stage + " is guarded, but it has no steps"
                     : "the edge of " + stage + " has steps, so it is guarded");
}

Result<Stage> stage_of(const YamlFile& source, const YAML::Node& node) {
  const Fields fields = PAWL_TRY(
      fields_of(source, node, "a stage", {"name", "agent", "gate", "to", "guarded", "steps", "rollback", "env"}));
  Stage stage;
  stage.name = PAWL_TRY(optional_text(source, fields, "name", "a stage"));
  if (stage.name.empty()) return at(source, node, "a stage has no name");
  const std::string what = "stage " + in_quotes(stage.name);
  stage.agent = PAWL_TRY(optional_text(source, fields, "agent", what));
  const YAML::Node* gate = field(fields, "gate");
  if (gate) {
    stage.gate = PAWL_TRY(gate_of(source, *gate, "the gate of " + what));
  } else {
    source.read.command_lines.push_back(0);
  }
  stage.to = PAWL_TRY(optional_text(source, fields, "to", what));
  stage.steps = PAWL_TRY(steps_of(source, fields, what));
  stage.rollback = PAWL_TRY(optional_text(source, fields, "rollback", what));
  stage.env = PAWL_TRY(optional_env(source, fields, what));
  return stage;
}

/// Notes where a document begins, nothing else.
class YamlStart final : public YAML::EventHandler {
 public:
  YAML::Mark mark;

  void OnDocumentStart(const YAML::Mark& at) override { mark = at; }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark&, YAML::anchor_t) override {}
  void OnAlias(const YAML::Mark&, YAML::anchor_t) override {}
  void OnScalar(const YAML::Mark&, const std::string&, YAML::anchor_t, const std::string&) override {}
  void OnSequenceStart(const YAML::Mark&, const std::string&, YAML::anchor_t, YAML::EmitterStyle::value) override {}
  void OnSequenceEnd() override {}
  void OnMapStart(const YAML::Mark&, const std::string&, YAML::anchor_t, YAML::EmitterStyle::value) override {}
  void OnMapEnd() override {}
};

/// Not YAML::LoadAll(): at a token that cannot begin a document, it produces empty documents forever.
std::optional<YAML::Mark> second_document(const std::string& text) {
  std::istringstream stream(text);
  YAML::Parser parser(stream);
  YamlStart beginning;
  if (!parser.HandleNextDocument(beginning) || !parser.HandleNextDocument(beginning)) return std::nullopt;
  return beginning.mark;
}

Result<void> read_into(const YamlFile& source, const YAML::Node& root) {
  const Fields fields =
      PAWL_TRY(fields_of(source, root, "a pipeline", {"name", "branch", "env", "agents", "stages", "calendar"}));
  std::vector<int> agent_lines;
  std::vector<int>& stage_lines = source.read.stage_lines;
  Pipeline& pipeline = source.read.pipeline;
  pipeline.name = PAWL_TRY(optional_text(source, fields, "name", "a pipeline"));
  const YAML::Node* agents = field(fields, "agents");
  if (agents) {
    if (!agents->IsMap()) return at(source, *agents, "'agents' is not a map of names and agents");
    PAWL_TRY(bounded(source, *agents, limits::agents_max, "'agents'"));
    for (const auto& entry : *agents) {
      const YAML::Node key = entry.first;
      const std::string name = PAWL_TRY(text_of(source, key, "the name of an agent"));
      if (pipeline.agent(name)) return at(source, key, "duplicate agent " + in_quotes(name));
      pipeline.agents.push_back(PAWL_TRY(agent_of(source, name, entry.second)));
      agent_lines.push_back(line_of(key.Mark()));
    }
  }
  const YAML::Node* branch = field(fields, "branch");
  if (branch) {
    const std::string policy = PAWL_TRY(text_of(source, *branch, "'branch'"));
    if (policy != "existing" && policy != "create") {
      return at(source, *branch,
                "'branch' is " + in_quotes(policy) +
                    "; it must be existing (if origin does not have the branch, no work begins) or create (the branch "
                    "begins at origin's default branch)");
    }
    pipeline.branch = policy;
  }
  pipeline.env = PAWL_TRY(optional_env(source, fields, "a pipeline"));
  const YAML::Node* stages = field(fields, "stages");
  if (stages) {
    if (!stages->IsSequence()) return at(source, *stages, "'stages' is not a list");
    PAWL_TRY(bounded(source, *stages, limits::stages_max, "'stages'"));
    for (const YAML::Node& node : *stages) {
      pipeline.stages.push_back(PAWL_TRY(stage_of(source, node)));
      stage_lines.push_back(line_of(node.Mark()));
    }
  }
  const YAML::Node* calendar = field(fields, "calendar");
  if (calendar) PAWL_TRY(read_calendar(source, *calendar));
  const std::optional<PipelineProblem> problem = problem_of(pipeline, Settings{}, rules_version);
  if (!problem) return {};
  int line = line_of(root.Mark());
  if (problem->where == PipelineProblem::Where::agent) line = agent_lines.at(problem->index);
  if (problem->where == PipelineProblem::Where::stage) line = stage_lines.at(problem->index);
  if (problem->where == PipelineProblem::Where::calendar) line = line_of(calendar->Mark());
  return at_line(source.name, line, problem->what);
}

}  // namespace

Result<PipelineText> parse_pipeline(const std::string& text, const std::string& name_for_errors,
                                    const std::string& base_dir) {
  PipelineText read;
  const YamlFile source{name_for_errors, base_dir, read};
  if (text.size() > file_bytes_max) return at_line(source.name, 1, "the pipeline is larger than 1 MiB");
  try {
    if (const auto second = second_document(text)) {
      return at_line(source.name, line_of(*second), "a second document: a file holds one pipeline");
    }
    const YAML::Node document = YAML::Load(text);
    if (document.IsNull()) return at_line(source.name, 1, "the file has no pipeline");
    PAWL_TRY(read_into(source, document));
    return read;
  } catch (const YAML::Exception& error) {
    return at_line(source.name, line_of(error.mark), error.msg);
  }
}

Result<PipelineText> read_pipeline(const std::string& path) {
  std::error_code error;
  const std::filesystem::path absolute = std::filesystem::absolute(path, error);
  if (error) return Error{ErrorCode::io, path + ": " + error.message()};
  const Descriptor file = PAWL_TRY(open_regular_file(path));
  const std::string text = PAWL_TRY(read_up_to(file, path, file_bytes_max));
  PipelineText read = PAWL_TRY(parse_pipeline(text, path, absolute.parent_path().string()));
  PAWL_TRY(check_programs(read, path, {}));
  return read;
}

Result<void> check_programs(const PipelineText& read, const std::string& name_for_errors,
                            const std::optional<std::string>& path) {
  const std::vector<NamedCommand> commands = commands_of(read.pipeline, path.value_or(""));
  for (std::size_t i = 0; i < commands.size(); ++i) {
    const auto problem = program_problem(commands[i]);
    if (!problem || (problem->is_in_path && !path)) continue;
    return at_line(name_for_errors, read.command_lines.at(i), problem->what);
  }
  return {};
}

}  // namespace pawl
