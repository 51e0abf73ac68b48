// What a witness of a log keeps: where the log's head stood in the chain, a line each time. Who can write the log's
// files can write all of it again, with a chain that fits; the lines that stand elsewhere are what does not fit then.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "engine/forensics/invariants.h"
#include "schema/record_view.h"
#include "schema/result.h"
#include "store/chain.h"

namespace pawl {

struct WitnessLine {
  Seq seq{};
  std::string time;    // of the record
  std::string digest;  // as hex digits, as is the chain
  std::string chain;
  std::uint64_t number = 0;  // of its line in the file

  /// As `pawl witness` prints it, without an end.
  std::string text() const;
};

/// `malformed` if it is not such a line.
Result<WitnessLine> read_witness_line(const std::string& text);

/// The head of a data folder, also while a daemon writes to it, of a file of exported lines, or of "-". What the log
/// says of itself: that the chain is right is for `check`. `missing` if it has no record.
Result<WitnessLine> head_of_log(const std::string& path);

/// A file of such lines, held against a log that is walked.
class Witness {
 public:
  /// Reads all of it. `malformed` names the file and the line.
  static Result<Witness> read(const std::string& path);

  /// The log begins behind `last`, with a checkpoint; without a call it begins at 1.
  void begin(Seq last, const Chain& chain);
  /// Each record, in order.
  void see(const fb::Record& record);

  /// A line whose record a restore from a backup left out, which the log says itself.
  struct Restored {
    Seq seq{};
    Seq by{};  // the LogRestored
  };

  /// At most one of each kind: the first line that says something else, and the first behind the log's end. `is_whole`:
  /// the walk came to the end of the log.
  Findings findings(bool is_whole) const;
  std::uint64_t agreed() const { return agreed_; }
  /// Lines about what stands before the log's first record.
  std::uint64_t before() const { return before_; }
  /// Lines about what was not looked at, of a walk that ended early.
  std::uint64_t left() const { return lines_.size() - next_; }
  const std::vector<Restored>& restored() const { return restored_; }
  const std::string& path() const { return path_; }

 private:
  void compare(const WitnessLine& line, const std::string& time, const std::string& digest, const std::string& chain);

  std::string path_;
  std::vector<WitnessLine> lines_;  // by seq
  std::size_t next_ = 0;            // the first that is not judged yet
  Seq last_{};                      // record that was seen
  std::string last_time_;
  std::uint64_t agreed_ = 0;
  std::uint64_t before_ = 0;
  std::optional<Seq> agreed_at_;  // the last one, before any that differs
  struct Contradiction {
    WitnessLine line;
    std::string what;  // differs
    std::optional<Seq> agreed_at;
    std::uint64_t more = 0;  // lines behind it that differ too
  };
  std::optional<Contradiction> contradiction_;
  std::vector<Restored> restored_;
};

}  // namespace pawl
