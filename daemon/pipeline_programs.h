// The commands of a definition, and whether their programs exist.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/state/pipeline.h"
#include "schema/result.h"

namespace pawl {

/// Used if PATH is not set.
constexpr const char* program_path_default = "/usr/local/bin:/usr/bin:/bin";

/// PATH of this process, or the default above.
std::string program_path();

/// The file that a program's name resolves to, as for execvp(3): a name without a slash is searched for in `path`, a
/// list like PATH; a relative path is resolved against `folder`. `missing`: not found; `io`: not an executable file.
Result<std::string> find_program(const std::string& word, const std::string& path, const std::string& folder);

/// A command line of a definition. Points into the definition.
struct NamedCommand {
  std::string what;  // "'run' of agent 'developer'"
  const CommandLine* words = nullptr;
  std::string path;  // where to search for a program without a slash; empty: unknown until the command starts
};
/// Every command that the definition can have, including empty ones, in order: the agents, then for each stage its
/// gate, and for each step its command and its probe. `path`: the PATH of the process that will run them, unless an
/// `env` sets it.
std::vector<NamedCommand> commands_of(const Pipeline& pipeline, const std::string& path);

/// Why a command's program cannot run; none if it can, or if this is not known yet, as for a path in the worktree.
struct ProgramProblem {
  bool is_in_path = false;  // it was searched for in PATH, which other processes may set differently
  std::string what;         // "'run' of agent 'developer': lnt: no such program in /usr/bin:/bin"
};
std::optional<ProgramProblem> program_problem(const NamedCommand& command);

}  // namespace pawl
