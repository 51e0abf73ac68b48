// The pipeline of a benchmark's tasks, for a daemon and for a log in this process.
#pragma once

#include <string>

#include "engine/state/pipeline.h"
#include "tools/bench/loop.h"

namespace pawl::bench {

inline Pipeline bench_pipeline() {
  Pipeline out{.name = std::string(pipeline_name), .agents = {{.name = std::string(agent_name)}}, .stages = {}};
  for (std::uint64_t number = 1; number <= stages; ++number) {
    out.stages.push_back({.name = stage_name(number), .agent = std::string(agent_name), .to = stage_name(number + 1)});
  }
  return out;
}

}  // namespace pawl::bench
