// Moves a command's output from a pipe to files. Linked into the daemon and into the keeper's program, so it uses only
// the C library, and allocates nothing.
//
// The first half of the limit is the head, the file NAME itself. Once it is full, the rest goes to parts: files in
// NAME.parts, each named after the number of bytes produced before it. When there are too many parts, the oldest is
// deleted. Files are only appended to, so a kill leaves readable files, whose names and sizes show what is missing. If
// there is too little room, bytes are counted but not written; the next part's name shows the gap.
//
// Secrets are masked first: all counts are of the masked output.
#pragma once

#include <sys/types.h>

#include <array>
#include <cstddef>
#include <cstdint>

#include "daemon/work/output_mask.h"

namespace pawl {

constexpr const char* output_parts_suffix = ".parts";
constexpr int output_part_digits = 19;  // so that names sort by number
constexpr std::int64_t output_parts_max = 8;

struct PumpOptions {
  int pipe = -1;               // the read end, owned and closed by the pump
  int log = -1;                // NAME, open for appending
  int folder = -1;             // the folder of NAME
  const char* name = nullptr;  // outlives the pump
  std::int64_t bytes_max = 0;  // of all files together, except what the daemon itself appends
  // Below these limits it writes nothing.
  std::uint64_t free_bytes_min = 0;
  std::uint64_t free_inodes_min = 0;
  OutputMask* mask = nullptr;  // for secrets; outlives the pump. Null: nothing is masked
};

class OutputPump {
 public:
  explicit OutputPump(const PumpOptions& options);
  OutputPump(const OutputPump&) = delete;
  OutputPump& operator=(const OutputPump&) = delete;

  /// The descriptor to poll for reading; -1 once all writers have closed the pipe.
  int pipe() const { return options_.pipe; }
  /// Takes some of the pipe's contents. Does not wait.
  void pump();
  /// Takes what is in the pipe now. Leaves later output for later, so a command that prints endlessly does not block
  /// this.
  void drain();
  /// Writes what was held back as the possible beginning of a secret: no more of it will come.
  void let_go();
  /// Drains, lets go, and records a gap at the very end.
  void finish();

 private:
  std::size_t take(std::size_t bytes_max);
  void show(const char* bytes, std::size_t count, OutputMask::Rest rest);
  void keep(const char* bytes, std::size_t count);
  bool has_room();
  bool begin_part();
  void drop_oldest_part();
  void note_gap() const;
  std::int64_t part_bytes_max() const;

  PumpOptions options_;
  int parts_ = -1;              // the folder NAME.parts
  int out_ = -1;                // the file that is being written
  std::int64_t out_begin_ = 0;  // bytes produced before it
  std::int64_t out_size_ = 0;
  std::int64_t left_out_ = 0;                            // bytes after the end of that file that were not written
  std::int64_t gone_ = 0;                                // total bytes not kept
  std::array<std::int64_t, output_parts_max> begins_{};  // of the existing parts, ascending
  std::int64_t part_count_ = 0;
  // The disk's free space, as of the last check.
  bool is_short_ = false;
  std::int64_t next_look_ms_ = 0;
  std::size_t written_since_look_ = 0;
};

}  // namespace pawl
