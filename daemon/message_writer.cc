#include "daemon/message_writer.h"

#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <deque>
#include <string_view>
#include <utility>

#include "store/os/mutex.h"

namespace pawl {
namespace {

constexpr std::chrono::seconds end_patience{1};

bool write_whole(int fd, std::string_view line) {
  while (!line.empty()) {
    const ssize_t written = ::write(fd, line.data(), line.size());
    if (written >= 0) {
      line.remove_prefix(static_cast<std::size_t>(written));
      continue;
    }
    if (errno == EINTR) continue;
    if (errno != EAGAIN) return false;
    // Another process that shares the descriptor made it non-blocking.
    pollfd room{.fd = fd, .events = POLLOUT, .revents = 0};
    ::poll(&room, 1, -1);
  }
  return true;
}

}  // namespace

struct MessageWriter::Shared {
  Shared(int fd_, Bounds bounds_) : fd(fd_), bounds(bounds_) {}

  const int fd;
  const Bounds bounds;
  std::atomic<std::uint64_t> dropped{0};

  Mutex mutex;  // not held during a write
  std::condition_variable wake;
  std::condition_variable is_done;
  std::deque<std::string> queue PAWL_GUARDED_BY(mutex);
  std::size_t queued_bytes PAWL_GUARDED_BY(mutex) = 0;
  bool writing PAWL_GUARDED_BY(mutex) = false;
  bool ending PAWL_GUARDED_BY(mutex) = false;
};

MessageWriter::MessageWriter(int fd, Bounds bounds) : shared_(std::make_shared<Shared>(fd, bounds)) {
  thread_ = std::thread([shared = shared_] { run(*shared); });
}

MessageWriter::~MessageWriter() {
  const bool all_written = flush(end_patience);
  {
    const MutexLock lock(shared_->mutex);
    shared_->ending = true;
    shared_->wake.notify_one();
  }
  if (all_written) {
    thread_.join();
  } else {
    thread_.detach();
  }
}

bool MessageWriter::take(std::string line) {
  const MutexLock lock(shared_->mutex);
  if (shared_->queue.size() >= shared_->bounds.lines_max ||
      shared_->queued_bytes + line.size() > shared_->bounds.bytes_max) {
    shared_->dropped.fetch_add(1);
    return false;
  }
  shared_->queued_bytes += line.size();
  shared_->queue.push_back(std::move(line));
  shared_->wake.notify_one();
  return true;
}

bool MessageWriter::flush(std::chrono::milliseconds patience) {
  MutexLock lock(shared_->mutex);
  return shared_->is_done.wait_for(lock.waiting(), patience, [this]() PAWL_REQUIRES(shared_->mutex) {
    return shared_->queue.empty() && !shared_->writing;
  });
}

std::uint64_t MessageWriter::dropped() const {
  return shared_->dropped.load();
}

void MessageWriter::run(Shared& shared) {
  sigset_t all;
  sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, nullptr);  // other threads handle signals
  MutexLock lock(shared.mutex);
  while (true) {
    shared.wake.wait(lock.waiting(),
                     [&]() PAWL_REQUIRES(shared.mutex) { return shared.ending || !shared.queue.empty(); });
    if (shared.queue.empty()) return;
    const std::string line = std::move(shared.queue.front());
    shared.queue.pop_front();
    shared.queued_bytes -= line.size();
    shared.writing = true;
    lock.unlock();
    if (!write_whole(shared.fd, line)) shared.dropped.fetch_add(1);
    lock.lock();
    shared.writing = false;
    if (shared.queue.empty()) shared.is_done.notify_all();
  }
}

}  // namespace pawl
