// A log as exported lines: `pawl export log` writes them, replays read them.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "store/checkpoint.h"

namespace pawl {

/// The checkpoint at the start of an export that does not begin at 1.
struct ExportedCheckpoint {
  Restored restored;
  std::string digest;  // as in the line
  std::string chain;
};

/// The first line of a log whose names were replaced (`pawl export log --redact`).
constexpr std::string_view redacted_line = "{\"redacted\":true}";

struct LineReader {
  /// Comes first, if there is one; called at most once.
  std::function<Result<void>(ExportedCheckpoint)> checkpoint;
  /// A record, read from a line. False ends the reading.
  std::function<Result<bool>(std::vector<std::uint8_t> bytes, std::string line)> record;
  /// Called first if the log says that it is redacted. May be empty.
  std::function<void()> redacted = {};
  /// Called with a line that could not be read or taken, before the reading ends with that error. May be empty.
  std::function<void(const std::string& line)> refused = {};
};

/// Calls `each` with every line of a file, or of standard input if `path` is "-", and its number from 1, until it
/// returns false. Errors, including those of `each`, name the file and the line.
Result<void> read_text_lines(const std::string& path,
                             const std::function<Result<bool>(std::string line, std::uint64_t number)>& each);

/// Reads JSON lines from a file, or from standard input if `path` is "-". Errors name the file and the line.
/// Memory use does not grow with the file.
Result<void> read_lines(const std::string& path, const LineReader& reader);

/// The line of a checkpoint, without its end.
std::string checkpoint_line(const State& state, const Chain& chain);

}  // namespace pawl
