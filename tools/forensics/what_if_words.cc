#include "tools/forensics/what_if_words.h"

#include <algorithm>
#include <iterator>

#include "schema/layout.h"

namespace pawl {
namespace {

std::string seconds(std::int64_t number) {
  return std::to_string(number) + " s";
}

std::string evidence_of(const ReapLook& look) {
  const ReapObservation& observation = look.observation;
  const Run& run = *observation.job.run;
  const auto& reaper = observation.settings.reaper;
  std::string out;
  if (run.exit_code) {
    out = "exit code " + std::to_string(*run.exit_code) + ", " + seconds(age_s(*run.exited, observation.now)) +
          " ago (grace " + seconds(reaper.finalize_grace_s) + ")";
  } else {
    out = "running for " + seconds(age_s(run.claimed, observation.now)) + " (ceiling " + seconds(reaper.max_running_s) +
          ")";
    if (observation.life == Liveness::dead) {
      out += "; its process is dead, passes in a row: " + std::to_string(observation.streak.passes + 1) + " (of " +
             std::to_string(reaper.dead_ticks) + ")";
    }
    if (!observation.owner_alive) out += "; its owner is dead";
  }
  const bool is_checked = observation.settings.ownership_checked(look.view.task.repo);
  if (!is_checked) {
    const bool counts = reaper.finalizer_liveness && marks_count_on(look.view.task.stage);
    out += std::string("; ownership is off, the job is ") + (run.marked ? "marked" : "not marked");
    if (run.marked && !counts) out += ", which does not count";
  } else if (look.view.lease) {
    out += "; lease " + look.view.lease->key + " is held by " + look.view.lease->owner.actor +
           (observation.finalizer_alive ? ", alive" : ", dead");
  } else {
    out += "; no lease";
  }
  return out;
}

std::string tier_of(fb::Tier tier) {
  switch (tier) {
    case fb::Tier::pid_dead:
      return "tier 1";
    case fb::Tier::finalizer_dead:
      return "tier 2";
    case fb::Tier::ceiling:
      return "tier 3";
    case fb::Tier::restart:
      return "restart";
  }
  return "";
}

std::string job_of(const ReapLook& look) {
  return "job " + std::to_string(raw(look.observation.job.id)) + " of task " + std::to_string(raw(look.view.task.id));
}

std::string reap_in_words(const fb::JobReaped& event) {
  std::string out = "job " + std::to_string(event.job()) + " is reaped to " + fb::EnumNameJobResult(event.outcome()) +
                    ", " + tier_of(event.tier());
  if (event.reason()) out += " (" + event.reason()->str() + ")";
  const fb::Evidence* seen = event.evidence();
  if (!seen) return out;
  if (seen->exit_age_s().has_value()) {
    out += ": exit " + seconds(*seen->exit_age_s()) + " ago";
  } else if (seen->age_s().has_value()) {
    out += ": running for " + seconds(*seen->age_s());
  }
  if (seen->streak().value_or(0) > 0) out += "; dead passes in a row: " + std::to_string(*seen->streak());
  if (seen->lease_owner()) {
    out += "; lease held by " + seen->lease_owner()->actor()->str() +
           (seen->lease_owner_alive().value_or(false) ? ", alive" : ", dead");
  } else {
    out += "; no lease seen";
  }
  if (seen->marked().has_value()) out += *seen->marked() ? "; marked" : "; not marked";
  return out;
}

}  // namespace

std::string in_words(const ReapLook& look, const ReapDecision& decision) {
  std::string out = "reaper ";
  if (decision.move != ReapMove::leave) {
    out += "reaps " + job_of(look) + ", " + tier_of(decision.tier);
  } else {
    out += (decision.deferred ? "defers " : "leaves ") + job_of(look);
  }
  return out + ": " + evidence_of(look);
}

std::string recorded_in_words(const ReapLook& look, const ReapDecision& by_log, const Settings& settings) {
  if (!settings.reaper.enabled) return "the reaper is switched off";
  if (by_log.move != ReapMove::leave) return "no pass at that moment";
  ReapLook seen = look;
  seen.observation.settings = settings;
  return in_words(seen, by_log);
}

std::string named_in_words(const fb::Record& record) {
  std::string out = fb::EnumNameEvent(record.event_type()) + std::string(" by ") + record.actor()->str();
  const auto& table = *static_cast<const flatbuffers::Table*>(record.event());
  for (const FieldLayout& field : layout_of(record.event_type())->fields) {
    constexpr std::string_view names[] = {"task", "job", "key", "to", "step", "work_item"};
    const bool names_it = std::find(std::begin(names), std::end(names), field.name) != std::end(names);
    if (!names_it || !has(table, field)) continue;
    const bool is_text = field.type == FieldLayout::Type::text;
    out += ", " + field.name + ' ';
    out += is_text ? std::string(text_of(table, field)) : std::to_string(integer_of(table, field));
  }
  return out;
}

std::string recorded_in_words(const RecordedEvent& event) {
  const fb::Record& record = event.record();
  const auto* reaped = record.event_as_JobReaped();
  if (!reaped) return named_in_words(record);
  return "JobReaped by " + record.actor()->str() + ", " + reap_in_words(*reaped);
}

}  // namespace pawl
