// Other holds and freezes in a story of `pawl replay --what-if`.
#include <memory>
#include <utility>

#include "engine/state/holds.h"
#include "tools/forensics/what_if_story.h"

namespace pawl {
namespace {

/// No plan of a story ends: what the log's calendars say of later is not asked.
constexpr TimeUs end_of_time{253'370'764'800 * us_per_s};  // 9999-01-01

Requester of_daemon(const State& state) {
  return {.boot = state.boot_named(daemon_name)->boot_id, .actor = "what-if", .key = {}, .request = {}};
}

fb::FreezePlannedT planned_instead(const std::string& pipeline, const HeldInstead& held) {
  fb::FreezePlannedT event;
  event.pipeline = pipeline;
  event.planned_until = end_of_time.us;
  for (const HeldInstead::Stretch& stretch : held.stretches) {
    fb::FreezeWindowT& window = *event.windows.emplace_back(std::make_unique<fb::FreezeWindowT>());
    window.from = stretch.from.us;
    window.until = stretch.until.value_or(end_of_time).us;
    window.reason = "what if";
  }
  return event;
}

}  // namespace

bool WhatIf::is_held_instead(const fb::Record& record) const {
  const auto* placed = record.event_as_HoldPlaced();
  const auto* lifted = record.event_as_HoldLifted();
  const auto* planned = record.event_as_FreezePlanned();
  if (!placed && !lifted && !planned) return false;
  const std::string place = planned ? place_of_pipeline(planned->pipeline()->string_view())
                                    : (placed ? placed->place() : lifted->place())->str();
  return std::any_of(changes_.begin(), changes_.end(), [&](const Change& change) {
    return change.held && change.held->place == place && change.held->is_freeze == (planned != nullptr);
  });
}

void WhatIf::hold_until(TimeUs moment) {
  for (const Change& change : changes_) {
    if (!change.held || change.held->is_freeze) continue;
    const HeldInstead& held = *change.held;
    for (std::size_t& next = holds_placed_[held.place]; next < held.stretches.size(); ++next) {
      const HeldInstead::Stretch& stretch = held.stretches[next];
      const TimeUs from = std::max(stretch.from, machine_.now());
      if (from > moment || !machine_.state().boot_named(daemon_name)) break;
      if (stretch.until && *stretch.until <= from) continue;  // it was over before the log began
      pass_until(from);
      if (is_over()) return;
      set_now(from);
      fb::HoldPlacedT event;
      event.place = held.place;
      if (stretch.until) event.until = stretch.until->us;
      event.reason = "what if";
      const Decision decision = machine_.propose(propose_group(of_daemon(machine_.state()), event));
      holds_refused_.erase(held.place);
      if (decision.outcome == Outcome::accepted) continue;
      // The place may come later: a task that is not there yet, or a pipeline that is not defined.
      holds_refused_[held.place] = std::string(name(decision.outcome)) + ": " + decision.detail;
      break;
    }
  }
}

void WhatIf::freeze_instead() {
  const State& state = machine_.state();
  for (const Change& change : changes_) {
    if (!change.held || !change.held->is_freeze || !state.boot_named(daemon_name)) continue;
    const std::string pipeline = place_from(change.held->place)->name;
    if (!state.pipeline_in_force(pipeline)) {
      holds_refused_[change.held->place] = no_pipeline_named(state, pipeline);
      continue;
    }
    holds_refused_.erase(change.held->place);
    const FreezeRow* row = state.freezes.find(pipeline);
    const bool is_planned = row ? row->planned_until == end_of_time : change.held->stretches.empty();
    if (is_planned) continue;
    const Decision decision =
        machine_.propose(propose_group(of_daemon(state), planned_instead(pipeline, *change.held)));
    if (decision.outcome == Outcome::accepted) continue;
    holds_refused_[change.held->place] = std::string(name(decision.outcome)) + ": " + decision.detail;
  }
}

Result<void> WhatIf::all_held() const {
  if (holds_refused_.empty()) return {};
  const auto& [place, why] = *holds_refused_.begin();
  return Error{ErrorCode::malformed, "--what-if: " + place + " cannot be held in this log: " + why};
}

}  // namespace pawl
