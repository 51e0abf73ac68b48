// A definition as YAML, such as people write it.
#pragma once

#include <string>

#include "engine/state/pipeline.h"
#include "schema/result.h"

namespace pawl {

/// What parse_pipeline() reads the same definition from, wherever the file lies. What has its default is left out.
/// `unsupported` where there is no such text: a program whose name begins with "./" or "../" is one in the worktree in
/// the log, and one beside the file in YAML.
Result<std::string> yaml_of(const Pipeline& pipeline);

}  // namespace pawl
