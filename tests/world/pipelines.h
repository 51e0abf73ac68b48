// The pipelines that tasks of the hostile world run through.
#pragma once

#include <vector>

#include "engine/state/pipeline.h"

namespace pawl::hostile {

/// `delivery`, with all work done from outside; `conclusive`, with commands, probes and codes that vouch; `blunt`, with
/// commands only, so that doubt is left to people.
std::vector<Pipeline> pipelines();
/// A step of these that has a command.
PipelineStep step_named(const std::string& pipeline, const std::string& step);

}  // namespace pawl::hostile
