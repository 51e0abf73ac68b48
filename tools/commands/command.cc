#include "tools/commands/command.h"

#include <boost/make_shared.hpp>
#include <boost/program_options.hpp>

#include <algorithm>
#include <cstdio>
#include <limits>

#include "schema/nearest.h"
#include "schema/printable.h"

namespace pawl {
namespace {

namespace po = boost::program_options;

Error malformed(const std::string& message) {
  return {ErrorCode::malformed, message};
}

bool is_list(const OptionSpec& option) {
  return option.argument.ends_with(" …");
}

/// How many words an option takes.
class WordCount final : public po::untyped_value {
 public:
  explicit WordCount(const OptionSpec& option)
      : least_(option.argument.empty()    ? 0U
               : option.argument == "A B" ? 2U
                                          : 1U),
        most_(is_list(option) ? std::numeric_limits<unsigned>::max() : least_) {}

  unsigned min_tokens() const override { return least_; }
  unsigned max_tokens() const override { return most_; }

 private:
  unsigned least_;
  unsigned most_;
};

/// The option as typed: "--size" of "--size=3". In a group of letters ("-dv"), only the first has a token.
std::string typed(const po::option& option) {
  if (option.original_tokens.empty()) return "--" + option.string_key;
  const std::string& token = option.original_tokens.front();
  return token.substr(0, token.find('='));
}

/// "unknown option '--siz'; did you mean '--size'?"
Error no_option_given(const Command& command, std::string_view given) {
  std::vector<std::string_view> names;
  for (const OptionSpec& option : command.options) names.push_back(option.name);
  const auto meant = nearest_of(given.substr(given.find_first_not_of('-')), names);
  return malformed("unknown option '" + std::string(given) + "'" +
                   (meant ? "; did you mean '--" + std::string(*meant) + "'?" : ""));
}

Error no_value_given(const OptionSpec& option) {
  return malformed("'--" + std::string(option.name) + "' needs a value: " + std::string(option.argument));
}

po::options_description grammar_of(const Command& command) {
  po::options_description grammar;
  for (const OptionSpec& option : command.options) {
    std::string names(option.name);
    if (option.letter != 0) names += std::string(",") + option.letter;
    grammar.add(boost::make_shared<po::option_description>(names.c_str(), new WordCount(option)));
  }
  return grammar;
}

/// "-5" is a number: no option begins with a digit.
std::vector<po::option> negative_number(std::vector<std::string>& words) {
  const std::string& word = words.front();
  const bool is_one =
      word.size() > 1 && word.front() == '-' && word.find_first_not_of("0123456789", 1) == std::string::npos;
  if (!is_one) return {};
  po::option number;
  number.value = {word};
  number.original_tokens = {word};
  words.erase(words.begin());
  return {number};
}

/// The words as Program_options parses them. Its exceptions are caught here.
Result<std::vector<po::option>> told_apart(const Command& command, const std::vector<std::string>& words) {
  // No guessing: an abbreviation that is unique today may be ambiguous tomorrow.
  const int style = po::command_line_style::default_style & ~po::command_line_style::allow_guessing;
  const po::options_description grammar = grammar_of(command);
  try {
    po::command_line_parser parser(words);
    parser.options(grammar).style(style).allow_unregistered().extra_style_parser(negative_number);
    return parser.run().options;
  } catch (const po::invalid_command_line_syntax& error) {
    const std::string given = error.get_option_name();
    const OptionSpec* option =
        option_named(command, given.substr(std::min(given.size(), given.find_first_not_of('-'))));
    const bool is_too_much = error.kind() == po::invalid_syntax::extra_parameter;
    if (option && is_too_much) return malformed("'--" + std::string(option->name) + "' takes no value");
    if (option) return no_value_given(*option);
    return malformed(error.what());
  } catch (const po::error& error) {
    return malformed(error.what());
  }
}

/// Checks one parsed option and adds it to `options`.
Result<void> take(const Command& command, const po::option& option, Arguments::Options& options) {
  const std::string given = typed(option);
  // "-size" is how `--size` is mistyped, not how `-s ize` is written.
  const bool is_long_with_one_dash =
      given.size() > 2 && !given.starts_with("--") && option_named(command, given.substr(1));
  if (option.unregistered || is_long_with_one_dash) return no_option_given(command, given);
  const OptionSpec& spec = *option_named(command, option.string_key);
  std::vector<std::string> words = option.value;
  // Program_options parses `-s=3` as `-s` and "=3".
  if (!given.starts_with("--") && !words.empty() && words[0].starts_with('=')) words[0].erase(0, 1);
  for (const std::string& word : words) {
    const bool is_option = word.starts_with("--") && option_named(command, word.substr(2));
    if (is_option && option.original_tokens.size() > 1) return no_value_given(spec);
  }
  const auto [at, is_first] = options.try_emplace(option.string_key, Arguments::Given{Source::command_line, {}});
  if (!is_first && !is_list(spec)) return malformed("'" + given + "' is given twice");
  at->second.words.insert(at->second.words.end(), words.begin(), words.end());
  return {};
}

}  // namespace

const OptionSpec* option_named(const Command& command, std::string_view name) {
  const auto found = std::find_if(command.options.begin(), command.options.end(),
                                  [name](const OptionSpec& option) { return option.name == name; });
  return found == command.options.end() ? nullptr : &*found;
}

void Arguments::stand_in(Source source, std::string_view option, std::string word) {
  options_.try_emplace(std::string(option), Given{source, {std::move(word)}});
}

std::optional<Source> Arguments::source_of(std::initializer_list<std::string_view> options) const {
  std::optional<Source> weightiest;
  for (const std::string_view option : options) {
    const auto found = options_.find(option);
    if (found != options_.end() && (!weightiest || found->second.source < *weightiest))
      weightiest = found->second.source;
  }
  return weightiest;
}

std::vector<std::string> Arguments::values(std::string_view option) const {
  const auto found = options_.find(option);
  return found == options_.end() ? std::vector<std::string>() : found->second.words;
}

std::optional<std::string> Arguments::value(std::string_view option) const {
  const auto found = options_.find(option);
  if (found == options_.end() || found->second.words.empty()) return std::nullopt;
  return found->second.words.front();
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
  const auto own_end = std::find(words.begin(), words.end(), "--");
  if (own_end != words.end() && !command.takes_rest) return malformed("this command takes nothing after '--'");
  std::vector<std::string> rest;
  if (own_end != words.end()) rest.assign(own_end + 1, words.end());
  Arguments::Options options;
  std::vector<std::string> positional;
  for (const po::option& option : PAWL_TRY(told_apart(command, {words.begin(), own_end}))) {
    if (option.string_key.empty()) {
      positional.insert(positional.end(), option.value.begin(), option.value.end());
    } else {
      PAWL_TRY(take(command, option, options));
    }
  }
  if (positional.size() < command.positional_min) {
    return malformed("too few arguments; expected: " + std::string(command.arguments));
  }
  if (positional.size() > command.positional_max) {
    return malformed("too many arguments: '" + positional[command.positional_max] + "'");
  }
  if (command.takes_rest && rest.empty()) {
    return malformed("the command is missing; expected: " + std::string(command.arguments));
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
    out += line + std::string(option.help);
    if (!option.variable.empty()) out += " (" + std::string(option.variable) + ')';
    out += '\n';
  }
  return out;
}

Exit fail(Exit exit, std::string_view message) {
  std::fflush(stdout);
  std::fprintf(stderr, "pawl: %s\n", printable_lines(message).c_str());
  return exit;
}

Exit fail_to_read(const Error& error) {
  const bool is_newer = error.code == ErrorCode::unsupported;
  return fail(Exit::usage, error.message + (is_newer ? "; reading it takes a newer pawl" : ""));
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
