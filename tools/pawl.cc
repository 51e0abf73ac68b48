// The command-line client: finds the command and runs it.
#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <set>
#include <string>
#include <vector>

#include "schema/nearest.h"
#include "store/os/descriptor.h"
#include "tools/commands/command.h"
#include "tools/commands/sources.h"
#include "tools/commands/target.h"

namespace pawl {
namespace {

struct Section {
  std::string_view title;
  std::vector<const Command*> commands;
};

const std::array<Section, 2>& sections() {
  static const std::array<Section, 2> all = {{
      {"against a daemon (--data DIR, --socket PATH or --url URL; or PAWL_DATA, PAWL_SOCKET, PAWL_URL)",
       {&submit_command,   &task_command,   &queue_command,    &stuck_command,    &jobs_command,      &log_command,
        &advance_command,  &cancel_command, &resolve_command,  &retry_command,    &unblock_command,   &note_command,
        &hold_command,     &resume_command, &override_command, &priority_command, &approve_command,   &reject_command,
        &alerts_command,   &leases_command, &release_command,  &reap_command,     &pipelines_command, &repos_command,
        &settings_command, &tail_command,   &lock_command,     &tokens_command,   &bench_command}},
      {"on a data folder (--data DIR or PAWL_DATA), even while a daemon has it open, or on an exported log",
       {&export_command, &record_command, &replay_command, &check_command, &witness_command, &explain_command,
        &incident_command, &simulate_command, &info_command, &backup_command, &restore_command}},
  }};
  return all;
}

std::string overview() {
  std::string out =
      "usage: pawl COMMAND [OPTIONS] [ARGUMENTS]\n\n"
      "The command-line client of pawl, which owns the stage transitions of delivery pipelines.\n";
  for (const Section& section : sections()) {
    out += "\n" + std::string(section.title) + ":\n";
    for (const Command* command : section.commands) {
      std::string line = "  " + std::string(command->name);
      line.resize(12, ' ');
      out += line + std::string(command->summary) + '\n';
    }
  }
  out +=
      "\nOptions that name the daemon may precede COMMAND, or be set in ~/.config/pawl/pawl.conf.\n"
      "'pawl COMMAND --help' says more. Exit: 0 done, 1 refused or diverged, 2 usage or unreadable input.\n";
  return out;
}

const Command* command_named(std::string_view name) {
  for (const Section& section : sections()) {
    for (const Command* command : section.commands) {
      if (command->name == name) return command;
    }
  }
  return nullptr;
}

/// The error message for a first word that is not a command.
std::string no_command_named(std::string_view name) {
  const bool is_option = name.starts_with('-');
  std::set<std::string> names;
  if (is_option) names = {"--help", "--version"};
  for (const Section& section : sections()) {
    for (const Command* command : section.commands) {
      if (!is_option) names.emplace(command->name);
      for (const OptionSpec& option : command->options) {
        if (is_option) names.emplace("--" + std::string(option.name));
      }
    }
  }
  if (is_option && names.contains(std::string(name))) {
    return "this option goes after the command: pawl COMMAND " + std::string(name) +
           " …; 'pawl --help' lists the commands";
  }
  const std::vector<std::string_view> known(names.begin(), names.end());
  const auto meant = nearest_of(name, known);
  return std::string("unknown ") + (is_option ? "option" : "command") + " '" + std::string(name) + "';" +
         (meant ? " did you mean '" + std::string(*meant) + "'?" : "") + " 'pawl --help' lists them";
}

using Word = std::string_view;

/// Puts the command first: options that say where the daemon is may precede it.
std::vector<Word> with_command_first(std::span<const Word> typed) {
  const Command early{.options = with_daemon_options({})};
  std::size_t at = 0;
  while (at < typed.size() && typed[at].starts_with("--")) {
    const std::size_t equals = typed[at].find('=');
    const OptionSpec* option = option_named(early, typed[at].substr(2, equals - std::min<std::size_t>(equals, 2)));
    if (!option) break;
    at += option->argument.empty() || equals != Word::npos ? 1U : 2U;
  }
  if (at >= typed.size()) return {typed.begin(), typed.end()};
  std::vector<Word> words{typed[at]};
  words.insert(words.end(), typed.begin(), typed.begin() + static_cast<std::ptrdiff_t>(at));
  words.insert(words.end(), typed.begin() + static_cast<std::ptrdiff_t>(at) + 1, typed.end());
  return words;
}

Exit run(std::span<const Word> typed) {
  if (typed.empty()) {
    std::fputs(overview().c_str(), stderr);
    return Exit::usage;
  }
  const std::vector<Word> words = with_command_first(typed);
  if (words[0] == "--help" || words[0] == "-h" || (words[0] == "help" && words.size() == 1)) {
    std::fputs(overview().c_str(), stdout);
    return Exit::done;
  }
  if (words[0] == "--version") {
    std::puts("pawl " PAWL_VERSION);
    return Exit::done;
  }
  const bool is_help = words[0] == "help";
  const Word name = is_help ? words[1] : words[0];
  const Command* command = command_named(name);
  if (!command) return fail(Exit::usage, no_command_named(name.substr(0, name.find('='))));
  const std::span<const Word> rest = std::span(words).subspan(1);
  const auto own_end = std::find(rest.begin(), rest.end(), "--");
  const auto is_asking = [](Word word) { return word == "--help" || word == "-h"; };
  if (is_help || std::any_of(rest.begin(), own_end, is_asking)) {
    std::fputs(usage_of(*command).c_str(), stdout);
    return Exit::done;
  }
  auto arguments = read_arguments(*command, rest);
  if (!arguments) {
    const std::string& what = arguments.error().message;
    return fail(Exit::usage, std::string(name) + ": " + what + (what.ends_with('?') ? "" : ";") + " 'pawl " +
                                 std::string(name) + " --help' says more");
  }
  const auto added = add_sources(
      *command, [](const char* variable) { return std::getenv(variable); }, *arguments);
  if (!added) return fail_to_read(added.error());
  return command->run(*arguments);
}

}  // namespace
}  // namespace pawl

int main(int argc, char** argv) {
  pawl::occupy_standard_descriptors();
  const std::vector<std::string_view> words(argv + 1, argv + argc);
  pawl::Exit exit = pawl::run(words);
  const bool is_written = std::fflush(stdout) == 0 && std::ferror(stdout) == 0;
  if (!is_written && exit == pawl::Exit::done)
    exit = pawl::fail(pawl::Exit::refused, "cannot write to standard output");
  return static_cast<int>(exit);
}
