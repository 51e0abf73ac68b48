// How far the reading of a log has come, for someone who waits for it: one line on a terminal, removed when the reading
// ends. A quick reading shows nothing, and nothing is ever written to a file or a pipe.
#pragma once

#include <cstdint>
#include <cstdio>
#include <functional>
#include <string>
#include <string_view>

namespace pawl {

class ReadingProgress {
 public:
  /// Shows `purpose` ("reading the log") on standard error, if that is a terminal; nothing if it is empty.
  explicit ReadingProgress(std::string_view purpose);
  /// Shows it on `out`, by the clock `now_us` of microseconds.
  ReadingProgress(std::string_view purpose, std::FILE* out, std::function<std::int64_t()> now_us);
  ~ReadingProgress();
  ReadingProgress(const ReadingProgress&) = delete;
  ReadingProgress& operator=(const ReadingProgress&) = delete;

  /// `done` of `total` is behind, in any unit, and the record `seq` was the last one; total 0: it is not known.
  /// Threads: one at a time.
  void show(std::uint64_t done, std::uint64_t total, std::uint64_t seq);

 private:
  std::string purpose_;
  std::FILE* out_;  // null: nothing is shown
  std::function<std::int64_t()> now_us_;
  std::int64_t begun_us_ = 0;
  std::uint64_t shown_at_ = 0;  // the percentage, or the thousands of records, that was last looked at
  bool is_shown_ = false;
};

}  // namespace pawl
