// Pipelines as people write them. The only place that knows YAML; what makes a definition sound is
// engine/state/pipeline.h's to say, and is reported here with the line that it is about.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/state/pipeline.h"
#include "schema/result.h"

namespace pawl {

/// A variable of an `env`, and where it stands.
struct VariableLine {
  int line = 0;
  Variable variable;
};

/// A definition, and where in its text things stand. Lines count from 1.
struct PipelineText {
  Pipeline pipeline;
  std::vector<int> stage_lines;
  std::vector<int> command_lines;  // as commands_of() lists them (daemon/pipeline_programs.h); 0: there is none
  std::vector<VariableLine> variables;
};

/// Reads a definition from a file. Every error is one sentence, "FILE:LINE: what is wrong", and `malformed`, but for
/// a file that cannot be read (`missing`, `io`). Budgets are checked against the default settings; the machine
/// checks them again, with those in force, when the definition is proposed. A program that is named by its path, but
/// for one in the worktree, has to be there.
Result<PipelineText> read_pipeline(const std::string& path);

/// The same from text, without a look at programs. A program that is named "./…" or "../…", and a file of an `env` that
/// is not named absolutely, is looked for from `base_dir`, an absolute path: the folder of the file, so that a pipeline
/// can bring its own programs whatever the daemon's working folder is.
Result<PipelineText> parse_pipeline(const std::string& text, const std::string& name_for_errors,
                                    const std::string& base_dir);

/// Whether the programs of its commands are there: `malformed`, with the line, for the first that is not. `path`: PATH
/// of who runs them, for those that are named without a slash; none: those are not looked for.
Result<void> check_programs(const PipelineText& read, const std::string& name_for_errors,
                            const std::optional<std::string>& path);

}  // namespace pawl
