// Reads pipelines as people write them. The only place that knows YAML. engine/state/pipeline.h decides whether a
// definition is valid; this reports its verdict with the line at fault.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/state/pipeline.h"
#include "schema/result.h"

namespace pawl {

/// A variable of an `env`, with its line.
struct VariableLine {
  int line = 0;
  Variable variable;
};

/// A definition, with the lines of its parts. Lines count from 1.
struct PipelineText {
  Pipeline pipeline;
  std::vector<int> stage_lines;
  std::vector<int> command_lines;  // in the order of commands_of() (daemon/pipeline_programs.h); 0: no command
  std::vector<VariableLine> variables;
  std::vector<int> freeze_lines;  // of the calendar's `freezes`
};

/// Reads a definition from a file. Every error is one sentence, "FILE:LINE: what is wrong", and `malformed`, except if
/// the file cannot be read (`missing`, `io`). Budgets are checked against the default settings; the machine checks them
/// again, against the current settings, when the definition is proposed. A program named by its path must exist, unless
/// the path is in the worktree.
Result<PipelineText> read_pipeline(const std::string& path);

/// The same from text, without checking programs. A program named "./…" or "../…", and a relative `env` file, are
/// resolved against `base_dir`, an absolute path: the folder of the file, so that a pipeline can bring its own programs
/// whatever the daemon's working folder.
Result<PipelineText> parse_pipeline(const std::string& text, const std::string& name_for_errors,
                                    const std::string& base_dir);

/// Checks that the programs of its commands exist: `malformed`, with the line, for the first that does not. `path`: the
/// PATH of the process that runs them, for programs named without a slash; none: those are not checked.
Result<void> check_programs(const PipelineText& read, const std::string& name_for_errors,
                            const std::optional<std::string>& path);

}  // namespace pawl
