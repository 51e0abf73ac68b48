// Boots: which ones are known, and which are stale.
#include "engine/rules/rules.h"
#include "schema/limits.h"

namespace pawl {
namespace {

std::optional<std::int64_t> optional_from(flatbuffers::Optional<std::int64_t> value) {
  return value ? std::optional(*value) : std::nullopt;
}

void make_stale(RuleContext& context, const std::string& boot_id) {
  context.state.boots.edit(boot_id).stale = true;
}

bool holds_something(const State& state, const std::string& boot_id) {
  const auto lease = state.indexes.leases_of_boot.lower_bound({boot_id, std::string()});
  if (lease != state.indexes.leases_of_boot.end() && lease->first == boot_id) return true;
  for (const JobId id : state.indexes.running) {
    if (state.jobs.find(id)->run->owner.boot_id == boot_id) return true;
  }
  return false;
}

/// Forgets the stale boot that started first, once there are more boots than the limit. Every `pawl lock` is a boot, so
/// without a limit, memory would grow with history. Proposals from a forgotten boot are refused as `unknown_boot`.
void forget_oldest_stale(RuleContext& context) {
  State& state = context.state;
  if (state.boots.size() <= limits::boots_max) return;
  const Boot* oldest = nullptr;
  for (const auto& [id, boot] : state.boots.rows()) {
    if (boot.stale && (!oldest || boot.started < oldest->started) && !holds_something(state, id)) oldest = &boot;
  }
  if (oldest) state.boots.erase(oldest->boot_id);
}

}  // namespace

Outcome apply_event(RuleContext& context, const fb::BootStarted& event) {
  State& state = context.state;
  const std::string boot_id = event.boot_id()->str();
  const std::string name = event.name()->str();
  if (name == daemon_name && context.boot != boot_id) return Outcome::reserved_name;
  if (state.boots.find(boot_id)) return Outcome::duplicate_boot_id;

  // There is at most one: each boot makes the one before it stale.
  const Boot* earlier = state.boot_named(name);
  if (earlier && !acts_for(context, *earlier)) return Outcome::not_yours;
  if (!earlier && !is_within_quota(context, state.indexes.boot_in_force.size(), state.indexes.boots_of_principal,
                                   state.settings().quota.boots)) {
    return Outcome::quota;
  }

  if (earlier) make_stale(context, earlier->boot_id);
  state.boots.insert(boot_id, {.boot_id = boot_id,
                               .name = name,
                               .pid = event.pid(),
                               .pid_start = event.pid_start(),
                               .host = event.host()->str(),
                               .version = event.version()->str(),
                               .started = context.seq,
                               .member = event.member() ? std::optional(event.member()->str()) : std::nullopt,
                               .time_ns = event.time_ns() ? std::optional(event.time_ns()->str()) : std::nullopt,
                               .boottime_us = optional_from(event.boottime_us()),
                               .started_at = event.boottime_us() ? std::optional(context.now) : std::nullopt,
                               .principal = principal_if_any(context)});
  forget_oldest_stale(context);
  if (name == daemon_name) {
    // A finalizer mark refers to a daemon process that is gone.
    for (const JobId id : state.indexes.running) {
      if (state.jobs.find(id)->run->marked) state.jobs.edit(id).run->marked = false;
    }
  }
  return Outcome::accepted;
}

Outcome apply_event(RuleContext& context, const fb::BootEnded& event) {
  const std::string boot_id = event.boot_id()->str();
  if (!context.state.boots.find(boot_id)->stale) make_stale(context, boot_id);
  return Outcome::accepted;
}

}  // namespace pawl
