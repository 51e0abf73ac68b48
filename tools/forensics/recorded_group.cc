#include "tools/forensics/recorded_group.h"

#include <algorithm>

#include "tools/forensics/what_if_words.h"

namespace pawl {

bool is_of_the_machine(const fb::Record& record) {
  const std::string_view actor = record.actor()->string_view();
  switch (record.event_type()) {
    case fb::Event::LeaseReclaimed:
      return actor == "recovery" || actor == "sequencer";
    case fb::Event::JobReaped:
      return actor == "recovery";
    case fb::Event::TaskCancelled:
      return actor == "sequencer";
    default:
      return false;
  }
}

namespace {

template <class Predicate>
bool any(const Events& events, Predicate predicate) {
  return std::any_of(events.begin(), events.end(), [&](const RecordedEvent* event) { return predicate(*event); });
}

}  // namespace

bool has_type(const Events& events, std::initializer_list<fb::Event> types) {
  return any(events, [&](const RecordedEvent& event) {
    return std::find(types.begin(), types.end(), event.record().event_type()) != types.end();
  });
}

bool takes_task_lease(const Events& events) {
  return any(events, [](const RecordedEvent& event) {
    const auto* acquired = event.record().event_as_LeaseAcquired();
    return acquired && task_of_key(acquired->key()->string_view());
  });
}

bool ends_path(const Events& events, bool opens) {
  if (has_type(events, {fb::Event::StageTransition, fb::Event::TaskBlocked, fb::Event::JobQueued})) return true;
  return any(events, [&](const RecordedEvent& event) {
    if (const auto* reaped = event.record().event_as_JobReaped()) {
      return opens || reaped->outcome() != fb::JobResult::done;
    }
    const auto* released = event.record().event_as_LeaseReleased();
    return released && task_of_key(released->key()->string_view());
  });
}

Outcome outcome_of(const Events& events) {
  for (const RecordedEvent* event : events) {
    const Outcome outcome{event->record().stamp()->outcome()};
    if (outcome != Outcome::accepted && outcome != Outcome::skipped) return outcome;
  }
  return Outcome{events.front()->record().stamp()->outcome()};
}

void add_consequences(std::vector<std::string>& all, const fb::Record& record, const Effects& effects) {
  if (is_of_the_machine(record)) all.push_back(named_in_words(record));
  for (const Effect& effect : effects) {
    if (effect.kind == EffectKind::blocked) {
      all.push_back("task " + std::to_string(effect.id) + " is blocked: " + effect.text);
    }
  }
}

}  // namespace pawl
