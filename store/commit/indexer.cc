#include "store/commit/indexer.h"

namespace pawl {
namespace {

constexpr std::size_t chunk_records_max = 32'768;

}  // namespace

void Indexer::start() {
  thread_ = std::thread([this] { run(); });
}

void Indexer::stop() {
  if (!thread_.joinable()) return;
  {
    const MutexLock lock(mutex_);
    ends_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

bool Indexer::ends() {
  const MutexLock lock(mutex_);
  return ends_;
}

void Indexer::run() {
  while (!ends()) {
    look();
    MutexLock lock(mutex_);
    wake_.wait_for(lock.waiting(), options_.look_every, [this]() PAWL_REQUIRES(mutex_) { return ends_; });
  }
}

void Indexer::warn(const std::string& what) const {
  if (options_.warn) options_.warn(what);
}

void Indexer::look() {
  if (journal_.last_seq() < rests_until_) return;
  const auto go_on = [this]() -> Result<void> {
    if (!has_begun_) {
      const std::optional<std::string> removed = PAWL_TRY(index_.begin());
      if (removed) warn("the index of finished tasks is made again: " + *removed);
      has_begun_ = true;
    }
    if (const std::optional<Error> fault = index_.fault()) {
      PAWL_TRY(index_.clear());
      warn("the index of finished tasks is made again: " + fault->message);
    }
    while (!ends() && raw(journal_.last_seq()) - raw(index_.reach()) >= options_.records_behind) {
      PAWL_TRY(index_.extend(chunk_records_max));
    }
    return {};
  };
  const Result<void> gone_on = go_on();
  if (gone_on) return;
  warn("the index of finished tasks cannot be made: " + gone_on.error().message);
  // A full disk gets back what it takes; until it is made, the log is read.
  const Result<void> cleared = index_.clear();
  has_begun_ = cleared.has_value();
  rests_until_ = Seq{raw(journal_.last_seq()) + options_.records_after_failure};
}

}  // namespace pawl
