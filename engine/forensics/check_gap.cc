// SPEC §14, invariant 12: time during which nothing could act.
#include "engine/forensics/invariants.h"

namespace pawl {
namespace {

/// Whether the start at `was` was moved later, by no more than the gap and not into the future.
bool is_shifted(TimeUs was, TimeUs is, std::int64_t us, TimeUs now) {
  if (is < was || (is > now && is != was)) return false;
  return static_cast<std::uint64_t>(is.us) - static_cast<std::uint64_t>(was.us) <= static_cast<std::uint64_t>(us);
}

}  // namespace

void check_gap(const Transition& change, Findings& findings) {
  const auto* gap = change.record.event_as_TimeGap();
  if (!gap || !change.accepted) return;
  const auto find = [&](std::string what, TaskId task = TaskId{0}) {
    findings.push_back(
        {.kind = Finding::Kind::violation, .seq = {}, .invariant = 12, .what = std::move(what), .task = task});
  };
  const TimeUs now{change.record.stamp()->time_us()};
  const TimeUs last = change.after.last_time;  // of the previous group
  const bool is_long = now < last || static_cast<std::uint64_t>(now.us) - static_cast<std::uint64_t>(last.us) <
                                         static_cast<std::uint64_t>(gap->us());
  if (gap->us() <= 0 || is_long)
    find("a gap of " + std::to_string(gap->us()) + " us is longer than the time since the previous record");
  for (const auto& [id, was] : change.before.jobs) {
    const Job* job = change.after.jobs.find(id);
    if (!was.run || !job || !job->run) continue;
    if (!is_shifted(was.run->claimed, job->run->claimed, gap->us(), now)) {
      find("job " + std::to_string(raw(id)) + ": its claim is shifted by more than the gap", was.task);
    }
  }
  for (const auto& [key, was] : change.before.leases) {
    const Lease* lease = change.after.lease(key);
    if (lease && is_shifted(was.renewed, lease->renewed, gap->us(), now)) continue;
    find("lease '" + key + "' is shifted by more than the gap", task_of_key(key).value_or(TaskId{0}));
  }
}

}  // namespace pawl
