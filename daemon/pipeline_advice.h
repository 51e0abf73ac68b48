// What is sound in a definition and may still not be what somebody meant.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "daemon/pipeline_yaml.h"

namespace pawl {

struct PipelineAdvice {
  int line = 0;
  std::string what;
};

/// In the order of their lines: a rollback that leads behind an irreversible step, an irreversible step without a
/// probe, a file of an `env` that cannot be read here, a program that is not in `path`.
std::vector<PipelineAdvice> advice_on(const PipelineText& text, const std::string& path);

}  // namespace pawl
