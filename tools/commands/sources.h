// Sources for options that were not typed: environment variables, then lines of a configuration file.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "schema/result.h"
#include "tools/commands/command.h"

namespace pawl {

/// The value of an environment variable, or null.
using GetVariable = std::function<const char*(const char*)>;

/// `--config FILE`, for every command whose options can come from these sources.
OptionSpec config_option();

/// Adds what the environment and the configuration file set. The file is the one that --config names, else
/// pawl/pawl.conf in XDG_CONFIG_HOME or ~/.config, if it exists. Its lines are `name = value`, for the options of
/// with_target_options(). If it names a daemon and a source of higher precedence does too, the whole file is ignored:
/// its token is meant for its own daemon. `malformed` names the file, also if others may write it.
Result<void> add_sources(const Command& command, const GetVariable& variables, Arguments& arguments);

}  // namespace pawl
