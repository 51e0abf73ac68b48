#include "engine/rules/rules.h"

#include "engine/rules/claim.h"

namespace pawl {

std::string text_or_empty(const flatbuffers::String* text) {
  return text ? text->str() : std::string();
}

Owner owner_from(const fb::Owner& owner) {
  return {owner.boot_id()->str(), owner.pid(), owner.actor()->str()};
}

std::optional<Token> token_from(flatbuffers::Optional<std::uint64_t> token) {
  return token ? std::optional(Token{*token}) : std::nullopt;
}

const Task* live_task(const State& state, TaskId id) {
  const Task* task = state.tasks.find(id);
  return task && !is_terminal(task->stage) ? task : nullptr;
}

bool is_checked(Turn& turn, std::string_view repo) {
  const bool checked = turn.state.settings().ownership_checked(repo);
  turn.applied.unchecked = !checked;
  return checked;
}

Outcome token_outcome(const Turn& turn, const std::string& key, std::optional<Token> token, LeaseNeed need) {
  const Lease* lease = turn.state.lease(key);
  if (token) return lease && lease->token == *token ? Outcome::accepted : Outcome::stale_token;
  if (lease && turn.state.is_live(*lease, turn.now)) return Outcome::lease_held;
  return need == LeaseNeed::required ? Outcome::lease_required : Outcome::accepted;
}

bool is_held_back(const Turn& turn, const Task& task) {
  return turn.rules >= 2 && !is_committed(task) && !open_step(task) && waits_for_dependency(turn.state, task);
}

void note_begun(Turn& turn, TaskId id) {
  if (turn.state.tasks.find(id)->lost_dependency) turn.state.tasks.edit(id).lost_dependency.reset();
}

void free_lease(Turn& turn, const std::string& key) {
  turn.effect({.kind = EffectKind::lease_freed, .text = key, .token = raw(turn.state.lease(key)->token)});
  turn.state.leases.erase(key);
}

void queue_job(Turn& turn, const Task& task, const std::string& reason) {
  const Stage& stage = *turn.state.stage_of(task);
  Ids& ids = turn.state.ids.edit(0);
  const JobId id = ids.next_job;
  Job job;
  job.id = id;
  job.task = task.id;
  job.agent = stage.agent;
  job.stage = stage.name;
  job.version = task.version;
  job.max_attempts = static_cast<std::uint64_t>(turn.state.settings().job.max_attempts);
  job.reason = reason;
  job.queued = turn.now;
  turn.effect({.kind = EffectKind::job_queued, .id = raw(id)});
  turn.state.jobs.insert(id, std::move(job));
  ids.next_job = next(id);
}

void cancel_queued_jobs(Turn& turn, TaskId task) {
  const auto& of_task = turn.state.indexes.jobs_of_task;
  for (auto at = of_task.lower_bound({task, JobId{0}}); at != of_task.end() && at->first == task; ++at) {
    if (turn.state.jobs.find(at->second)->status != JobStatus::queued) continue;
    turn.state.jobs.edit(at->second).status = JobStatus::cancelled;
    turn.effect({.kind = EffectKind::job_cancelled, .id = raw(at->second)});
  }
}

void block_task(Turn& turn, TaskId id, const std::string& reason) {
  if (!turn.state.tasks.find(id)->blocked.empty()) return;
  turn.state.tasks.edit(id).blocked = reason;
  turn.effect({.kind = EffectKind::blocked, .id = raw(id), .text = reason});
  turn.effect({.kind = EffectKind::alert, .text = reason});
}

}  // namespace pawl
