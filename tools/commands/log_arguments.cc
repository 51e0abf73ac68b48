#include "tools/commands/log_arguments.h"

#include <utility>

#include "tools/commands/sources.h"
#include "tools/forensics/log_source.h"

namespace pawl {

std::vector<OptionSpec> with_log_options(std::vector<OptionSpec> own) {
  own.push_back({"data", "DIR", "the data folder to read, even while a daemon has it open", 0, "PAWL_DATA"});
  own.push_back(config_option());
  return own;
}

Result<std::string> log_named(const std::optional<std::string>& word, const Arguments& arguments,
                              std::string_view command) {
  if (word && arguments.source_of({"data"}) == Source::command_line) {
    return Error{ErrorCode::malformed, std::string(command) + ": '" + *word + "' or --data: which log?"};
  }
  const auto data = arguments.value("data");
  if (word) return *word;
  if (data) return *data;
  return Error{ErrorCode::malformed,
               std::string(command) + ": which log? Name a data folder or a file, or set PAWL_DATA"};
}

Result<std::unique_ptr<Log>> open_data(const Arguments& arguments, std::string_view command) {
  if (const auto dir = arguments.value("data")) return open_part(*dir);
  return Error{ErrorCode::malformed, std::string(command) + ": which data folder? Give --data DIR, or set PAWL_DATA"};
}

}  // namespace pawl
