#include "daemon/work/command_env.h"

#include <algorithm>
#include <utility>

#include "daemon/work/output_mask.h"

namespace pawl {
namespace {

static_assert(value_bytes_max <= masked_bytes_max);  // the maximum that a keeper accepts

Result<std::string> value_of(System& system, const Variable& variable) {
  if (variable.value) return *variable.value;
  if (variable.from_daemon) {
    std::optional<std::string> value = system.own_variable(*variable.from_daemon);
    if (value && value->size() > value_bytes_max) {
      return Error{ErrorCode::io, variable.name + ": " + *variable.from_daemon +
                                      " in pawld's environment is longer than " + std::to_string(value_bytes_max) +
                                      " bytes"};
    }
    if (value) return std::move(*value);
    return Error{ErrorCode::missing, variable.name + ": pawld's environment has no variable " + *variable.from_daemon};
  }
  Result<std::string> read = system.read_value(*variable.file, value_bytes_max);
  if (!read) return Error{read.error().code, variable.name + ": " + read.error().message};
  std::string value = *std::move(read);
  if (value.ends_with('\n')) value.pop_back();
  if (value.find('\0') != std::string::npos) {
    return Error{ErrorCode::malformed, variable.name + ": " + *variable.file + ": contains a NUL byte"};
  }
  return value;
}

}  // namespace

Result<CommandEnv> read_env(System& system, std::span<const Variables* const> layers) {
  std::map<std::string, const Variable*> in_force;
  for (const Variables* layer : layers) {
    for (const Variable& variable : *layer) in_force[variable.name] = &variable;
  }
  CommandEnv env;
  for (const auto& [name, variable] : in_force) {
    env.values[name] = PAWL_TRY(value_of(system, *variable));
    if (!variable->value) env.secrets.push_back(name);
  }
  return env;
}

void put_into(std::vector<std::string>& environment, const CommandEnv& env) {
  std::erase_if(environment,
                [&](const std::string& entry) { return env.values.contains(entry.substr(0, entry.find('='))); });
  for (const auto& [name, value] : env.values) environment.push_back(name + "=" + value);
}

}  // namespace pawl
