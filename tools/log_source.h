// Where the offline commands read from: a data folder, or exported lines.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "store/checkpoint.h"
#include "store/rocks_log.h"
#include "tools/command.h"

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

/// The log of a data folder, also while a daemon writes to it.
Result<std::unique_ptr<RocksLog>> open_log(const std::string& data_dir);

/// The log of the folder in `--data`, else in PAWL_DATA. `command` is who asks, for the message.
Result<std::unique_ptr<RocksLog>> open_data(const Arguments& arguments, std::string_view command);

/// The seq of the last record that a moment takes in. Reads the log up to there if it is a time.
Result<Seq> seq_at(Log& log, const Moment& moment);

/// What stands before the first record of an export that does not begin at 1.
struct ExportedCheckpoint {
  Restored restored;
  std::string digest;  // as it stands there
  std::string chain;
};

struct LineReader {
  /// Comes first, if there is one. May be called once.
  std::function<Result<void>(ExportedCheckpoint)> checkpoint;
  /// A record, read from a line. False ends it.
  std::function<Result<bool>(std::vector<std::uint8_t> bytes, std::string line)> record;
};

/// Calls `each` with every line of a file, or of standard input if `path` is "-", and its number from 1, until it
/// answers false. Errors, also those of `each`, name the file and the line.
Result<void> read_text_lines(const std::string& path,
                             const std::function<Result<bool>(std::string line, std::uint64_t number)>& each);

/// Reads JSON lines from a file, or from standard input if `path` is "-". Errors name the file and the line.
/// Memory does not grow with the file.
Result<void> read_lines(const std::string& path, const LineReader& reader);

/// The line of a checkpoint, without its end.
std::string checkpoint_line(const State& state, const Chain& chain);

}  // namespace pawl
