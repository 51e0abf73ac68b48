#include "daemon/api/long_polls.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace pawl {
namespace {

/// How often to look for disconnected clients.
constexpr std::chrono::seconds gone_interval{1};

}  // namespace

LongPolls::LongPolls() : thread_([this] { run(); }) {}

LongPolls::~LongPolls() {
  stop();
}

std::uint64_t LongPolls::generation() const {
  const MutexLock lock(mutex_);
  return generation_;
}

void LongPolls::wait(std::uint64_t seen, Time deadline, Gone gone, std::function<void(Wake)> wake) {
  MutexLock lock(mutex_);
  if (stopping_) {
    lock.unlock();
    return wake(Wake::stopped);
  }
  waiting_.push_back({.seen = seen, .deadline = deadline, .gone = std::move(gone), .wake = std::move(wake)});
  changed_.notify_one();
}

void LongPolls::notify() {
  const MutexLock lock(mutex_);
  ++generation_;
  if (!waiting_.empty()) changed_.notify_one();
}

void LongPolls::stop() {
  {
    const MutexLock lock(mutex_);
    stopping_ = true;
    changed_.notify_one();
  }
  if (thread_.joinable()) thread_.join();
}

void LongPolls::run() {
  MutexLock lock(mutex_);
  while (true) {
    const Time now = std::chrono::steady_clock::now();
    std::vector<std::pair<std::function<void(Wake)>, Wake>> due;
    std::vector<std::function<void(Wake)>> dropped;
    Time next = Time::max();
    for (auto at = waiting_.begin(); at != waiting_.end();) {
      const bool is_over = at->deadline <= now;
      if (at->gone && at->gone->load()) {
        dropped.push_back(std::move(at->wake));
        at = waiting_.erase(at);
      } else if (stopping_ || is_over || at->seen != generation_) {
        const Wake why = stopping_ ? Wake::stopped : is_over ? Wake::deadline : Wake::again;
        due.emplace_back(std::move(at->wake), why);
        at = waiting_.erase(at);
      } else {
        next = std::min({next, at->deadline, at->gone ? now + gone_interval : Time::max()});
        ++at;
      }
    }
    if (!due.empty() || !dropped.empty()) {
      lock.unlock();
      dropped.clear();  // Outside the lock: each may hold the last reference to its connection.
      for (const auto& [wake, why] : due) wake(why);
      lock.lock();
      continue;
    }
    if (stopping_) return;
    if (next == Time::max()) {
      changed_.wait(lock.waiting());
    } else {
      changed_.wait_until(lock.waiting(), next);
    }
  }
}

}  // namespace pawl
