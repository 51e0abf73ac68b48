// The commands of a definition, and whether the programs are there that they begin with.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/state/pipeline.h"
#include "schema/result.h"

namespace pawl {

/// What stands for a PATH where there is none.
constexpr const char* program_path_default = "/usr/local/bin:/usr/bin:/bin";

/// PATH of this process, or that.
std::string program_path();

/// The file that a program's name leads to, as for execvp(3): one without a slash is looked for in `path`, a list as of
/// PATH; one with a slash is looked for from `folder`, if it is not absolute. `missing`: there is none; `io`: it is not
/// an executable file.
Result<std::string> find_program(const std::string& word, const std::string& path, const std::string& folder);

/// A command line of a definition. Points into it.
struct NamedCommand {
  std::string what;  // "'run' of agent 'developer'"
  const CommandLine* words = nullptr;
  std::string path;  // where a program without a slash is looked for; empty: not known before it begins
};
/// All that a definition can have, also those that are empty, in order: the agents, then of each stage its gate, and of
/// each step what it runs and its probe. `path`: PATH of who is going to run them, where no `env` says otherwise.
std::vector<NamedCommand> commands_of(const Pipeline& pipeline, const std::string& path);

/// Why the program of a command cannot be run; none if it can, or if that cannot be known yet: one that is named by a
/// path in the worktree.
struct ProgramProblem {
  bool is_in_path = false;  // it was looked for in PATH, which is another one for another process
  std::string what;         // "'run' of agent 'developer': lnt: there is no such program in /usr/bin:/bin"
};
std::optional<ProgramProblem> program_problem(const NamedCommand& command);

}  // namespace pawl
