// The counters and histograms of the records, and of the batches that they came in.
#include "daemon/api/counter_rows.h"

namespace pawl {
namespace {

using rows::FigureHistograms;
using rows::FigureValues;

/// As in records' JSON.
constexpr std::array<std::string_view, 4> tier_labels{"1", "2", "3", "restart"};

constexpr std::size_t named_series_max = Named<Histogram>::names_max + 1;

std::int64_t value_of_count(const RecordFigures::Count& count) {
  return static_cast<std::int64_t>(count.load(std::memory_order_relaxed));
}

FigureValues counts_of_events(const FigureSources& from) {
  FigureValues values;
  for (const RecordFigures::EventCount& each : from.figures.records.events()) {
    values.push_back({{std::string(each.type), std::string(each.outcome), std::string(each.actor)},
                      static_cast<std::int64_t>(each.count)});
  }
  return values;
}

FigureValues counts_of_reaps(const FigureSources& from) {
  FigureValues values;
  for (std::size_t i = 0; i < tier_labels.size(); ++i) {
    values.push_back({{std::string(tier_labels[i])}, value_of_count(from.figures.records.reaps[i])});
  }
  return values;
}

FigureValues counts_of_reclaims(const FigureSources& from) {
  FigureValues values;
  for (const fb::ReclaimReason reason : fb::EnumValuesReclaimReason()) {
    const RecordFigures::Count& count = from.figures.records.reclaims[static_cast<std::size_t>(reason)];
    values.push_back({{fb::EnumNameReclaimReason(reason)}, value_of_count(count)});
  }
  return values;
}

FigureValues counts_of_blocks(const FigureSources& from) {
  FigureValues values;
  for (std::size_t i = 0; i <= block_reasons.size(); ++i) {
    values.push_back({{std::string(i < block_reasons.size() ? block_reasons[i] : other_label)},
                      value_of_count(from.figures.records.blocks[i])});
  }
  return values;
}

FigureValues counts_of_rollbacks(const FigureSources& from) {
  FigureValues values;
  from.figures.records.rollbacks.each([&](const std::string& name, const auto& count) {
    values.push_back({{name}, value_of_count(count)});
  });
  return values;
}

template <auto member>
FigureValues count_of(const FigureSources& from) {
  return {{{}, value_of_count(from.figures.records.*member)}};
}

template <auto member>
FigureHistograms named_histograms(const FigureSources& from) {
  FigureHistograms all;
  (from.figures.records.*member).each([&](const std::string& name, const Histogram& histogram) {
    all.push_back({{name}, histogram.look()});
  });
  return all;
}

template <auto member>
FigureHistograms lone_histogram(const FigureSources& from) {
  FigureHistograms all;
  all.push_back({{}, (from.figures.records.*member).look()});
  return all;
}

Counter work_times(std::string_view name, std::string_view help, std::string_view label, rows::ReadHistograms read) {
  return rows::in_microseconds(
      rows::figure_histogram(bounds_of_work, name, "seconds", help, read, {label}, named_series_max));
}

Counter batch_times(std::string_view name, std::string_view help, rows::ReadHistograms read) {
  return rows::in_microseconds(rows::figure_histogram(bounds_of_moments, name, "seconds", help, read));
}

}  // namespace

std::vector<Counter> counters_of_records() {
  using namespace rows;
  using F = RecordFigures;
  return {
      figure_total("pawl_events_total", "records", "records, refusals too, by event, outcome and requester",
                   counts_of_events, {"type", "outcome", "actor"}, F::events_told_max + F::types_max),
      figure_total("pawl_rollbacks_total", "tasks", "tasks moved back, by the stage that they left",
                   counts_of_rollbacks, {"stage"}, named_series_max),
      figure_total("pawl_blocks_total", "tasks", "tasks blocked, by reason", counts_of_blocks, {"reason"},
                   block_reasons.size() + 1),
      figure_total("pawl_reaps_total", "jobs", "jobs reaped, by tier; those at the daemon's start too", counts_of_reaps,
                   {"tier"}, tier_labels.size()),
      figure_total("pawl_reclaims_total", "leases", "leases reclaimed, by reason; those at the daemon's start too",
                   counts_of_reclaims, {"reason"}, std::size(fb::EnumValuesReclaimReason())),
      work_times("pawl_job_queue_seconds",
                 "from being queued, or from the end of the pause after an attempt, to the claim", "agent",
                 named_histograms<&F::queue_waits>),
      work_times("pawl_job_run_seconds", "from the claim to the exit, or to the end of an attempt without one", "agent",
                 named_histograms<&F::runs>),
      work_times("pawl_gate_seconds", "from taking the task's lease to the gate's answer; not if no lease is taken",
                 "stage", named_histograms<&F::gates>),
      work_times("pawl_step_seconds", "from a step's start to its end, however it ended", "step",
                 named_histograms<&F::steps>),
      work_times("pawl_crossing_seconds", "from taking the task's lease to the transition over a guarded edge", "stage",
                 named_histograms<&F::crossings>),
      figure_total("pawl_steps_unmeasured_total", "steps",
                   "ends of steps that are not in `pawl_step_seconds`: they began before this start, or long ago",
                   count_of<&F::steps_unmeasured>),
      figure_histogram(bounds_of_batches, "pawl_batch_records", "records", "records made durable with one sync",
                       lone_histogram<&F::batch_records>),
      figure_total("pawl_batch_bytes_total", "bytes", "bytes of the records made durable", count_of<&F::batch_bytes>),
      batch_times("pawl_decide_seconds", "deciding a batch, and the reads in between",
                  lone_histogram<&F::decide_times>),
      batch_times("pawl_chain_seconds", "hashing a batch's chain, before it is written",
                  lone_histogram<&F::chain_times>),
      batch_times("pawl_sync_seconds", "writing and syncing a batch", lone_histogram<&F::append_times>),
  };
}

}  // namespace pawl
