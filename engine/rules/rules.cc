#include "engine/rules/rules.h"

#include <algorithm>

#include "engine/rules/claim.h"

namespace pawl {

std::optional<std::string> principal_if_any(const Turn& turn) {
  return turn.principal.empty() ? std::nullopt : std::optional(turn.principal);
}

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

bool is_within_quota(const Turn& turn, std::size_t all, const std::map<std::string, std::uint64_t>& by_principal,
                     std::int64_t most) {
  if (turn.principal.empty()) return true;
  const auto own = by_principal.find(turn.principal);
  const auto share = static_cast<std::uint64_t>(most * turn.state.settings().quota.share_percent / 100);
  if (all >= static_cast<std::uint64_t>(most)) return false;
  return own == by_principal.end() || own->second < std::max<std::uint64_t>(share, 1);
}

bool is_its_own(const Turn& turn, const Lease& lease) {
  return acts_for(turn, *turn.state.boots.find(lease.owner.boot_id));
}

Outcome token_outcome(const Turn& turn, const std::string& key, std::optional<Token> token, LeaseNeed need) {
  const Lease* lease = turn.state.lease(key);
  if (token && (!lease || lease->token != *token)) return Outcome::stale_token;
  if (token) return is_its_own(turn, *lease) ? Outcome::accepted : Outcome::not_yours;
  if (lease && turn.state.is_live(*lease, turn.now)) return Outcome::lease_held;
  return need == LeaseNeed::required ? Outcome::lease_required : Outcome::accepted;
}

Outcome version_conflict(Turn& turn, const Task* task, std::optional<std::uint64_t> expected) {
  std::string& detail = turn.applied.detail;
  if (!task) {
    detail = "the task is finished";
  } else if (!expected) {
    detail = "no expected version was given";
  } else {
    const bool has_passed = *expected < raw(task->version);
    detail = "version " + std::to_string(*expected) + " was expected, " +
             (has_passed ? "and the task has moved on since" : "which the task has not reached");
  }
  return Outcome::version_conflict;
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
