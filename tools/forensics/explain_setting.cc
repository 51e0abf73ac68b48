#include "tools/forensics/explain_setting.h"

#include <algorithm>
#include <vector>

namespace pawl {
namespace {

bool is_refused_as(const Scene& scene, std::initializer_list<Outcome> outcomes) {
  return std::find(outcomes.begin(), outcomes.end(), scene.applied.outcome) != outcomes.end();
}

/// Whether it blocks a task with a reason that begins so, by itself or as a consequence.
bool blocks_as(const Scene& scene, std::string_view reason) {
  return std::any_of(scene.applied.effects.begin(), scene.applied.effects.end(), [&](const Effect& effect) {
    return effect.kind == EffectKind::blocked && effect.text.starts_with(reason);
  });
}

bool is_reaped(const Scene& scene, std::initializer_list<fb::Tier> tiers) {
  const auto* reaped = scene.record.event_as_JobReaped();
  return reaped && std::find(tiers.begin(), tiers.end(), reaped->tier()) != tiers.end();
}
bool is_reaped_by_a_pass(const Scene& scene) {
  return is_reaped(scene, {fb::Tier::pid_dead, fb::Tier::finalizer_dead, fb::Tier::ceiling});
}

bool is_about_a_repository(const Scene& scene) {
  const auto* acquired = scene.record.event_as_LeaseAcquired();
  return acquired && acquired->key()->string_view().starts_with(repo_prefix) && acquired->ttl();
}

/// Ownership decided: it kept a requester out, or was switched off.
bool is_of_ownership(const Scene& scene) {
  return scene.applied.unchecked || is_refused_as(scene, {Outcome::lease_held, Outcome::lease_required,
                                                          Outcome::stale_token, Outcome::version_conflict});
}

struct Reliance {
  std::string_view settings;  // its name, or how the names of several begin
  bool (*rests)(const Scene&);
};

/// The first that fits decides.
const std::vector<Reliance>& reliances() {
  static const std::vector<Reliance> all{
      {"gate.unchanged", [](const Scene& it) { return blocks_as(it, "gate_red on the same commit"); }},
      {"job.max_attempts",
       [](const Scene& it) {
         const auto* reaped = it.record.event_as_JobReaped();
         return blocks_as(it, "job_failed") || (reaped && reaped->outcome() != fb::JobResult::done);
       }},
      {"job.", [](const Scene& it) { return is_refused_as(it, {Outcome::retry_delay}); }},
      {"lease.merge_ttl_s", is_about_a_repository},
      {"lease.reclaim_enabled",
       [](const Scene& it) {
         const auto* reclaimed = it.record.event_as_LeaseReclaimed();
         return reclaimed && it.record.actor()->string_view() == "reaper";
       }},
      {"ownership.", is_of_ownership},
      {"pipeline.default",
       [](const Scene& it) {
         const auto* created = it.record.event_as_TaskCreated();
         return created && !created->pipeline() && (it.accepted() || is_refused_as(it, {Outcome::unknown_pipeline}));
       }},
      {"pipeline.max_rollbacks", [](const Scene& it) { return blocks_as(it, "max_rollbacks"); }},
      {"queue.cancelled_dependency", [](const Scene& it) { return is_refused_as(it, {Outcome::dependency}); }},
      {"queue.max_concurrency",
       [](const Scene& it) {
         return it.record.event_type() == fb::Event::JobClaimed && is_refused_as(it, {Outcome::limit});
       }},
      {"queue.serial_per_repo", [](const Scene& it) { return is_refused_as(it, {Outcome::serial_gate}); }},
      {"quota.", [](const Scene& it) { return is_refused_as(it, {Outcome::quota}); }},
      {"reaper.dead_ticks", [](const Scene& it) { return is_reaped(it, {fb::Tier::pid_dead}); }},
      {"reaper.max_running_s", [](const Scene& it) { return is_reaped(it, {fb::Tier::ceiling}); }},
      {"reaper.finalize", [](const Scene& it) { return is_reaped(it, {fb::Tier::finalizer_dead}); }},
      {"reaper.", is_reaped_by_a_pass},
      {"reconciler.", [](const Scene& it) { return it.record.actor()->string_view() == "reconciler"; }},
      {"recovery.max_interruptions", [](const Scene& it) { return is_reaped(it, {fb::Tier::restart}); }},
      {"stop.",
       [](const Scene& it) {
         const auto type = it.record.event_type();
         return type == fb::Event::CancelRequested || type == fb::Event::TaskCancelled;
       }},
  };
  return all;
}

}  // namespace

bool rests_on(std::string_view setting, const Scene& scene) {
  const auto fits = [&](const Reliance& each) {
    const bool is_whole = setting_named(each.settings) != nullptr;
    return is_whole ? setting == each.settings : setting.starts_with(each.settings);
  };
  const auto found = std::find_if(reliances().begin(), reliances().end(), fits);
  return found != reliances().end() && found->rests(scene);
}

void add_setting(std::string_view setting, const Scene& scene, Narration& narration) {
  const std::string key(setting);
  const RecordRef* changed = scene.context.setting(key);
  narration.notes.push_back(key + " was " + scene.context.setting_value(key) + ", " +
                            (changed                         ? "by " + by_record(*changed, scene.now())
                             : scene.context.is_default(key) ? "its default"
                                                             : "from before this log begins"));
  if (changed) point_to(narration, *changed);
}

}  // namespace pawl
