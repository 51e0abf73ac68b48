// The variables that a definition gives to a command, with their values when the command begins.
#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include "daemon/work/system.h"

namespace pawl {

/// Limit for one file.
constexpr std::size_t value_bytes_max = 64 * 1024;

struct CommandEnv {
  std::map<std::string, std::string> values;
  /// The names of the variables whose values came from a file or from the daemon's environment. Only the command may
  /// see the values: they must not appear in the log, on a command line, or in the command's output.
  std::vector<std::string> secrets;
};

/// Reads the variables' current values. Later `layers` override earlier ones. `missing`: a file cannot be read, or the
/// daemon lacks a variable: "TOKEN: /srv/token: No such file or directory".
Result<CommandEnv> read_env(System& system, std::span<const Variables* const> layers);

/// Sets the values in an environment of "NAME=value", replacing existing ones.
void put_into(std::vector<std::string>& environment, const CommandEnv& env);

}  // namespace pawl
