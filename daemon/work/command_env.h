// The variables that a definition gives to a command, with the values that they have when it begins.
#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include "daemon/work/system.h"

namespace pawl {

/// Of one file.
constexpr std::size_t value_bytes_max = 64 * 1024;

struct CommandEnv {
  std::map<std::string, std::string> values;
  /// Those of them whose values came from a file or from the daemon's environment. Only the command may see them: not
  /// in the log, nor in a command line, nor in what the command prints.
  std::vector<std::string> secrets;
};

/// Reads what the variables hold now. Each of `layers` counts more than those before it. `missing`: a file cannot be
/// read, or the daemon lacks a variable: "TOKEN: /srv/token: No such file or directory".
Result<CommandEnv> read_env(System& system, std::span<const Variables* const> layers);

/// Puts the values into an environment of "NAME=value", in place of what it has under their names.
void put_into(std::vector<std::string>& environment, const CommandEnv& env);

}  // namespace pawl
