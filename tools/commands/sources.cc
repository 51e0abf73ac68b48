#include "tools/commands/sources.h"

#include <boost/program_options.hpp>

#include <algorithm>
#include <map>
#include <sstream>
#include <vector>

#include "schema/nearest.h"
#include "store/os/guarded_file.h"
#include "tools/commands/target.h"

namespace pawl {
namespace {

namespace po = boost::program_options;

constexpr std::size_t file_bytes_max = 64 * 1024;

/// The default file. Empty if neither XDG_CONFIG_HOME nor HOME says where it would be.
std::string usual_file(const GetVariable& variables) {
  const auto folder = [&](const char* variable) {
    const char* value = variables(variable);
    return std::string(value ? value : "");
  };
  if (const std::string own = folder("XDG_CONFIG_HOME"); own.starts_with('/')) return own + "/pawl/pawl.conf";
  const std::string home = folder("HOME");
  return home.empty() ? "" : home + "/.config/pawl/pawl.conf";
}

Error wrong_name(const std::string& file, const std::string& name, const std::vector<OptionSpec>& known) {
  std::vector<std::string_view> names;
  for (const OptionSpec& option : known) names.push_back(option.name);
  std::string message = file + ": unknown option '" + name + "'";
  if (const auto meant = nearest_of(name, names)) {
    message += "; did you mean '" + std::string(*meant) + "'?";
  } else {
    message += "; known options:";
    for (const std::string_view each : names) message += ' ' + std::string(each);
  }
  return {ErrorCode::malformed, message};
}

/// The lines of the file, by name. Empty if it is the default file and does not exist.
Result<std::map<std::string, std::string>> lines_of(const std::optional<std::string>& named,
                                                    const GetVariable& variables) {
  std::map<std::string, std::string> lines;
  const std::string file = named ? *named : usual_file(variables);
  if (file.empty()) return lines;
  const Result<std::string> text = read_guarded_file(file, Guard::unwritable, file_bytes_max);
  // A home that does not exist, or that this user may not read, has no such file.
  const bool is_unusable = !text && text.error().code == ErrorCode::malformed;
  if (!text && !named && !is_unusable) return lines;
  if (!text && !named) return Error{ErrorCode::malformed, text.error().message + "; --config FILE names another"};
  if (!text) return text.error();
  std::vector<OptionSpec> known = with_target_options({});
  std::erase_if(known, [](const OptionSpec& option) { return option.name == "config"; });
  std::istringstream stream(*text);
  try {
    const po::options_description none;
    for (const po::option& line : po::parse_config_file(stream, none, true).options) {
      const auto is_it = [&](const OptionSpec& option) { return option.name == line.string_key; };
      if (std::none_of(known.begin(), known.end(), is_it)) return wrong_name(file, line.string_key, known);
      const bool is_first = lines.emplace(line.string_key, line.value.front()).second;
      if (!is_first) return Error{ErrorCode::malformed, file + ": '" + line.string_key + "' is given twice"};
    }
  } catch (const po::invalid_config_file_syntax& error) {
    return Error{ErrorCode::malformed, file + ": this line sets no option: '" + error.tokens() + "'"};
  } catch (const po::error& error) {
    return Error{ErrorCode::malformed, file + ": " + error.what()};
  }
  return lines;
}

}  // namespace

OptionSpec config_option() {
  return {"config", "FILE", "a file of `name = value` lines, instead of ~/.config/pawl/pawl.conf"};
}

Result<void> add_sources(const Command& command, const GetVariable& variables, Arguments& arguments) {
  for (const OptionSpec& option : command.options) {
    const char* value = option.variable.empty() ? nullptr : variables(std::string(option.variable).c_str());
    if (value && *value) arguments.stand_in(Source::environment, option.name, value);
  }
  if (!option_named(command, "config")) return {};
  const auto lines = PAWL_TRY(lines_of(arguments.value("config"), variables));
  const bool names_a_daemon = lines.contains("url") || lines.contains("socket") || lines.contains("data");
  if (names_a_daemon && arguments.source_of({"url", "socket", "data"})) return {};
  for (const auto& [name, value] : lines) {
    if (option_named(command, name)) arguments.stand_in(Source::file, name, value);
  }
  return {};
}

}  // namespace pawl
