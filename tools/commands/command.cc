#include "tools/commands/command.h"

#include <charconv>
#include <cstdio>

#include "schema/nearest.h"
#include "schema/printable.h"

namespace pawl {
namespace {

/// The option that was given as `--name` or `-x`.
const OptionSpec* option_given(const Command& command, std::string_view given) {
  for (const OptionSpec& option : command.options) {
    if (given.starts_with("--") && given.substr(2) == option.name) return &option;
    if (option.letter != 0 && given.size() == 2 && given[1] == option.letter) return &option;
  }
  return nullptr;
}

/// "unknown option '--siz'; did you mean '--size'?"
std::string no_option_given(const Command& command, std::string_view given) {
  std::vector<std::string_view> names;
  for (const OptionSpec& option : command.options) names.push_back(option.name);
  const auto meant = nearest_of(given.substr(given.find_first_not_of('-')), names);
  return "unknown option '" + std::string(given) + "'" +
         (meant ? "; did you mean '--" + std::string(*meant) + "'?" : "");
}

Error malformed(const std::string& message) {
  return {ErrorCode::malformed, message};
}

}  // namespace

std::optional<std::string> Arguments::value(std::string_view option) const {
  const auto found = options_.find(option);
  if (found == options_.end()) return std::nullopt;
  return found->second;
}

std::string Arguments::value_or(std::string_view option, std::string_view otherwise) const {
  return value(option).value_or(std::string(otherwise));
}

Result<std::optional<std::uint64_t>> Arguments::number(std::string_view option) const {
  const auto text = value(option);
  if (!text) return std::optional<std::uint64_t>();
  return std::optional(PAWL_TRY(read_number(*text, "--" + std::string(option))));
}

Result<Arguments> read_arguments(const Command& command, std::span<const std::string_view> words) {
  std::map<std::string, std::string, std::less<>> options;
  std::vector<std::string> positional;
  std::vector<std::string> rest;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string_view word = words[i];
    if (word == "--") {
      if (!command.takes_rest) return malformed("nothing may follow '--' here");
      rest.assign(words.begin() + static_cast<std::ptrdiff_t>(i) + 1, words.end());
      break;
    }
    if (word.size() < 2 || word[0] != '-') {
      positional.emplace_back(word);
      continue;
    }
    const std::size_t equals = word.find('=');
    const std::string_view given = word.substr(0, equals);
    const OptionSpec* option = option_given(command, given);
    if (!option) return malformed(no_option_given(command, given));
    if (options.contains(option->name)) return malformed("'" + std::string(given) + "' is given twice");
    std::string value;
    if (option->argument.empty()) {
      if (equals != std::string_view::npos) return malformed("'" + std::string(given) + "' takes no value");
    } else if (equals != std::string_view::npos) {
      value = word.substr(equals + 1);
    } else if (++i < words.size()) {
      value = words[i];
    } else {
      return malformed("'" + std::string(given) + "' needs a value: " + std::string(option->argument));
    }
    options.emplace(option->name, value);
  }
  if (positional.size() < command.positional_min) {
    return malformed("too few arguments; wanted: " + std::string(command.arguments));
  }
  if (positional.size() > command.positional_max) {
    return malformed("what is '" + positional[command.positional_max] + "'? There are too many arguments");
  }
  if (command.takes_rest && rest.empty()) {
    return malformed("the command is missing; wanted: " + std::string(command.arguments));
  }
  return Arguments(std::move(options), std::move(positional), std::move(rest));
}

std::string usage_of(const Command& command) {
  std::string out = "usage: pawl " + std::string(command.name);
  if (!command.options.empty()) out += " [OPTIONS]";
  if (!command.arguments.empty()) out += ' ' + std::string(command.arguments);
  out += "\n\n" + std::string(command.summary) + ".\n";
  if (!command.details.empty()) out += "\n" + std::string(command.details);
  std::size_t width = 0;
  const auto head = [](const OptionSpec& option) {
    std::string text = option.letter != 0 ? std::string("  -") + option.letter + ", --" : "  --";
    text += option.name;
    if (!option.argument.empty()) text += ' ' + std::string(option.argument);
    return text;
  };
  for (const OptionSpec& option : command.options) width = std::max(width, head(option).size());
  if (width > 0) out += "\noptions:\n";
  for (const OptionSpec& option : command.options) {
    std::string line = head(option);
    line.resize(width + 2, ' ');
    out += line + std::string(option.help) + '\n';
  }
  return out;
}

Result<std::uint64_t> read_number(std::string_view text, std::string_view what) {
  std::uint64_t number = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failed != std::errc() || end != text.data() + text.size()) {
    return malformed(std::string(what) + ": '" + std::string(text) + "' is not a whole number");
  }
  return number;
}

Exit fail(Exit exit, std::string_view message) {
  std::fflush(stdout);
  std::fprintf(stderr, "pawl: %s\n", printable_lines(message).c_str());
  return exit;
}

Exit fail_to_read(const Error& error) {
  const bool is_newer = error.code == ErrorCode::unsupported;
  return fail(Exit::usage, error.message + (is_newer ? "; it takes a newer pawl to read it" : ""));
}

Exit fail(const Error& error) {
  switch (error.code) {
    case ErrorCode::unsupported:
      return fail_to_read(error);
    case ErrorCode::missing:
    case ErrorCode::damaged:
    case ErrorCode::malformed:
      return fail(Exit::usage, error.message);
    case ErrorCode::busy:
    case ErrorCode::superseded:
    case ErrorCode::replaced:
    case ErrorCode::io:
      return fail(Exit::refused, error.message);
  }
  return Exit::refused;
}

}  // namespace pawl
