// Where the offline commands read from: a data folder (exported lines: tools/forensics/exported_lines.h), and up to
// where.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "store/rocks_log.h"
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

/// The log of a data folder, also while a daemon writes to it.
Result<std::unique_ptr<RocksLog>> open_log(const std::string& data_dir);

/// The log of the folder in `--data`, else in PAWL_DATA. `command` is who asks, for the message.
Result<std::unique_ptr<RocksLog>> open_data(const Arguments& arguments, std::string_view command);

/// The seq of the last record that a moment takes in. Reads the log up to there if it is a time.
Result<Seq> seq_at(Log& log, const Moment& moment);

}  // namespace pawl
