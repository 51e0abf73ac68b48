// The lines that a witness of a log keeps: each has the chain at the log's head. Anyone who can write the log's files
// can rewrite all of it with a matching chain, but the lines that are kept elsewhere will then not match.
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

/// `malformed` if the text is not such a line.
Result<WitnessLine> read_witness_line(const std::string& text);

/// The head of a data folder (even while a daemon writes to it), of a file of exported lines, or of "-". Takes the
/// log's word for it: only `check` proves the chain. `missing` if the log has no records.
Result<WitnessLine> head_of_log(const std::string& path);

/// A file of such lines, to compare with a log during a walk.
class Witness {
 public:
  /// Reads all of it. `malformed` names the file and the line.
  static Result<Witness> read(const std::string& path);

  /// Call it if the log begins with a checkpoint, after `last`; otherwise it begins at 1.
  void begin(Seq last, const Chain& chain);
  /// Takes each record, in order.
  void see(const fb::Record& record);

  /// A line whose record a restore from a backup left out, as the log itself says.
  struct Restored {
    Seq seq{};
    Seq by{};  // the LogRestored
  };

  /// At most one of each kind: the first line that differs, and the first beyond the log's end. `is_whole`: the walk
  /// reached the end of the log.
  Findings findings(bool is_whole) const;
  std::uint64_t agreed() const { return agreed_; }
  /// Number of lines about records before the log's first.
  std::uint64_t before() const { return before_; }
  /// Number of lines about records that were not checked, after a walk that ended early.
  std::uint64_t left() const { return lines_.size() - next_; }
  const std::vector<Restored>& restored() const { return restored_; }
  const std::string& path() const { return path_; }

 private:
  void compare(const WitnessLine& line, const std::string& time, const std::string& digest, const std::string& chain);

  std::string path_;
  std::vector<WitnessLine> lines_;  // by seq
  std::size_t next_ = 0;            // the first that is not compared yet
  Seq last_{};                      // the last record seen
  std::string last_time_;
  std::uint64_t agreed_ = 0;
  std::uint64_t before_ = 0;
  std::optional<Seq> agreed_at_;  // the last line that agrees, before any that differs
  struct Contradiction {
    WitnessLine line;
    std::string what;  // differs
    std::optional<Seq> agreed_at;
    std::uint64_t more = 0;  // later lines that differ too
  };
  std::optional<Contradiction> contradiction_;
  std::vector<Restored> restored_;
};

}  // namespace pawl
