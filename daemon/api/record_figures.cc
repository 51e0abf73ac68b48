#include "daemon/api/record_figures.h"

#include <algorithm>
#include <utility>

namespace pawl {
namespace {

constexpr auto figures_order = std::memory_order_relaxed;
constexpr std::size_t event_types = static_cast<std::size_t>(fb::Event::MAX) + 1;

void add_one(RecordFigures::Count& count) {
  count.fetch_add(1, figures_order);
}

std::uint64_t whole_microseconds(std::chrono::nanoseconds time) {
  return static_cast<std::uint64_t>(std::max<std::int64_t>(time.count() / 1'000, 0));
}

/// The reason's code: what follows it is a detail, and in a request any text at all.
std::size_t block_reason_of(std::string_view reason) {
  const std::string_view code = reason.substr(0, reason.find_first_not_of("abcdefghijklmnopqrstuvwxyz_"));
  return static_cast<std::size_t>(std::find(block_reasons.begin(), block_reasons.end(), code) - block_reasons.begin());
}

template <std::size_t size>
void add_at(std::array<RecordFigures::Count, size>& counts, std::size_t index) {
  if (index < size) add_one(counts[index]);
}

}  // namespace

RecordFigures::RecordFigures(std::string boot_id)
    : boot_id_(std::move(boot_id)), events_(event_types), open_steps_(open_steps_max) {}

std::size_t RecordFigures::actor_of(const fb::Record& record) const {
  const auto index_of = [](std::string_view label) {
    return static_cast<std::size_t>(std::find(actor_labels.begin(), actor_labels.end(), label) - actor_labels.begin());
  };
  const std::string_view principal = record.principal() ? record.principal()->string_view() : std::string_view();
  if (principal.starts_with("webhook:")) return index_of("webhook");
  if (!principal.empty()) return index_of(record.boot()->string_view() == boot_id_ ? "operator" : "worker");
  return index_of(record.actor()->string_view());
}

void RecordFigures::count_event(std::size_t type, std::size_t outcome, std::size_t actor) {
  Count* count = &events_[type][outcome][actor];
  if (count->load(figures_order) == 0) {
    if (events_told_ == events_told_max) {
      count = &events_[type][outcomes - 1][actors - 1];
    } else {
      ++events_told_;
    }
  }
  add_one(*count);
}

std::vector<RecordFigures::EventCount> RecordFigures::events() const {
  std::vector<EventCount> counts;
  for (std::size_t type = 0; type < event_types; ++type) {
    for (std::size_t outcome = 0; outcome < outcomes; ++outcome) {
      for (std::size_t actor = 0; actor < actors; ++actor) {
        const std::uint64_t count = events_[type][outcome][actor].load(figures_order);
        if (count == 0) continue;
        counts.push_back({.type = fb::EnumNameEvent(static_cast<fb::Event>(type)),
                          .outcome = outcome < outcome_numbers ? name(static_cast<Outcome>(outcome)) : other_label,
                          .actor = actor < actor_labels.size() ? actor_labels[actor] : other_label,
                          .count = count});
      }
    }
  }
  return counts;
}

void RecordFigures::take(std::span<const Published> records) {
  for (const Published& published : records) take(published);
}

void RecordFigures::take(const Published& published) {
  const fb::Record& record = published.record;
  const auto type = static_cast<std::size_t>(record.event_type());
  const auto outcome = static_cast<std::size_t>(published.applied.outcome);
  count_event(std::min(type, event_types - 1), std::min(outcome, outcomes - 1), actor_of(record));
  if (published.applied.outcome != Outcome::accepted) return;
  if (const auto* gap = record.event_as_TimeGap()) gaps_us_ += gap->us();
  if (const auto* reaped = record.event_as_JobReaped()) add_at(reaps, static_cast<std::size_t>(reaped->tier()));
  if (const auto* reclaimed = record.event_as_LeaseReclaimed()) {
    add_at(reclaims, static_cast<std::size_t>(reclaimed->reason()));
  }
  for (const Effect& effect : published.applied.effects) {
    if (effect.kind == EffectKind::blocked) add_at(blocks, block_reason_of(effect.text));
  }
  take_span(published.applied.span);
  take_step(record);
}

void RecordFigures::take_span(const Span& span) {
  const std::string_view name = span.name ? std::string_view(*span.name) : other_label;
  const auto us = static_cast<std::uint64_t>(std::max<std::int64_t>(span.us, 0));
  switch (span.of) {
    case Span::Of::nothing:
      return;
    case Span::Of::queue_wait:
      return queue_waits.of(name).add(us);
    case Span::Of::run:
      return runs.of(name).add(us);
    case Span::Of::gate:
      return gates.of(name).add(us);
    case Span::Of::crossing:
      return crossings.of(name).add(us);
    case Span::Of::rollback:
      return add_one(rollbacks.of(name));
  }
}

// The rows do not have the time of a step's start, only its seq.
void RecordFigures::take_step(const fb::Record& record) {
  if (record.event_as_StepStarted()) {
    const std::uint64_t seq = record.stamp()->seq();
    open_steps_[seq % open_steps_max] = {.seq = seq, .awake_us = awake_us(record)};
  }
  const auto* finished = record.event_as_StepFinished();
  if (!finished) return;
  OpenStep& open = open_steps_[finished->started() % open_steps_max];
  if (open.seq != finished->started() || open.seq == 0) return add_one(steps_unmeasured);
  const std::int64_t us = std::max<std::int64_t>(awake_us(record) - std::exchange(open, {}).awake_us, 0);
  steps.of(finished->step()->string_view()).add(static_cast<std::uint64_t>(us));
}

void RecordFigures::take(const BatchTimes& batch) {
  batch_records.add(batch.records);
  batch_bytes.fetch_add(batch.bytes, figures_order);
  decide_times.add(whole_microseconds(batch.decide));
  chain_times.add(whole_microseconds(batch.chain));
  append_times.add(whole_microseconds(batch.append));
}

}  // namespace pawl
