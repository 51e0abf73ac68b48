// The load of one measurement: what each actor asks for next, and what came of it.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "store/os/mutex.h"
#include "tools/bench/figures.h"
#include "tools/bench/loop.h"

namespace pawl::bench {

/// Nanoseconds of CLOCK_MONOTONIC.
std::int64_t clock_ns();

/// The actors of one measurement, each in one loop. A lane (tools/bench/lane.h) takes an actor's next request, carries
/// it out and tells the result; an actor has one request under way.
///
/// The time of a measurement begins when a tenth of it has passed, so that caches are warm. An actor ends only between
/// two rounds, so that it leaves no lease behind; after a thousand failures in a row all end.
/// Threads: any.
class Load {
 public:
  struct Wish {
    ActorLoop loop{};
    std::size_t actors = 1;
    std::int64_t for_ns = 0;    // ends after this time,
    std::uint64_t count = 0;    // or, if not 0, after so many rounds of all actors together
    std::int64_t think_ns = 0;  // how long an actor waits between two rounds
    std::uint64_t task = 0;     // of `contended`, `note` and `task`: an existing one, at version 1
    /// Numbers of submissions, unique in this process.
    std::uint64_t* submissions = nullptr;
    /// Set to end early. Not owned.
    const std::atomic<bool>* is_interrupted = nullptr;
    /// Called about five times a second with the rounds so far and the time since the start; may be empty.
    std::function<void(std::uint64_t rounds, std::int64_t ns)> progress = {};
  };

  explicit Load(Wish wish);

  std::size_t actors() const { return wish_.actors; }
  bool thinks() const { return wish_.think_ns > 0; }

  /// The actor's next request; none if it has ended. Requires: none of its requests is under way.
  std::optional<Op> next(std::size_t actor);
  /// When next() may be called for it: later than now only if actors think.
  std::int64_t due_ns(std::size_t actor) const;
  void took(const Op& op, const Reply& reply, std::int64_t sent_ns, std::int64_t taken_ns);
  /// Calls `progress` if it is time for that. From one thread.
  void tick();

  /// Requires: every actor has ended.
  Figures figures() const;
  /// The tasks that may be live still.
  std::vector<std::uint64_t> tasks() const;

 private:
  struct Actor {
    unsigned step = 0;  // of its loop
    std::uint64_t task = 0;
    std::uint64_t version = 1;
    std::uint64_t token = 0;
    std::uint64_t job = 0;
    std::uint64_t attempt = 0;
    std::int64_t due_ns = 0;
  };

  Verb verb_of(const Actor& actor) const PAWL_REQUIRES(mutex_);
  void advance(Actor& actor, const Op& op, const Reply& reply, std::int64_t now_ns) PAWL_REQUIRES(mutex_);
  void keep(Actor& actor, const Op& op, const Reply& reply) PAWL_REQUIRES(mutex_);
  void end_round(Actor& actor, std::int64_t now_ns) PAWL_REQUIRES(mutex_);
  bool is_over(std::int64_t now_ns) const PAWL_REQUIRES(mutex_);
  bool is_measured(std::int64_t ns) const;

  const Wish wish_;
  const std::int64_t began_ns_;
  const std::int64_t measured_from_ns_;
  std::int64_t shown_ns_ = 0;
  mutable Mutex mutex_;
  std::vector<Actor> actors_ PAWL_GUARDED_BY(mutex_);
  Actor common_ PAWL_GUARDED_BY(mutex_) = {};         // of `contended`: the task that all fight for
  std::uint64_t rounds_ PAWL_GUARDED_BY(mutex_) = 0;  // warm-up included
  std::uint64_t failures_in_a_row_ PAWL_GUARDED_BY(mutex_) = 0;
  std::int64_t last_ns_ PAWL_GUARDED_BY(mutex_) = 0;
  Figures figures_ PAWL_GUARDED_BY(mutex_);
};

}  // namespace pawl::bench
