// The calendar of a definition in YAML.
#pragma once

#include "daemon/pipeline_yaml_fields.h"

namespace pawl {

/// Reads it into `source.read`. Requires: the stages have been read. Its zone must be in this machine's database.
Result<void> read_calendar(const YamlFile& source, const YAML::Node& node);

}  // namespace pawl
