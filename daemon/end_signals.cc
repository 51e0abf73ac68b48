#include "daemon/end_signals.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>

#include <cerrno>
#include <utility>

#include "store/os/descriptor.h"

namespace pawl {
namespace {

sigset_t end_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int number : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&signals, number);
  return signals;
}

bool is_ignored(int number) {
  struct sigaction action {};
  return ::sigaction(number, nullptr, &action) == 0 && action.sa_handler == SIG_IGN;
}

}  // namespace

Hangup hangup_of(bool has_tokens) {
  if (has_tokens) return Hangup::read_tokens;
  const Descriptor terminal(::open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC));
  return terminal && !is_ignored(SIGHUP) ? Hangup::end : Hangup::ignore;
}

void block_end_signals() {
  const sigset_t signals = end_signals();
  ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
}

EndSignals::EndSignals(Actions actions) : actions_(std::move(actions)), thread_([this] { run(); }) {}

EndSignals::~EndSignals() {
  {
    const MutexLock lock(mutex_);
    destroyed_ = true;
  }
  ::pthread_kill(thread_.native_handle(), SIGTERM);
  thread_.join();
}

void EndSignals::started() {
  const MutexLock lock(mutex_);
  starting_ = false;
}

int EndSignals::wait() {
  MutexLock lock(mutex_);
  changed_.wait(lock.waiting(), [this]() PAWL_REQUIRES(mutex_) { return signal_.has_value(); });
  return *signal_;
}

void EndSignals::set_again(std::function<void()> again) {
  const MutexLock lock(mutex_);
  again_ = std::move(again);
}

/// 0 on time-out, while the daemon starts.
int EndSignals::next_signal() {
  const sigset_t signals = end_signals();
  const auto ns = std::chrono::nanoseconds(actions_.start_patience).count();
  const timespec patience{.tv_sec = static_cast<time_t>(ns / 1'000'000'000), .tv_nsec = ns % 1'000'000'000};
  while (true) {
    const int number = ::sigtimedwait(&signals, nullptr, &patience);
    if (number > 0) return number;
    if (errno == EAGAIN) return 0;
  }
}

void EndSignals::run() {
  while (true) {
    const int number = next_signal();
    const MutexLock lock(mutex_);
    if (destroyed_) return;
    if (number == 0) {
      if (starting_ && actions_.still_starting) actions_.still_starting();
    } else if (number == SIGHUP && !actions_.hangup_ends) {
      actions_.hung_up();
    } else if (starting_) {
      actions_.leave(number);
    } else if (!signal_) {
      signal_ = number;
      changed_.notify_all();
    } else if (again_) {
      again_();
    }
  }
}

}  // namespace pawl
