// Leases: who owns a key. A lease's token is the seq of the record that granted it.
#include "engine/rules/rules.h"

namespace pawl {
namespace {

/// Whether `token` is that of the current lease on `key`.
Outcome holds(const State& state, const std::string& key, std::optional<Token> token) {
  const Lease* lease = state.lease(key);
  if (!lease) return Outcome::not_held;
  return token == lease->token ? Outcome::accepted : Outcome::stale_token;
}

/// The ttl of a lease whose owner requested none. The daemon cannot see an owner die on another host, and a merge must
/// not wait for it for ever.
std::optional<std::int64_t> ttl_of_endless(const RuleContext& context, const std::string& key, const fb::Owner& owner) {
  const Boot* daemon = context.state.boot_named(daemon_name);
  const Boot* boot = context.state.boots.find(owner.boot_id()->str());
  const bool is_far = !daemon || boot->host != daemon->host;
  if (context.rules < 2 || !is_far || !key.starts_with(repo_prefix)) return std::nullopt;
  return context.state.settings().lease.merge_ttl_s;
}

}  // namespace

Outcome apply_event(RuleContext& context, const fb::LeaseAcquired& event) {
  State& state = context.state;
  const std::string key = event.key()->str();
  const std::optional<TaskId> task_id = task_of_key(key);
  const Task* task = task_id ? live_task(state, *task_id) : nullptr;
  const bool checked = is_key_checked(state, key);
  context.applied.unchecked = !checked;
  const std::optional<Token> token = token_from(event.token());
  const Lease* held = state.lease(key);
  const bool renewal = held && token == held->token;
  if (renewal && !is_its_own(context, *held)) return Outcome::not_yours;
  if (checked && !renewal) {
    if (token) return Outcome::stale_token;
    // Held by anyone, even the same boot: two threads of one process are two owners. Expired or not: a separate record
    // before this one reclaims an expired lease (engine/rules/group.h).
    if (held) return Outcome::lease_held;
  }
  if (task_id) {
    if (!task) return Outcome::terminal;
    if (!task->blocked.empty()) return Outcome::blocked;
    if (!task->cancel_requested.empty() && !is_committed(*task) && !renewal) return Outcome::cancel_requested;
    const Outcome waits = renewal ? Outcome::accepted : held_back(context, *task);
    if (waits != Outcome::accepted) return waits;
  }
  if (!renewal && !is_within_quota(context, state.leases.size(), state.indexes.leases_of_principal,
                                   state.settings().quota.leases)) {
    return Outcome::quota;
  }
  if (!checked) return Outcome::accepted;  // With ownership off no lease is granted, so none is held.

  const auto ttl = event.ttl();
  const std::optional<std::int64_t> ttl_s = ttl ? std::optional(*ttl) : std::nullopt;
  if (renewal) {
    Lease& lease = state.leases.edit(key);
    lease.renewed = context.now;
    if (ttl_s) lease.ttl_s = ttl_s;
    context.effect({.kind = EffectKind::lease_granted, .text = key, .token = raw(lease.token)});
    return Outcome::accepted;
  }
  state.leases.insert(key, {.key = key,
                            .token = Token{raw(context.seq)},
                            .owner = owner_from(*event.owner()),
                            .edge = text_or_empty(event.edge()),
                            .ttl_s = ttl_s ? ttl_s : ttl_of_endless(context, key, *event.owner()),
                            .acquired = context.now,
                            .renewed = context.now});
  context.effect({.kind = EffectKind::lease_granted, .text = key, .token = raw(context.seq)});
  if (task) note_begun(context, task->id);
  return Outcome::accepted;
}

Outcome apply_event(RuleContext& context, const fb::LeaseReleased& event) {
  const std::string key = event.key()->str();
  const Outcome outcome = holds(context.state, key, token_from(event.token()));
  if (outcome != Outcome::accepted) return outcome;
  if (!is_its_own(context, *context.state.lease(key))) return Outcome::not_yours;

  free_lease(context, key);
  return Outcome::accepted;
}

Outcome apply_event(RuleContext& context, const fb::LeaseReclaimed& event) {
  const std::string key = event.key()->str();
  const Outcome outcome = holds(context.state, key, token_from(event.token()));
  if (outcome != Outcome::accepted) return outcome;

  free_lease(context, key);
  context.effect(
      {.kind = EffectKind::alert, .text = std::string("lease_reclaimed:") + fb::EnumNameReclaimReason(event.reason())});
  return Outcome::accepted;
}

}  // namespace pawl
