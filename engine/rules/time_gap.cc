// Time in which nobody could act. SPEC §5.
#include <algorithm>

#include "engine/rules/rules.h"

namespace pawl {
namespace {

/// What began at `then` began that much later, as far as its age goes; but not in the future.
TimeUs later(TimeUs then, std::int64_t us, TimeUs now) {
  return {std::max(then.us, std::min(then.us + us, now.us))};
}

void shift(std::optional<TimeUs>& then, std::int64_t us, TimeUs now) {
  if (then) then = later(*then, us, now);
}

}  // namespace

Outcome apply_event(Turn& turn, const fb::TimeGap& event) {
  if (!is_daemon(turn)) return Outcome::not_daemon;
  const std::int64_t us = event.us();
  if (us <= 0 || us > turn.now.us) return Outcome::bad_value;

  State& state = turn.state;
  const TimeUs began{turn.now.us - us};
  for (const JobId id : state.indexes.running) {
    Run& run = *state.jobs.edit(id).run;
    run.claimed = later(run.claimed, us, turn.now);
    shift(run.started, us, turn.now);
    shift(run.exited, us, turn.now);
    shift(run.renewed, us, turn.now);
  }
  for (const auto& [end, id] : state.indexes.paused) {
    if (end > began) state.jobs.edit(id).not_before = TimeUs{end.us + us};
  }
  for (const auto& [key, row] : state.leases.rows()) {
    Lease& lease = state.leases.edit(key);
    lease.acquired = later(lease.acquired, us, turn.now);
    lease.renewed = later(lease.renewed, us, turn.now);
  }
  return Outcome::accepted;
}

}  // namespace pawl
