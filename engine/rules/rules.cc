#include "engine/rules/rules.h"

#include <algorithm>

#include "engine/rules/claim.h"
#include "engine/state/holds.h"

namespace pawl {

std::optional<std::string> principal_if_any(const RuleContext& context) {
  return context.principal.empty() ? std::nullopt : std::optional<std::string>(context.principal);
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

bool is_checked(RuleContext& context, std::string_view repo) {
  const bool checked = context.state.settings().ownership_checked(repo);
  context.applied.unchecked = !checked;
  return checked;
}

bool is_within_quota(const RuleContext& context, std::size_t all,
                     const std::map<std::string, std::uint64_t, std::less<>>& by_principal, std::int64_t most) {
  if (context.principal.empty()) return true;
  const auto own = by_principal.find(context.principal);
  const auto share = static_cast<std::uint64_t>(most * context.state.settings().quota.share_percent / 100);
  if (all >= static_cast<std::uint64_t>(most)) return false;
  return own == by_principal.end() || own->second < std::max<std::uint64_t>(share, 1);
}

bool is_its_own(const RuleContext& context, const Lease& lease) {
  return acts_for(context, *context.state.boots.find(lease.owner.boot_id));
}

Outcome token_outcome(const RuleContext& context, const std::string& key, std::optional<Token> token, LeaseNeed need) {
  const Lease* lease = context.state.lease(key);
  if (token && (!lease || lease->token != *token)) return Outcome::stale_token;
  if (token) return is_its_own(context, *lease) ? Outcome::accepted : Outcome::not_yours;
  if (lease && context.state.is_live(*lease, context.now)) return Outcome::lease_held;
  return need == LeaseNeed::required ? Outcome::lease_required : Outcome::accepted;
}

Outcome version_conflict(RuleContext& context, const Task* task, std::optional<std::uint64_t> expected) {
  std::string& detail = context.applied.detail;
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

Outcome held_back(RuleContext& context, const Task& task) {
  if (context.rules < 2 || is_committed(task) || open_step(task)) return Outcome::accepted;
  if (waits_for_dependency(context.state, task)) return Outcome::dependency;
  if (is_early(task, context.now)) {
    context.applied.detail = early_in_words(task);
    return Outcome::not_yet;
  }
  const auto held = held_by(context.state, task, context.now);
  if (!held) return Outcome::accepted;
  context.applied.detail = in_words(*held);
  return Outcome::held;
}

void note_begun(RuleContext& context, TaskId id) {
  if (context.state.tasks.find(id)->lost_dependency) context.state.tasks.edit(id).lost_dependency.reset();
}

void free_lease(RuleContext& context, const std::string& key) {
  context.effect({.kind = EffectKind::lease_freed, .text = key, .token = raw(context.state.lease(key)->token)});
  context.state.leases.erase(key);
}

void queue_job(RuleContext& context, const Task& task, const std::string& reason) {
  const Stage& stage = *context.state.stage_of(task);
  Ids& ids = context.state.ids.edit(0);
  const JobId id = ids.next_job;
  Job job;
  job.id = id;
  job.task = task.id;
  job.agent = stage.agent;
  job.stage = stage.name;
  job.version = task.version;
  job.max_attempts = static_cast<std::uint64_t>(context.state.settings().job.max_attempts);
  job.reason = reason;
  job.queued = context.now;
  context.effect({.kind = EffectKind::job_queued, .id = raw(id)});
  context.state.jobs.insert(id, std::move(job));
  ids.next_job = next(id);
  // Its agent may change what people were asked about, or have approved.
  if (task.approval) context.state.tasks.edit(task.id).approval.reset();
}

void cancel_queued_jobs(RuleContext& context, TaskId task) {
  const auto& open = context.state.indexes.open_jobs;
  for (auto at = open.lower_bound({task, JobId{0}}); at != open.end() && at->first == task; ++at) {
    if (context.state.jobs.find(at->second)->status != JobStatus::queued) continue;
    context.state.jobs.edit(at->second).status = JobStatus::cancelled;
    context.effect({.kind = EffectKind::job_cancelled, .id = raw(at->second)});
  }
}

void block_task(RuleContext& context, TaskId id, const std::string& reason) {
  if (!context.state.tasks.find(id)->blocked.empty()) return;
  context.state.tasks.edit(id).blocked = reason;
  context.effect({.kind = EffectKind::blocked, .id = raw(id), .text = reason});
  context.effect({.kind = EffectKind::alert, .text = reason});
}

}  // namespace pawl
