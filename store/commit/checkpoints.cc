#include "store/commit/checkpoints.h"

#include "store/take_checkpoint.h"

namespace pawl {

void Checkpoints::start() {
  if (every_ == 0) return;
  const std::vector<Seq> stored = store_.list();
  durable_ = raw(journal_.last_seq());
  last_ = stored.empty() ? 0 : raw(stored.front());
  due_ = last_.load() + every_;
  thread_ = std::thread([this] { run(); });
}

void Checkpoints::stop() {
  if (!thread_.joinable()) return;
  {
    const MutexLock lock(mutex_);
    ends_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void Checkpoints::note_durable(Seq last) {
  durable_.store(raw(last));
  if (raw(last) < due_.load()) return;
  // Between a look at the two and its wait, the thread holds the lock: it misses no wake-up.
  { const MutexLock lock(mutex_); }
  wake_.notify_one();
}

void Checkpoints::run() {
  MutexLock lock(mutex_);
  while (true) {
    wake_.wait(lock.waiting(), [this]() PAWL_REQUIRES(mutex_) { return ends_ || durable_.load() >= due_.load(); });
    if (ends_) return;
    // Not due again before this one is taken.
    due_ = UINT64_MAX;
    lock.unlock();
    const Result<Seq> taken_at = take_checkpoint(journal_, store_);
    if (!taken_at && failed_) failed_(taken_at.error());
    if (taken_at) last_ = raw(*taken_at);
    lock.lock();
    // After a failure, too, the next attempt waits for as many records.
    due_ = (taken_at ? raw(*taken_at) : durable_.load()) + every_;
  }
}

}  // namespace pawl
