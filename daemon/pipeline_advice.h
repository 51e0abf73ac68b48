// Advice on a definition that is valid but may not be what its author meant.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "daemon/pipeline_yaml.h"
#include "schema/time.h"

namespace pawl {

struct PipelineAdvice {
  int line = 0;
  std::string what;
};

/// In line order: a rollback to before an irreversible step, an irreversible step without a probe, an `env` file that
/// cannot be read here, a program that is not in `path`, a freeze that is over at `now`, one whose local time comes
/// twice or not at all.
std::vector<PipelineAdvice> advice_on(const PipelineText& text, const std::string& path, TimeUs now);

}  // namespace pawl
