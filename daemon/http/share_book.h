// Counts of the shares since the start: how much is held, who was refused, and what was ended to make room. For display
// only; nothing is decided by it.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "store/os/mutex.h"

namespace pawl {

/// A resource of which one principal may have only a part.
enum class ShareKind { connections, streams, polls, requests, bytes, boots, leases, tasks };
constexpr std::array share_kinds{ShareKind::connections, ShareKind::streams, ShareKind::polls,  ShareKind::requests,
                                 ShareKind::bytes,       ShareKind::boots,   ShareKind::leases, ShareKind::tasks};
std::string_view name(ShareKind kind);

/// Threads: any.
class ShareBook {
 public:
  using Time = std::chrono::steady_clock::time_point;
  struct Refused {
    std::string principal;
    std::uint64_t count = 0;
    bool operator==(const Refused&) const = default;
  };

  /// What clients hold now: connections, streams, polls and bytes. For requests see last_second(); boots, leases and
  /// tasks are rows of the state.
  std::atomic<std::size_t>& held(ShareKind kind) { return held_[index(kind)]; }
  std::size_t held(ShareKind kind) const { return held_[index(kind)].load(); }

  /// Counts requests of a rated visitor that were taken.
  void take_requests(Time now, std::size_t count = 1);
  /// How many were taken in the last whole second.
  std::uint64_t last_second(Time now) const;

  /// `principal`: who was refused; empty: unknown.
  void refuse(ShareKind kind, const std::string& principal);
  /// Counts something that was ended to make room for others.
  void evict(ShareKind kind) { evicted_[index(kind)].fetch_add(1); }
  std::uint64_t refused(ShareKind kind) const { return refused_[index(kind)].load(); }
  std::uint64_t evicted(ShareKind kind) const { return evicted_[index(kind)].load(); }
  /// The principals with the most refusals, all kinds together, most first. At most 10.
  std::vector<Refused> refused_most() const;

 private:
  static std::size_t index(ShareKind kind) { return static_cast<std::size_t>(kind); }

  std::array<std::atomic<std::size_t>, share_kinds.size()> held_{};
  std::array<std::atomic<std::uint64_t>, share_kinds.size()> refused_{};
  std::array<std::atomic<std::uint64_t>, share_kinds.size()> evicted_{};
  mutable Mutex mutex_;
  std::map<std::string, std::uint64_t> refused_by_ PAWL_GUARDED_BY(mutex_);
  std::chrono::seconds second_ PAWL_GUARDED_BY(mutex_){0};  // the one being counted
  std::uint64_t in_second_ PAWL_GUARDED_BY(mutex_) = 0;
  std::uint64_t in_second_before_ PAWL_GUARDED_BY(mutex_) = 0;
};

}  // namespace pawl
