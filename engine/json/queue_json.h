// The answer of /queue (SPEC §11), for a real and a simulated daemon.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "engine/policies/stuck.h"
#include "engine/state/state.h"

namespace pawl {

/// What happened since the daemon's start and is not in any row.
struct QueueTotals {
  TimeUs now;  // the time that a record made now would get

  TimeUs reaper_last_run;  // 0: none yet
  std::int64_t reaper_since_run_s = 0;
  std::int64_t oldest_past_ceiling_s = 0;  // how far the oldest running job was past max_running_s
  std::uint64_t reaper_passes = 0;
  std::uint64_t reaper_troubles = 0;
  std::uint64_t reaped = 0;
  JobId last_reaped{};  // 0: none yet
  std::uint64_t leases_reclaimed = 0;
  std::uint64_t finalizer_defers = 0;

  TimeUs reconciler_last_run;  // 0: none yet
  std::uint64_t reconciler_passes = 0;
  std::uint64_t reconciler_moves = 0;
  std::uint64_t reconciler_defers = 0;

  std::uint64_t lease_defers = 0;  // deferrals to the live owner of a transition lease, by any actor

  /// Whether claims currently skip a job (`previous_alive`). May be empty.
  std::function<bool(JobId)> is_skipped = {};
  std::function<std::optional<OriginTrouble>(const std::string& repo)> origin_trouble = {};
  std::function<std::optional<MissingVariable>(TaskId)> missing_variable = {};
};

/// Appends the object without its closing brace, so that more can follow. At most limits::rows_per_read_max rows of
/// each kind.
void append_queue_open(std::string& out, const State& state, const QueueTotals& totals);

}  // namespace pawl
