#include "daemon/space_watch.h"

#include <chrono>
#include <utility>

#include "store/data_dir.h"

namespace pawl {

SpaceWatch::SpaceWatch(std::filesystem::path folder, std::uint64_t floor_bytes)
    : folder_(std::move(folder)), floor_bytes_(floor_bytes) {
  look();  // Of the first two who ask at once, one would be told of what the other has not yet found out.
}

Readiness SpaceWatch::look() {
  const auto since_start = std::chrono::steady_clock::now().time_since_epoch();
  const std::int64_t now_ms = std::chrono::duration_cast<std::chrono::milliseconds>(since_start).count();
  std::int64_t next_ms = next_look_ms_.load();
  if (now_ms >= next_ms && next_look_ms_.compare_exchange_strong(next_ms, now_ms + 1000)) {
    // What cannot be asked is not taken for full: an append that fails says so by itself.
    const auto free = pawl::free_bytes(folder_.string());
    free_bytes_.store(free ? *free : floor_bytes_);
  }
  const std::uint64_t free = free_bytes_.load();
  return {.has_space = free >= floor_bytes_, .free_bytes = free, .free_bytes_floor = floor_bytes_};
}

}  // namespace pawl
