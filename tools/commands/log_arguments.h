// Which log a command reads: its LOG word, or its data folder.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "store/log.h"
#include "tools/commands/command.h"

namespace pawl {

/// `own`, and the option that names a data folder.
std::vector<OptionSpec> with_log_options(std::vector<OptionSpec> own);

/// The log that a command is given as `word`; without one, the folder in `--data`. `command` is the command's name, for
/// the error message.
Result<std::string> log_named(const std::optional<std::string>& word, const Arguments& arguments,
                              std::string_view command);

/// The log of the folder in `--data`, or what is left of it: reading ends with an error where the damage begins.
Result<std::unique_ptr<Log>> open_data(const Arguments& arguments, std::string_view command);

}  // namespace pawl
