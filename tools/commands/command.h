// The commands of `pawl`: each has a file, which exports one of these.
#pragma once

#include <initializer_list>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "schema/number.h"
#include "schema/result.h"

namespace pawl {

/// How a command ends.
enum class Exit : int {
  done = 0,
  refused = 1,  // by the machine, by the world, or because two sides diverge
  usage = 2,    // the command line or the input is malformed
};

/// `--name` or `--name ARGUMENT`; also `-x` if it has a letter.
struct OptionSpec {
  std::string_view name;      // without dashes
  std::string_view argument;  // in capitals; empty: none. "A B": two words. "A …": one or more, and repeatable
  std::string_view help;
  char letter = 0;                 // 0: none
  std::string_view variable = {};  // the environment variable that can set it; empty: none
};

/// Where an option's value comes from, in order of precedence.
enum class Source { command_line, environment, file };

/// A valid command line, with values from other sources for options that were not typed.
class Arguments {
 public:
  struct Given {
    Source source;
    std::vector<std::string> words;  // empty for an option that takes none
  };
  using Options = std::map<std::string, Given, std::less<>>;

  Arguments(Options options, std::vector<std::string> positional, std::vector<std::string> rest)
      : options_(std::move(options)), positional_(std::move(positional)), rest_(std::move(rest)) {}

  /// Sets an option unless a source of higher precedence already has.
  void stand_in(Source source, std::string_view option, std::string word);

  bool has(std::string_view option) const { return options_.contains(option); }
  /// The source of highest precedence that sets one of `options`; none if none does.
  std::optional<Source> source_of(std::initializer_list<std::string_view> options) const;
  /// All words of an option.
  std::vector<std::string> values(std::string_view option) const;
  /// Its first word.
  std::optional<std::string> value(std::string_view option) const;
  std::string value_or(std::string_view option, std::string_view otherwise) const;
  /// A non-negative whole number. `malformed` names the option.
  Result<std::optional<std::uint64_t>> number(std::string_view option) const;

  const std::vector<std::string>& positional() const { return positional_; }
  /// The words after `--`.
  const std::vector<std::string>& rest() const { return rest_; }

 private:
  Options options_;
  std::vector<std::string> positional_;
  std::vector<std::string> rest_;
};

struct Command {
  std::string_view name;
  std::string_view arguments;  // "TASK STEP", as shown
  std::string_view summary;    // one line
  std::string_view details;    // further lines, each ended; may be empty
  std::vector<OptionSpec> options;
  std::size_t positional_min = 0;
  std::size_t positional_max = 0;
  bool takes_rest = false;  // `-- COMMAND…`
  Exit (*run)(const Arguments& arguments);
};

/// Reads the words after the command's name. `malformed` names what is wrong. Each option may be given once, unless it
/// takes a list.
Result<Arguments> read_arguments(const Command& command, std::span<const std::string_view> words);

/// The command's option of that name; null if it has none.
const OptionSpec* option_named(const Command& command, std::string_view name);

/// A command's help text.
std::string usage_of(const Command& command);

/// Prints "pawl: …" with the error to standard error, and returns the matching exit code.
Exit fail(const Error& error);
/// The same for input that could not be read, for any reason: always Exit::usage.
Exit fail_to_read(const Error& error);
Exit fail(Exit exit, std::string_view message);

// Against the daemon.
extern const Command submit_command;
extern const Command task_command;
extern const Command queue_command;
extern const Command reap_command;
extern const Command stuck_command;
extern const Command jobs_command;
extern const Command log_command;
extern const Command advance_command;
extern const Command cancel_command;
extern const Command resolve_command;
extern const Command retry_command;
extern const Command unblock_command;
extern const Command note_command;
extern const Command hold_command;
extern const Command resume_command;
extern const Command override_command;
extern const Command approve_command;
extern const Command reject_command;
extern const Command priority_command;
extern const Command leases_command;
extern const Command release_command;
extern const Command settings_command;
extern const Command pipelines_command;
extern const Command repos_command;
extern const Command alerts_command;
extern const Command tail_command;
extern const Command lock_command;
extern const Command tokens_command;  // on the file that a daemon reads
// On a data folder or an exported log.
extern const Command export_command;
extern const Command record_command;
extern const Command replay_command;
extern const Command check_command;
extern const Command witness_command;
extern const Command explain_command;
extern const Command incident_command;
extern const Command simulate_command;
extern const Command info_command;
extern const Command backup_command;
extern const Command restore_command;
// On either.
extern const Command bench_command;

}  // namespace pawl
