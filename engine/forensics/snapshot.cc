// The rows as they were before a record: what the invariants compare with.
#include "engine/forensics/invariants.h"

namespace pawl {

Snapshot snapshot_of(const State& state) {
  return {
      .tasks = state.tasks.rows(), .jobs = state.jobs.rows(), .leases = state.leases.rows(), .digest = state.digest()};
}

Snapshot touched_rows(const State& state, std::uint64_t digest_before) {
  Snapshot snapshot;
  snapshot.digest = digest_before;
  snapshot.whole = false;
  const auto copy_to = [](auto& rows, auto& fresh) {
    return [&rows, &fresh](const auto& key, const auto* before) {
      if (before) {
        rows.emplace(key, *before);
      } else {
        fresh.insert(key);
      }
    };
  };
  state.tasks.touched(copy_to(snapshot.tasks, snapshot.new_tasks));
  state.jobs.touched(copy_to(snapshot.jobs, snapshot.new_jobs));
  state.leases.touched(copy_to(snapshot.leases, snapshot.new_leases));
  return snapshot;
}

}  // namespace pawl
