// Writes a part of a log, in one of several formats: for `pawl export` and `pawl record`.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "schema/outcome.h"
#include "store/log.h"
#include "store/replica.h"

namespace pawl {

enum class Format { jsonl, json, csv };

/// Which records to write, and how.
struct LogExportOptions {
  Seq from{1};
  Seq to = no_end;
  std::optional<TaskId> task;
  // Empty: all.
  std::vector<std::string> actors = {};
  std::vector<fb::Event> types = {};
  std::vector<Outcome> outcomes = {};
  Format format = Format::jsonl;

  /// Whether every record of the range is written: a selection does not replay.
  bool is_whole() const { return !task && actors.empty() && types.empty() && outcomes.empty(); }
};

/// Prints the records of whole groups, from the one that contains `from` to the last that ends at or before `to`. If
/// they do not begin at 1 and none is left out, a checkpoint comes first. Returns how many. Every record is applied on
/// the way, so `damaged` also covers one that differs from the rules. Memory use does not grow with the log; with
/// `task` it grows with that task's jobs. `last`: the log's last seq, for the progress bar.
Result<std::uint64_t> write_log(Log& log, const LogExportOptions& options, Seq last);

/// The last seq before a moment: a range that begins at the moment is cut after it.
Result<Seq> seq_before(Journal& journal, std::string_view text, std::string_view option);

/// A field of a CSV line (RFC 4180).
std::string csv(std::string_view text);

}  // namespace pawl
