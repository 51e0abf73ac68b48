// The reaper's passes (SPEC §6): one every reaper.interval_s, one as soon as an owner's process on this machine dies,
// and one whenever an operator asks. The engine's reaper makes the decisions.
//
// A pass checks each running job by id, then each lease. It never waits for a gate or a step: if the exit-zero rule has
// to run one, that happens on another thread, at most once per job at a time. So a gate that hangs delays only its own
// job, until its time-out.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "daemon/notice.h"
#include "daemon/work/system.h"
#include "engine/policies/reaper.h"
#include "schema/limits.h"
#include "store/commit/desk.h"

namespace pawl {

/// The result of one pass.
struct ReaperPass {
  std::uint64_t jobs = 0;       // checked
  std::uint64_t reaped = 0;     // by the pass itself
  std::uint64_t finishing = 0;  // exit-zero rules begun; the log has their results
  std::uint64_t deferred = 0;   // to a live owner
  std::uint64_t leases_reclaimed = 0;
  std::uint64_t troubles = 0;              // jobs whose check failed
  std::int64_t oldest_past_ceiling_s = 0;  // by how much the oldest running job is past max_running_s
};

/// Totals of all passes since the daemon's start.
struct ReaperTotals {
  std::uint64_t passes = 0;
  std::uint64_t defers = 0;                // jobs left to a live owner that finishes them
  std::uint64_t troubles = 0;              // jobs whose check failed
  TimeUs last_pass;                        // wall clock; 0: none yet
  std::int64_t since_pass_s = 0;           // or since the start
  std::int64_t oldest_past_ceiling_s = 0;  // as the last pass saw it
};

class ReaperLoop {
 public:
  struct Options {
    std::string boot_id;  // of this daemon
    /// Called with messages for people that are not in any record. From any thread. May be empty.
    std::function<void(const Notice&)> warn = {};
    /// How many rows of the state it reads in one request to the sequencer.
    std::size_t rows_per_look = limits::rows_per_read_max;
  };

  /// All outlive the loop. `machine` and `world` are the executor's.
  ReaperLoop(Desk& desk, System& system, Machine& machine, World& world, Options options);
  /// Stops it.
  ~ReaperLoop();

  /// The first pass comes after one interval.
  void start();
  /// Joins its threads. The world must already be stopped, so that no gate or step blocks them; the desk must still
  /// run.
  void stop();

  /// Requests a pass, even if the reaper is switched off; `done` is called on the loop's thread and must not block. It
  /// is not called after stop().
  void pass_now(std::function<void(const ReaperPass&)> done);

  ReaperTotals totals() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace pawl
