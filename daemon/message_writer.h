// Lines on their way to a file descriptor whose reader may be slow, stopped or gone.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>

namespace pawl {

/// A bounded queue of lines, and the one thread that writes them. Whoever has something to say is never held up: what
/// finds no room is dropped, and so is what cannot be written; both are counted.
class MessageWriter {
 public:
  struct Bounds {
    std::size_t lines_max = 1000;
    std::size_t bytes_max = 1024 * 1024;
  };

  /// `fd` is not closed here. Requires: SIGPIPE is ignored.
  explicit MessageWriter(int fd, Bounds bounds);
  explicit MessageWriter(int fd) : MessageWriter(fd, Bounds()) {}
  /// As flush(), for a second. A thread that is held up in a write is then left to the process's end.
  ~MessageWriter();
  MessageWriter(const MessageWriter&) = delete;
  MessageWriter& operator=(const MessageWriter&) = delete;

  /// False: it was dropped. Never blocks. Threads: any.
  bool take(std::string line);
  /// Waits until all that was taken is written or dropped, at most for `patience`. Threads: any.
  bool flush(std::chrono::milliseconds patience);
  /// How many lines were dropped. Threads: any.
  std::uint64_t dropped() const;

 private:
  struct Shared;
  static void run(Shared& shared);

  const std::shared_ptr<Shared> shared_;  // with the thread, which may outlive this
  std::thread thread_;
};

}  // namespace pawl
