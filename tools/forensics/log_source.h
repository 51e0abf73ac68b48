// Where the offline commands read from: a data folder, a file of exported lines or standard input, and up to where.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "store/log.h"
#include "store/replica.h"
#include "tools/commands/command.h"

namespace pawl {

/// A point in a log, as people give it.
struct Moment {
  std::optional<Seq> seq;      // else
  std::optional<TimeUs> time;  // everything up to then
};
/// "1234", or RFC 3339 in UTC. `malformed` names the option.
Result<Moment> moment_of(std::string_view text, std::string_view option);

/// Whether `to` is, or lies in, the log that is read from `log` (a folder, a file, or "-"): nothing may be written
/// there.
bool lies_in(const std::string& to, const std::string& log);

/// `own`, and what names a data folder.
std::vector<OptionSpec> with_log_options(std::vector<OptionSpec> own);

/// The log that a command is given as `word`; without one the folder of `--data`. `command` is who asks, for the
/// message.
Result<std::string> log_named(const std::optional<std::string>& word, const Arguments& arguments,
                              std::string_view command);

/// The log of the folder in `--data`.
Result<std::unique_ptr<Log>> open_data(const Arguments& arguments, std::string_view command);

/// The seq of the last record that a moment takes in. Reads the log up to there if it is a time.
Result<Seq> seq_at(Journal& journal, const Moment& moment);

/// Who walks a log from its begin.
struct LogWalk {
  /// Makes the replica that is fed, from the state before the first record and the chain there. Called once, and again
  /// if exported lines turn out to begin with a checkpoint. The replica outlives the walk, or the next call.
  std::function<Replica&(State, const Chain&)> begin;
  /// Told of a checkpoint that is not what its line says; the walk then ends. Empty: that is `damaged`.
  std::function<void(Difference)> differs = {};
};

/// Feeds a log to a replica, up to its end or as far as the replica wants it, and applies the last group. `path`: a
/// data folder (also while a daemon writes to it), a file of exported lines, or "-" for standard input. Errors name the
/// file and the line, or the seq. Answers the seq from which a folder's log is torn, if it is.
Result<std::optional<Seq>> walk_log(const std::string& path, const LogWalk& walk);

}  // namespace pawl
