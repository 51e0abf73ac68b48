// Invariant 13: what a restore from a backup leaves behind, and that only a restore skips seqs.
#include "engine/forensics/invariants.h"

namespace pawl {
namespace {

void find(Findings& findings, std::string what, TaskId task = TaskId{0}) {
  findings.push_back(
      {.kind = Finding::Kind::violation, .seq = {}, .invariant = 13, .what = std::move(what), .task = task});
}

void check_outlived(const State& state, JobId next_job, Findings& findings) {
  for (const auto& [id, boot] : state.boots.rows()) {
    if (!boot.stale) find(findings, "boot " + id + " outlives a restore");
  }
  for (const auto& [key, lease] : state.leases.rows()) find(findings, "lease '" + key + "' outlives a restore");
  for (const auto& [id, task] : state.tasks.rows()) {
    if (is_terminal(task.stage) || is_restored(task)) continue;
    find(findings, "task " + std::to_string(raw(id)) + ": continues after a restore without an operator's consent", id);
  }
  for (const auto& [id, job] : state.jobs.rows()) {
    const bool is_fresh = job.status == JobStatus::queued && id >= next_job;
    const bool is_open = job.status == JobStatus::queued || job.status == JobStatus::running;
    if (is_open && !is_fresh) find(findings, "job " + std::to_string(raw(id)) + ": outlives a restore", job.task);
  }
}

}  // namespace

void check_restore(const Transition& change, Seq last, Findings& findings) {
  const Seq seq{change.record.stamp()->seq()};
  const auto* restored = change.record.event_as_LogRestored();
  if (!change.accepted || !restored) {
    if (seq != next(last)) find(findings, "the record skips seqs but is not a restore");
    return;
  }
  if (restored->from() != raw(last) || restored->next_seq() != raw(seq)) {
    find(findings, "this restore does not follow from the log before it");
  }
  check_outlived(change.after, JobId{restored->next_job()}, findings);
}

}  // namespace pawl
