// The output of a run as it lies in DIR/logs, for who reads it: also while it is written, and after whatever wrote it
// was killed (output_pump.h has how it is written).
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "schema/result.h"
#include "schema/time.h"

namespace pawl {

/// Bytes of what was produced: from one up to, but without, another.
struct OutputRange {
  std::int64_t from = 0;
  std::int64_t to = 0;
  std::int64_t bytes() const { return to - from; }
  bool operator==(const OutputRange&) const = default;
};

/// Positions count the bytes that were produced, kept or not. Blocks for reads of files. Threads: any.
class StoredOutput {
 public:
  /// What is there now, at `log`. `missing`: nothing; `io`: a link, or no file: commands can write there.
  static Result<StoredOutput> look_at(const std::filesystem::path& log);

  /// Whether somebody may still write to it. What is_live() denies is all there ever will be.
  bool is_live() const { return is_live_; }
  std::int64_t produced() const { return files_.empty() ? 0 : files_.back().range.to; }
  /// How much of that is there.
  std::int64_t kept() const;
  /// Which is being written, or was last.
  const std::filesystem::path& last_file() const { return files_.back().path; }
  /// When it was last written to.
  TimeUs written_at() const { return written_at_; }
  /// What is left out, ascending.
  std::vector<OutputRange> gaps() const;

  struct Piece {
    OutputRange range;  // where its bytes stand; behind what was asked for if that is not kept
    std::string bytes;
  };
  /// At most so many bytes from there on, none behind a gap that is not at their beginning.
  Piece read(std::int64_t from, std::size_t bytes_max) const;
  /// What is there of its last bytes.
  std::string end(std::size_t bytes) const;

 private:
  struct File {
    std::filesystem::path path;
    OutputRange range;
  };

  std::vector<File> files_;  // ascending
  bool is_live_ = false;
  TimeUs written_at_;
};

/// Its bytes as UTF-8: each that fits nowhere becomes U+FFFD.
std::string as_utf8(std::string_view bytes);
/// How many bytes at the end are the beginning of a character that is not complete: 0 to 3.
std::size_t incomplete_at_end(std::string_view bytes);

/// Where the parts of a log lie, if it has any.
std::filesystem::path parts_of(const std::filesystem::path& log);

}  // namespace pawl
