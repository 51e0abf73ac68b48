// What the daemon counts and measures as records become durable, from its start on: for GET /metrics only.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/histogram.h"
#include "schema/outcome.h"
#include "store/commit/sequencer.h"

namespace pawl {

/// Who requested a record. An actor of the daemon's own has its name, as long as the daemon itself is the requester; a
/// client chooses its name freely, so all clients are `webhook`, `operator` (without a boot) or `worker`.
inline constexpr std::array<std::string_view, 12> actor_labels{"executor", "finalizer",  "monitor",  "pawld",
                                                               "reaper",   "reconciler", "recovery", "sequencer",
                                                               "stop",     "operator",   "worker",   "webhook"};

/// Why tasks are blocked, as in Task::blocked up to its first character that is not a letter or `_`.
inline constexpr std::array<std::string_view, 10> block_reasons{
    "clone_damaged", "diverged",  "gate_red",        "head_moved", "job_failed",
    "max_rollbacks", "no_branch", "outcome_unknown", "restored",   "step_failed"};

/// Constant work for each record, in bounded memory: it allocates only when a name is new. One thread writes, the one
/// that appends; any may read.
class RecordFigures {
 public:
  using Count = std::atomic<std::uint64_t>;
  /// Kinds of events that are told apart, by type, outcome and actor. What comes later counts with its type alone.
  static constexpr std::size_t events_told_max = 1'000;
  static constexpr std::size_t types_max = 64;  // more than the schema has
  static_assert(static_cast<std::size_t>(fb::Event::MAX) < types_max);

  /// `boot_id`: the daemon's.
  explicit RecordFigures(std::string boot_id);

  void take(std::span<const Published> records);
  void take(const BatchTimes& batch);

  struct EventCount {
    std::string_view type;
    std::string_view outcome;
    std::string_view actor;
    std::uint64_t count = 0;
  };
  std::vector<EventCount> events() const;

  std::array<Count, 4> reaps{};                          // by tier
  std::array<Count, 5> reclaims{};                       // by reason
  std::array<Count, block_reasons.size() + 1> blocks{};  // by reason; the last: any other
  Named<Count> rollbacks;                                // by the stage that the task left

  // In microseconds, by agent, stage or step.
  Named<Histogram> queue_waits{Bounds(bounds_of_work)};
  Named<Histogram> runs{Bounds(bounds_of_work)};
  Named<Histogram> gates{Bounds(bounds_of_work)};
  Named<Histogram> steps{Bounds(bounds_of_work)};
  Named<Histogram> crossings{Bounds(bounds_of_work)};
  Count steps_unmeasured{0};

  // Of the batches: records, then microseconds.
  Histogram batch_records{bounds_of_batches};
  Histogram decide_times{bounds_of_moments};
  Histogram chain_times{bounds_of_moments};
  Histogram append_times{bounds_of_moments};
  Count batch_bytes{0};

 private:
  static constexpr std::size_t actors = actor_labels.size() + 1;
  static constexpr std::size_t outcomes = outcome_numbers + 1;
  /// Of the types, in the order of the schema. The last actor and outcome are `other`.
  using OfType = std::array<std::array<Count, actors>, outcomes>;

  void take(const Published& published);
  void take_span(const Span& span);
  void take_step(const fb::Record& record);
  std::size_t actor_of(const fb::Record& record) const;
  void count_event(std::size_t type, std::size_t outcome, std::size_t actor);
  /// The record's time without the gaps, in which nothing could act.
  std::int64_t awake_us(const fb::Record& record) const { return record.stamp()->time_us() - gaps_us_; }

  /// A start that may still end. In a table by seq: a later one takes the place of one that has not ended for long.
  struct OpenStep {
    std::uint64_t seq = 0;
    std::int64_t awake_us = 0;
  };
  static constexpr std::size_t open_steps_max = 4'096;

  const std::string boot_id_;
  std::vector<OfType> events_;
  std::size_t events_told_ = 0;
  std::vector<OpenStep> open_steps_;
  std::int64_t gaps_us_ = 0;
};

}  // namespace pawl
