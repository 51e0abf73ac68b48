// The pipelines that tasks of the hostile world run through.
#pragma once

#include <vector>

#include "engine/state/pipeline.h"

namespace pawl::hostile {

/// `delivery`, whose work is all done from outside; `conclusive`, with commands, probes and codes that vouch; `blunt`,
/// with commands alone, so that doubt is left to people.
std::vector<Pipeline> pipelines();
/// A step of theirs that has a command.
PipelineStep step_named(const std::string& pipeline, const std::string& step);

}  // namespace pawl::hostile
