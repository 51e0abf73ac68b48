// A definition as YAML, as people write it.
#pragma once

#include <string>

#include "engine/state/pipeline.h"
#include "schema/result.h"

namespace pawl {

/// A text from which parse_pipeline() reads the same definition, wherever the file is. Omits defaults. `unsupported` if
/// there is no such text: in the log, a program name that begins with "./" or "../" means the worktree; in YAML, the
/// file's folder.
Result<std::string> yaml_of(const Pipeline& pipeline);

}  // namespace pawl
