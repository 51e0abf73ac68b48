// Shared by the sources of the hostile system. Only for tests/world/system*.cc.
#pragma once

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <optional>
#include <string>
#include <utility>

#include "tests/world/system.h"

namespace pawl::hostile {

/// The longest time that git takes by itself.
constexpr Us git_hangs_max = 900 * second;
constexpr Us forever = std::numeric_limits<Us>::max();
/// A fetch may hang for two minutes before a job's preparation gives up, and fail several times in a row, with a minute
/// between attempts; other tasks of the repository may come first.
constexpr Us skipped_max = 8 * git_hangs_max;

/// The longest time from SIGTERM to SIGKILL: stop.kill_after_s, and the next look after a pause or a stall.
constexpr Us kill_follows_within = 12 * second;

/// The longest time until a barring process is seen to be gone: a look each second, which may fail or stall.
constexpr Us gone_is_seen_within = 60 * second;

inline Us us_of(Deadline time) {
  return std::chrono::duration_cast<std::chrono::microseconds>(time.time_since_epoch()).count();
}

inline Us us_of_span(std::chrono::steady_clock::duration span) {
  return std::chrono::ceil<std::chrono::microseconds>(span).count();
}

/// The variable of that name in a command's environment.
inline std::string told(const Launch& launch, const std::string& name) {
  const std::string begin = "PAWL_" + name + "=";
  for (const std::string& each : launch.environment) {
    if (each.starts_with(begin)) return each.substr(begin.size());
  }
  return {};
}

inline std::uint64_t number_in(const std::string& text) {
  return std::strtoull(text.c_str(), nullptr, 10);
}

class HostileSystem::FiberCancelToken final : public CancelToken {
 public:
  explicit FiberCancelToken(Scheduler& scheduler) : scheduler_(scheduler) {}

  void call() override {
    if (!called_at_) called_at_ = scheduler_.now();
    scheduler_.wake(waiter_);
  }
  bool called() const override { return called_at_.has_value(); }
  Us called_at() const { return *called_at_; }
  void wakes(ActorId waiter) const { waiter_ = waiter; }

 private:
  Scheduler& scheduler_;
  std::optional<Us> called_at_;
  mutable ActorId waiter_ = 0;
};

class HostileSystem::HeldPlace final : public Handle {
 public:
  HeldPlace(Story& story, StepKey key) : story_(story), key_(std::move(key)) { story_.folder.places[key_].held = true; }
  ~HeldPlace() override {
    DataFolder::Place& place = story_.folder.places[key_];
    place.held = false;
    place.shared_until = story_.shared_until();
  }
  const StepKey& key() const { return key_; }

 private:
  Story& story_;
  const StepKey key_;
};

}  // namespace pawl::hostile
