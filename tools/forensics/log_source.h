// Where the offline commands read from (a data folder, a file of exported lines or standard input), and how far.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "store/log.h"
#include "store/replica.h"

namespace pawl {

/// A point in a log, as a user gives it.
struct Moment {
  std::optional<Seq> seq;      // if not, then
  std::optional<TimeUs> time;  // everything up to that time
};
/// A time as in RFC 3339, with any offset, or as pawl shows it to people: "2026-06-15 12:00:03 +02:00".
Result<TimeUs> time_from(std::string_view text);
/// "1234", or such a time. `malformed` names the option.
Result<Moment> moment_of(std::string_view text, std::string_view option);

/// Whether `to` is, or lies in, the log that is read from `log` (a folder, a file, or "-"): commands must not write
/// there.
bool lies_in(const std::string& to, const std::string& log);

/// The seq of the last record at or before a moment. Reads the log up to there if the moment is a time.
Result<Seq> seq_at(Journal& journal, const Moment& moment);

/// Opens a folder's log to read what is left of it: reading ends with an error where the damage begins. If nothing is
/// left, the error says what to do.
Result<std::unique_ptr<Log>> open_part(const std::string& dir);

/// The place from which a log cannot be read, or not be proved, any further. All groups before it were.
struct LogBreak {
  enum class Kind {
    damaged,   // a record or a line that cannot be read, or does not follow
    newer,     // a record of a later version
    diverges,  // a record that the rules decide differently
  };
  Kind kind{};
  Seq at{};              // the first record that was not taken in
  std::string why;       // names the record, or the file and the line
  std::string raw = {};  // the line, or the bytes in one; empty: unknown
};
/// "from record 57 on, the log cannot be read: …" and the record itself, as lines for people.
std::string in_words(const LogBreak& broken);
/// Where a replica ended with a difference.
LogBreak break_at(const Difference& difference);
/// The same as a JSON object, or null.
std::string break_json(const std::optional<LogBreak>& broken);

/// The callbacks of a walk through a log.
struct LogWalk {
  /// Makes the replica to feed, from the state before the first record and the chain there. Called once, and again if
  /// exported lines turn out to begin with a checkpoint. The replica must outlive the walk, or last until the next
  /// call.
  std::function<Replica&(State, const Chain&)> begin;
  /// Called for a checkpoint that does not match its line; the walk then ends. If empty, that is `damaged`.
  std::function<void(Difference)> differs = {};
  /// Called first for exported lines that are redacted. May be empty.
  std::function<void()> redacted = {};
  /// Called at the end of a walk that damage, or a record of a later version, cut short after at least one record. If
  /// empty, that is an error.
  std::function<void(LogBreak)> broken = {};
  /// What is shown on a terminal while it lasts; empty: nothing.
  std::string_view purpose = "reading the log";
};

/// Feeds a log to a replica, to its end or as far as the replica wants it, and applies the last group. `path`: a data
/// folder (even while a daemon writes to it), a file of exported lines, or "-" for standard input. Errors name the file
/// and the line, or the seq. Returns the seq from which a folder's log is torn, if it is.
Result<std::optional<Seq>> walk_log(const std::string& path, const LogWalk& walk);

/// A log that can be walked again and again.
using LogWalker = std::function<Result<std::optional<Seq>>(const LogWalk&)>;
/// walk_log() of that path.
LogWalker walker_of(std::string path);
/// The same for a log that is open, while it is appended to. It outlives the walks. Shows nothing on a terminal.
LogWalker walker_of(Journal& journal);

}  // namespace pawl
