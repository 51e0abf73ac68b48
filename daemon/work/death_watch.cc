#include "daemon/work/death_watch.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <array>
#include <cerrno>

#include "daemon/work/process_table.h"
#include "schema/result.h"

namespace pawl {
namespace {

void add(const Descriptor& epoll, int fd) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = fd;
  PAWL_ASSERT(::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, fd, &event) == 0);
}

}  // namespace

PidfdWatch::PidfdWatch(Look look, std::function<void()> died)
    : look_(std::move(look)),
      died_(std::move(died)),
      epoll_(::epoll_create1(EPOLL_CLOEXEC)),
      wake_(::eventfd(0, EFD_CLOEXEC)) {
  PAWL_ASSERT(epoll_ && wake_);
  add(epoll_, wake_.get());
  thread_ = std::thread([this] { run(); });
}

PidfdWatch::~PidfdWatch() {
  stop();
}

void PidfdWatch::watch(const std::string& host, std::int64_t pid, std::int64_t pid_start) {
  if (look_(host, pid, pid_start) == Liveness::invisible) return;
  Descriptor process = pidfd_of(static_cast<pid_t>(pid));
  // Check again now: with the pidfd open, the pid cannot be reused unnoticed.
  if (look_(host, pid, pid_start) == Liveness::dead) return died_();
  if (!process) return;
  const int fd = process.get();
  const MutexLock lock(mutex_);
  watched_.emplace(fd, std::move(process));
  add(epoll_, fd);
}

void PidfdWatch::stop() {
  if (stopping_.exchange(true)) return;
  ::eventfd_write(wake_.get(), 1);
  thread_.join();
}

void PidfdWatch::run() {
  std::array<epoll_event, 64> events{};
  while (!stopping_) {
    const int count = ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), -1);
    PAWL_ASSERT(count >= 0 || errno == EINTR);
    for (int i = 0; i < count && !stopping_; ++i) {
      const int fd = events[static_cast<std::size_t>(i)].data.fd;
      if (fd == wake_.get()) continue;
      {
        const MutexLock lock(mutex_);
        watched_.erase(fd);  // closing it also removes it from the epoll
      }
      died_();
    }
  }
}

}  // namespace pawl
