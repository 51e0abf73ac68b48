// A log restored from a backup: the ids assigned after the backup may have been used, and their records are lost. None
// of those ids may be valid for anything in the continued log (SPEC §5).
#include <vector>

#include "engine/rules/retry.h"
#include "engine/rules/rules.h"

namespace pawl {
namespace {

/// Numbers pass through JSON, where they are exact only below 2^53.
constexpr std::uint64_t exact_below = std::uint64_t{1} << 53;

template <class Id>
bool goes_on_from(std::uint64_t wanted, Id next) {
  return wanted >= raw(next) && wanted < exact_below;
}

/// Ends an open job, whoever runs it: the lost records may have counted more attempts.
std::vector<JobId> open_jobs(const State& state, TaskId task) {
  std::vector<JobId> open;
  const auto& of_task = state.indexes.jobs_of_task;
  for (auto at = of_task.lower_bound({task, JobId{0}}); at != of_task.end() && at->first == task; ++at) {
    const JobStatus status = state.jobs.find(at->second)->status;
    if (status == JobStatus::queued || status == JobStatus::running) open.push_back(at->second);
  }
  return open;
}

void end_job(RuleContext& context, JobId id) {
  Job& job = context.state.jobs.edit(id);
  job.status = JobStatus::cancelled;
  job.reason = std::string(blocked_as_restored);
  context.effect({.kind = EffectKind::job_cancelled, .id = raw(id)});
}

/// Whether the task still needs an agent: one of its open jobs would be done or repeated.
bool wants_agent(const State& state, const Task& task, const std::vector<JobId>& open) {
  if (!task.cancel_requested.empty() || is_committed(task)) return false;
  for (const JobId id : open) {
    const Job& job = *state.jobs.find(id);
    if (job.version == task.version && !is_finished_work(task, job)) return true;
  }
  return false;
}

/// Blocks the task at its stage, at a version that was never used, until an operator confirms having checked it.
void block_as_restored(RuleContext& context, TaskId id, std::uint64_t versions) {
  Task& task = context.state.tasks.edit(id);
  const Version version{raw(task.version) + versions};
  for (StepRow& step : task.steps) {
    if (step.version == task.version) step.version = version;  // a committed crossing stays committed
  }
  task.version = version;
  task.gate.reset();
  const std::string restored(blocked_as_restored);
  if (!is_restored(task)) task.blocked = task.blocked.empty() ? restored : restored + " (was: " + task.blocked + ")";
  context.effect({.kind = EffectKind::blocked, .id = raw(id), .text = task.blocked});
}

void restore_task(RuleContext& context, TaskId id, std::uint64_t versions) {
  State& state = context.state;
  const std::vector<JobId> open = open_jobs(state, id);
  const Task* live = live_task(state, id);
  const bool queues = live && wants_agent(state, *live, open);
  if (live) block_as_restored(context, id, versions);
  for (const JobId job : open) end_job(context, job);
  if (queues) queue_job(context, *state.tasks.find(id), std::string(blocked_as_restored));
}

template <class Rows>
auto keys_of(const Rows& rows) {
  std::vector<typename Rows::key_type> keys;
  for (const auto& [key, row] : rows) keys.push_back(key);
  return keys;
}

}  // namespace

Outcome apply_event(RuleContext& context, const fb::LogRestored& event) {
  State& state = context.state;
  const Ids& given = *state.ids.find(0);
  const bool is_first = context.group == context.seq;
  const bool follows = event.from() == raw(state.last_seq) && event.next_seq() == raw(context.seq);
  const bool goes_on = event.from() < event.next_seq() && event.next_seq() < exact_below &&
                       goes_on_from(event.next_task(), given.next_task) &&
                       goes_on_from(event.next_job(), given.next_job);
  if (!is_first || !follows || !goes_on) return Outcome::bad_restore;

  // Every version and every run takes at least one record, so the lost records used no more of them than there are
  // skipped seqs.
  const std::uint64_t records = event.next_seq() - event.from();
  Ids& ids = state.ids.edit(0);
  if (!ids.restored) ids.restored.emplace();
  ids.restored->gaps.push_back({.first_seq = next(Seq{event.from()}),
                                .next_seq = context.seq,
                                .first_task = ids.next_task,
                                .next_task = TaskId{event.next_task()},
                                .first_job = ids.next_job,
                                .next_job = JobId{event.next_job()}});
  ids.next_task = TaskId{event.next_task()};
  ids.next_job = JobId{event.next_job()};
  ids.next_run = RunId{raw(ids.next_run) + records};
  for (const std::string& key : keys_of(state.leases.rows())) free_lease(context, key);
  for (const std::string& id : keys_of(state.boots.rows())) {
    if (!state.boots.find(id)->stale) state.boots.edit(id).stale = true;
  }
  for (const TaskId id : keys_of(state.tasks.rows())) restore_task(context, id, records);
  return Outcome::accepted;
}

}  // namespace pawl
