// Virtual time, and who goes on next: actors on their own fibers, chosen by a seed, and events at set times.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "tests/world/fiber.h"

namespace pawl::hostile {

/// Virtual µs.
using Us = std::int64_t;
constexpr Us ms = 1000;
constexpr Us second = 1000 * ms;
constexpr Us minute = 60 * second;
constexpr Us hour = 60 * minute;

/// The party that an actor dies with.
enum class Party { daemon, outside };

using ActorId = std::uint64_t;

class Scheduler {
 public:
  Us now() const { return now_; }
  /// What becomes due meanwhile happens at its time; no actor goes on.
  void advance_time(Us by);

  ActorId spawn(Party party, std::function<void()> body);
  /// Calls `event` at that time, outside all actors.
  void at(Us time, std::function<void()> event);

  // From within an actor.

  ActorId self() const { return current_; }
  /// Lets others go first, or not, as the seed decides.
  void pause();
  void sleep(Us us) { wait_until(now_ + us, Wake::never); }
  /// Until wake() is called, or that time has come.
  void wait_until(Us time) { wait_until(time, Wake::allowed); }
  /// Until wake() is called.
  void wait();

  // From anywhere.

  /// Does nothing if the actor is not waiting, or is gone.
  void wake(ActorId actor);
  /// Ends all actors of a party where they are. Call outside all actors.
  void kill(Party party);

  /// How many actors could go on now.
  std::size_t ready() const { return ready_.size(); }
  /// Lets the nth of them run.
  void resume(std::size_t nth);
  /// Moves time to the next timer and does what is due; false if there are no timers.
  bool next_timer();

 private:
  enum class Wake { allowed, never };
  struct Actor {
    Party party{};
    std::unique_ptr<Fiber> fiber;
    bool ready = true;
    bool may_be_woken = false;
    std::uint64_t sleep = 0;  // a count, so that a timer knows whether the actor still waits for it
  };
  struct Timer {
    ActorId actor = 0;  // 0: an event
    std::uint64_t sleep = 0;
    std::function<void()> event;
  };

  void wait_until(std::optional<Us> time, Wake wake);
  void make_ready(ActorId id, Actor& actor);
  void fire_first();

  Us now_ = 0;
  ActorId next_actor_ = 1;
  ActorId current_ = 0;
  std::map<ActorId, Actor> actors_;
  std::vector<ActorId> ready_;
  std::map<std::pair<Us, std::uint64_t>, Timer> timers_;
  std::uint64_t next_timer_ = 1;
};

}  // namespace pawl::hostile
