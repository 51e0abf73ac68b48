// Time during which nothing could act (SPEC §5).
#include <algorithm>
#include <limits>

#include "engine/rules/rules.h"

namespace pawl {
namespace {

/// Shifts the start at `then` by the gap, for computing ages; never into the future.
TimeUs later(TimeUs then, std::int64_t us, TimeUs now) {
  if (then >= now) return then;
  // Unsigned, because the difference between the two ends does not fit a signed type.
  const std::uint64_t age_us = static_cast<std::uint64_t>(now.us) - static_cast<std::uint64_t>(then.us);
  return age_us <= static_cast<std::uint64_t>(us) ? now : TimeUs{then.us + us};
}

void shift(std::optional<TimeUs>& then, std::int64_t us, TimeUs now) {
  if (then) then = later(*then, us, now);
}

/// Postpones an end at `end` by the gap.
TimeUs put_off(TimeUs end, std::int64_t us) {
  return {std::min(end.us, std::numeric_limits<std::int64_t>::max() - us) + us};
}

}  // namespace

Outcome apply_event(RuleContext& context, const fb::TimeGap& event) {
  if (!is_daemon(context)) return Outcome::not_daemon;
  // Any action leaves a record, so the gap began after the last record. A start later than that is not shifted beyond
  // `now`.
  State& state = context.state;
  const std::int64_t us = event.us();
  if (us <= 0 || context.now <= state.last_time) return Outcome::bad_value;
  const auto since_last = static_cast<std::uint64_t>(context.now.us) - static_cast<std::uint64_t>(state.last_time.us);
  if (static_cast<std::uint64_t>(us) > since_last) return Outcome::bad_value;

  const TimeUs began{context.now.us - us};
  for (const JobId id : state.indexes.running) {
    Run& run = *state.jobs.edit(id).run;
    run.claimed = later(run.claimed, us, context.now);
    shift(run.started, us, context.now);
    shift(run.exited, us, context.now);
    shift(run.renewed, us, context.now);
  }
  for (const auto& [agent, paused] : state.indexes.paused) {
    for (const auto& [end, id] : paused) {
      if (end > began) state.jobs.edit(id).not_before = put_off(end, us);
    }
  }
  for (const auto& [id, row] : state.tasks.rows()) {
    if (!row.approval || !row.approval->until || *row.approval->until <= began) continue;
    ApprovalRow& question = *state.tasks.edit(id).approval;
    question.until = put_off(*question.until, us);
  }
  for (const auto& [key, row] : state.leases.rows()) {
    Lease& lease = state.leases.edit(key);
    lease.acquired = later(lease.acquired, us, context.now);
    lease.renewed = later(lease.renewed, us, context.now);
  }
  return Outcome::accepted;
}

}  // namespace pawl
