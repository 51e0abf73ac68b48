// What of a log is written out, and in which form: for `pawl export` and `pawl record`.
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

/// What is written of a log, and how.
struct LogOrder {
  Seq from{1};
  Seq to = no_end;
  std::optional<TaskId> task;
  // Empty: all of them.
  std::vector<std::string> actors = {};
  std::vector<fb::Event> types = {};
  std::vector<Outcome> outcomes = {};
  Format format = Format::jsonl;

  /// Whether what is written has every record of its range: nothing else replays.
  bool is_whole() const { return !task && actors.empty() && types.empty() && outcomes.empty(); }
};

/// Prints the records of whole groups: those that end at or before `to`, from the one that `from` is in, which come
/// after a checkpoint if they do not begin at 1 and none is left out. Answers how many. Every record is applied on the
/// way, so `damaged` also says that one is not as the rules say. Memory does not grow with the log, but with `task` by
/// its jobs. `last`: the log's last seq, for the bar that a terminal on standard error is shown.
Result<std::uint64_t> write_log(Log& log, const LogOrder& order, Seq last);

/// The last seq before a moment: where a range that begins there is cut.
Result<Seq> seq_before(Journal& journal, std::string_view text, std::string_view option);

/// A field of a CSV line (RFC 4180).
std::string csv(std::string_view text);

}  // namespace pawl
