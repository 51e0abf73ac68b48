// The reaper's passes (SPEC §6): one every reaper.interval_s, one at once when a process that acts on this machine has
// died, and one whenever an operator wants it. The decisions are engine/reaper's.
//
// A pass looks at each running job by id, then at each lease. It never waits for a gate or a step: where the exit-zero
// rule has to run one, that goes on by itself on another thread, at most once per job at a time. So a gate that hangs
// holds up its own job, until its time-out, and nobody else's.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "daemon/work/system.h"
#include "engine/policies/reaper.h"
#include "schema/limits.h"
#include "store/commit/desk.h"

namespace pawl {

/// What one pass came to.
struct ReaperPass {
  std::uint64_t jobs = 0;       // that it looked at
  std::uint64_t reaped = 0;     // at once
  std::uint64_t finishing = 0;  // exit-zero rules begun: what comes of them is in the log
  std::uint64_t deferred = 0;   // to a live owner
  std::uint64_t leases_reclaimed = 0;
  std::uint64_t troubles = 0;              // jobs whose part of the pass went wrong
  std::int64_t oldest_past_ceiling_s = 0;  // by how much the oldest running job is past max_running_s
};

/// What passes came to since the daemon's start.
struct ReaperTotals {
  std::uint64_t passes = 0;
  std::uint64_t defers = 0;                // jobs left to the live owner who finishes them
  std::uint64_t troubles = 0;              // jobs whose part of a pass went wrong
  TimeUs last_pass;                        // wall clock; 0: none yet
  std::int64_t since_pass_s = 0;           // or since the start
  std::int64_t oldest_past_ceiling_s = 0;  // as the last pass saw it
};

class ReaperLoop {
 public:
  struct Options {
    std::string boot_id;  // of this daemon
    /// Called with what people should know and no record says. From any thread. May be empty.
    std::function<void(const std::string&)> warn = {};
    /// How many rows of the state it looks at in one go.
    std::size_t rows_per_look = limits::rows_per_read_max;
  };

  /// All outlive the loop. `machine` and `world` are those of the executor.
  ReaperLoop(Desk& desk, System& system, Machine& machine, World& world, Options options);
  /// Stops it.
  ~ReaperLoop();

  /// The first pass comes after one interval.
  void start();
  /// Joins its threads. The world must have been stopped before, so that no gate or step holds them; the desk must
  /// not.
  void stop();

  /// Asks for a pass, also where the reaper is switched off; `done` is called from the loop's thread and must not
  /// block. Not called any more after stop().
  void pass_now(std::function<void(const ReaperPass&)> done);

  ReaperTotals totals() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace pawl
