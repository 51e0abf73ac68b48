// Writes lines to a file descriptor whose reader may be slow, stopped or gone.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>

namespace pawl {

/// A bounded queue of lines, and the one thread that writes them. Callers never wait: lines that do not fit or cannot
/// be written are dropped and counted.
class MessageWriter {
 public:
  struct Bounds {
    std::size_t lines_max = 1000;
    std::size_t bytes_max = 1024 * 1024;
  };

  /// Does not close `fd`. Requires: SIGPIPE is ignored.
  explicit MessageWriter(int fd, Bounds bounds);
  explicit MessageWriter(int fd) : MessageWriter(fd, Bounds()) {}
  /// Flushes for up to a second. If the thread is still blocked in a write, it is abandoned until the process ends.
  ~MessageWriter();
  MessageWriter(const MessageWriter&) = delete;
  MessageWriter& operator=(const MessageWriter&) = delete;

  /// False if the line was dropped. Never blocks. Threads: any.
  bool take(std::string line);
  /// Waits, for `patience` at most, until every line taken is written or dropped. Threads: any.
  bool flush(std::chrono::milliseconds patience);
  /// How many lines were dropped. Threads: any.
  std::uint64_t dropped() const;

 private:
  struct Shared;
  static void run(Shared& shared);

  const std::shared_ptr<Shared> shared_;  // with the thread, which may outlive this object
  std::thread thread_;
};

}  // namespace pawl
