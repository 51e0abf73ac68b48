// Pipelines as people write them. The only place that knows YAML; what makes a definition sound is
// engine/state/pipeline.h's to say, and is reported here with the line that it is about.
#pragma once

#include <string>

#include "engine/state/pipeline.h"
#include "schema/result.h"

namespace pawl {

/// Reads a definition from a file. Every error is one sentence, "FILE:LINE: what is wrong", and `malformed`, but for
/// a file that cannot be read (`missing`, `io`). Budgets are checked against the default settings; the machine
/// checks them again, with those in force, when the definition is proposed.
Result<Pipeline> read_pipeline(const std::string& path);

/// The same from text. A program that is named "./…" or "../…" is looked for from `base_dir`, an absolute path:
/// the folder of the file, so that a pipeline can bring its own programs whatever the daemon's working folder is.
Result<Pipeline> parse_pipeline(const std::string& text, const std::string& name_for_errors,
                                const std::string& base_dir);

}  // namespace pawl
