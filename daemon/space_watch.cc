#include "daemon/space_watch.h"

#include <utility>

#include "store/os/mutex.h"

namespace pawl {
namespace {

using std::chrono::steady_clock;

/// For a file system that does not count its inodes.
constexpr std::uint64_t uncounted = UINT64_MAX;

std::int64_t now_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(steady_clock::now().time_since_epoch()).count();
}

}  // namespace

struct SpaceWatch::Shared {
  explicit Shared(Options options_) : options(std::move(options_)) {}

  const Options options;
  std::atomic<std::int64_t> next_look_ms{0};
  std::atomic<std::uint64_t> free_bytes{0};
  std::atomic<std::uint64_t> free_inodes{uncounted};
  std::atomic<bool> can_write{true};
  std::atomic<std::int64_t> probing_since_ms{0};  // 0: no probe is running

  Mutex mutex;
  std::condition_variable wake;
  bool ending PAWL_GUARDED_BY(mutex) = false;
};

SpaceWatch::SpaceWatch(Options options) : shared_(std::make_shared<Shared>(std::move(options))) {
  look();  // Otherwise, of two first callers at once, one would get a result that the other has not measured yet.
  thread_ = std::thread([shared = shared_] { run(*shared); });
}

SpaceWatch::~SpaceWatch() {
  {
    const MutexLock lock(shared_->mutex);
    shared_->ending = true;
    shared_->wake.notify_one();
  }
  if (shared_->probing_since_ms.load() == 0) {
    thread_.join();
  } else {
    thread_.detach();
  }
}

Readiness SpaceWatch::look() {
  return look(*shared_);
}

Readiness SpaceWatch::look(Shared& shared) {
  const Options& options = shared.options;
  const std::int64_t now = now_ms();
  std::int64_t next = shared.next_look_ms.load();
  if (now >= next && shared.next_look_ms.compare_exchange_strong(next, now + 1000)) {
    const auto free = options.free_space(options.folder.string());
    // If the free space cannot be read, the disk does not count as full: an append that fails reports it anyway.
    shared.free_bytes.store(free ? free->bytes : options.bytes_floor);
    shared.free_inodes.store(free ? free->inodes.value_or(uncounted) : uncounted);
  }
  const std::uint64_t bytes = shared.free_bytes.load();
  const std::uint64_t inodes = shared.free_inodes.load();
  const std::int64_t since = shared.probing_since_ms.load();
  const bool is_held_up = since != 0 && now - since > options.probe_patience.count();
  return {.has_space = bytes >= options.bytes_floor && inodes >= options.inodes_floor,
          .has_reserve = bytes >= options.bytes_reserve && inodes >= options.inodes_reserve,
          .can_write = shared.can_write.load() && !is_held_up,
          .free_bytes = bytes,
          .free_bytes_floor = options.bytes_floor,
          .free_inodes = inodes == uncounted ? std::nullopt : std::optional(inodes),
          .free_inodes_floor = options.inodes_floor};
}

void SpaceWatch::run(Shared& shared) {
  const Options& options = shared.options;
  bool had_space = true;
  MutexLock lock(shared.mutex);
  while (!shared.ending) {
    const TimeUs now = options.now();
    shared.probing_since_ms.store(now_ms());
    lock.unlock();
    const Result<void> probed = options.probe(options.folder.string(), now);
    const bool could_write = shared.can_write.exchange(probed.has_value());
    if (options.warn && could_write && !probed) {
      options.warn("cannot write to the data folder; no writes are accepted until this succeeds: " +
                   probed.error().message);
    }
    if (options.warn && !could_write && probed) options.warn("the data folder is writable again");
    const Readiness seen = look(shared);
    if (options.warn && seen.has_space != had_space) options.warn(words_on_room(seen));
    had_space = seen.has_space;
    lock.lock();
    shared.probing_since_ms.store(0);
    shared.wake.wait_for(lock.waiting(), options.probe_interval,
                         [&]() PAWL_REQUIRES(shared.mutex) { return shared.ending; });
  }
}

}  // namespace pawl
