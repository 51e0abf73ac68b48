// What a command prints, on its way from a pipe to files. Linked into the daemon and into the keeper's program, so it
// uses nothing but the C library, and allocates nothing.
//
// The first half of what may be kept is the head, the file NAME itself. Once it is full the rest goes to parts, files
// in NAME.parts whose names are the number of bytes that were produced before them; the oldest goes when a new one
// would be too many. All of them are only ever appended to, so whatever is killed leaves what can be read: by their
// names and sizes it is known what is missing. Where there is too little room nothing is written and the bytes are
// counted; the next part's name tells.
//
// Secrets are masked before anything of this: all that is counted is what can be shown.
#pragma once

#include <sys/types.h>

#include <array>
#include <cstddef>
#include <cstdint>

#include "daemon/work/output_mask.h"

namespace pawl {

constexpr const char* output_parts_suffix = ".parts";
constexpr int output_part_digits = 19;  // so that names sort by what they say
constexpr std::int64_t output_parts_max = 8;

struct PumpOrder {
  int pipe = -1;               // the end to read from: the pump's own, to be closed by it
  int log = -1;                // NAME, open for appending
  int folder = -1;             // that NAME lies in
  const char* name = nullptr;  // outlives the pump
  std::int64_t bytes_max = 0;  // of all files together, but for what the daemon itself appends
  // Below these nothing is written.
  std::uint64_t free_bytes_min = 0;
  std::uint64_t free_inodes_min = 0;
  OutputMask* mask = nullptr;  // of what must not be seen; outlives the pump. Null: nothing is masked
};

class OutputPump {
 public:
  explicit OutputPump(const PumpOrder& order);
  OutputPump(const OutputPump&) = delete;
  OutputPump& operator=(const OutputPump&) = delete;

  /// To be polled for reading; -1 once everybody who could write has closed it.
  int pipe() const { return order_.pipe; }
  /// Takes some of what is in the pipe. Does not wait.
  void pump();
  /// Takes what is in the pipe now. What comes meanwhile is left for later, so one that prints without end does not
  /// keep it.
  void drain();
  /// Writes what was held back because it may be the beginning of a secret: nothing more of it is going to come.
  void let_go();
  /// Drains, lets go, and makes what was left out at the very end known.
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

  PumpOrder order_;
  int parts_ = -1;              // the folder NAME.parts
  int out_ = -1;                // the file that is being written
  std::int64_t out_begin_ = 0;  // bytes produced before it
  std::int64_t out_size_ = 0;
  std::int64_t left_out_ = 0;                            // bytes since the end of that file that were not written
  std::int64_t gone_ = 0;                                // of all that is not kept: bytes
  std::array<std::int64_t, output_parts_max> begins_{};  // of the parts that are there, ascending
  std::int64_t part_count_ = 0;
  // The room on the disk, as it was found last.
  bool is_short_ = false;
  std::int64_t next_look_ms_ = 0;
  std::size_t written_since_look_ = 0;
};

}  // namespace pawl
