#include "daemon/pipeline_programs.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "schema/printable.h"

namespace pawl {
namespace {

bool is_program(const std::string& path) {
  struct stat found {};
  return ::stat(path.c_str(), &found) == 0 && S_ISREG(found.st_mode) && ::access(path.c_str(), X_OK) == 0;
}

/// PATH after the variables apply; empty if it is known only when the command starts.
std::string path_by(const Variables& env, std::string path) {
  for (const Variable& variable : env) {
    if (variable.name != "PATH") continue;
    if (variable.value) return *variable.value;
    if (variable.from_daemon != "PATH") return {};
  }
  return path;
}

/// An agent may work on several stages. If their PATHs differ, it is unknown: empty.
std::string path_of_agent(const Pipeline& pipeline, const Agent& agent, const std::string& path) {
  std::optional<std::string> agreed;
  for (const Stage& stage : pipeline.stages) {
    if (stage.agent != agent.name) continue;
    const std::string here = path_by(agent.env, path_by(stage.env, path));
    if (agreed && *agreed != here) return {};
    agreed = here;
  }
  return agreed.value_or(path_by(agent.env, path));
}

}  // namespace

std::string program_path() {
  const char* path = std::getenv("PATH");
  return path ? path : program_path_default;
}

Result<std::string> find_program(const std::string& word, const std::string& path, const std::string& folder) {
  if (word.find('/') != std::string::npos) {
    const std::string from_here = word.front() == '/' ? word : folder + "/" + word;
    if (is_program(from_here)) return word;
    struct stat found {};
    if (::stat(from_here.c_str(), &found) != 0) {
      return Error{ErrorCode::missing, from_here + ": " + std::strerror(errno)};
    }
    return Error{ErrorCode::io, from_here + ": is not an executable file"};
  }
  for (std::size_t from = 0; from <= path.size();) {
    const std::size_t end = std::min(path.find(':', from), path.size());
    const std::string entry = path.substr(from, end - from);
    // An empty or relative entry would mean the work folder, whose contents are under the control of whatever pushes to
    // the branch.
    if (entry.starts_with('/') && is_program(entry + "/" + word)) return entry + "/" + word;
    from = end + 1;
  }
  return Error{ErrorCode::missing, word + ": no such program in " + path};
}

std::vector<NamedCommand> commands_of(const Pipeline& pipeline, const std::string& path) {
  std::vector<NamedCommand> commands;
  const std::string of_all = path_by(pipeline.env, path);
  for (const Agent& agent : pipeline.agents) {
    commands.push_back({"'run' of agent " + in_quotes(agent.name), &agent.run, path_of_agent(pipeline, agent, of_all)});
  }
  static const CommandLine none;
  for (const Stage& stage : pipeline.stages) {
    const std::string of_stage = path_by(stage.env, of_all);
    const std::string where = " of stage " + in_quotes(stage.name);
    commands.push_back({"'run' of the gate" + where, stage.gate ? &stage.gate->run : &none,
                        stage.gate ? path_by(stage.gate->env, of_stage) : of_stage});
    for (const PipelineStep& step : stage.steps) {
      const std::string of_step = path_by(step.env, of_stage);
      commands.push_back({"'run' of step " + in_quotes(step.name) + where, &step.run, of_step});
      commands.push_back({"'probe' of step " + in_quotes(step.name) + where, &step.probe, of_step});
    }
  }
  return commands;
}

std::optional<ProgramProblem> program_problem(const NamedCommand& command) {
  if (command.words->empty()) return std::nullopt;
  const std::string& program = command.words->front();
  const bool is_in_path = program.find('/') == std::string::npos;
  const bool is_of_worktree = !is_in_path && !program.starts_with('/');
  if (is_of_worktree || (is_in_path && command.path.empty())) return std::nullopt;
  const Result<std::string> found = find_program(program, command.path, {});
  if (found) return std::nullopt;
  return ProgramProblem{is_in_path, command.what + ": " + found.error().message};
}

}  // namespace pawl
