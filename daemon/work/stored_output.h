// Reads a run's output in DIR/logs, also while it is being written, and after its writer was killed (output_pump.h
// describes the writing).
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

/// A half-open range of the bytes produced.
struct OutputRange {
  std::int64_t from = 0;
  std::int64_t to = 0;
  std::int64_t bytes() const { return to - from; }
  bool operator==(const OutputRange&) const = default;
};

/// Positions count the bytes produced, whether kept or not. Blocks for file reads. Threads: any.
class StoredOutput {
 public:
  /// The output now at `log`. `missing`: there is none; `io`: a link, or not a regular file: commands can write there.
  static Result<StoredOutput> look_at(const std::filesystem::path& log);

  /// Whether a process may still write to it. If not, the output is final.
  bool is_live() const { return is_live_; }
  std::int64_t produced() const { return files_.empty() ? 0 : files_.back().range.to; }
  /// How much of that was kept.
  std::int64_t kept() const;
  /// The file being written, or last written.
  const std::filesystem::path& last_file() const { return files_.back().path; }
  /// When it was last written to.
  TimeUs written_at() const { return written_at_; }
  /// The ranges not kept, ascending.
  std::vector<OutputRange> gaps() const;

  struct Piece {
    OutputRange range;  // position of the bytes; after the requested one if that was not kept
    std::string bytes;
  };
  /// At most `bytes_max` bytes from there, stopping at a gap unless it is at the beginning.
  Piece read(std::int64_t from, std::size_t bytes_max) const;
  /// Its last bytes, as far as kept.
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

/// The bytes as UTF-8, with U+FFFD for each invalid byte.
std::string as_utf8(std::string_view bytes);
/// How many bytes at the end are an incomplete character: 0 to 3.
std::size_t incomplete_at_end(std::string_view bytes);

/// The folder of a log's parts, if it has any.
std::filesystem::path parts_of(const std::filesystem::path& log);

}  // namespace pawl
