// The counters of the daemon itself: HTTP, the log's positions, the clock, the process.
#include <algorithm>
#include <array>
#include <chrono>
#include <memory>

#include "daemon/api/counter_rows.h"
#include "daemon/api/log_audit.h"
#include "daemon/api/route_table.h"
#include "schema/proposal.h"

namespace pawl {
namespace {

using rows::figure_of;
using rows::FigureValues;

/// More than there are, so that a new one does not change the stated bound. With `other`.
constexpr std::size_t routes_counted_max = 100;

/// Method and path as in the routes' table.
std::vector<std::string> labels_of_place(std::size_t place) {
  if (place == routes().size()) return {std::string(other_label), std::string(other_label)};
  return {std::string(routes()[place].method), std::string(routes()[place].path)};
}

FigureValues http_requests(const FigureSources& from) {
  FigureValues values;
  const auto& places = from.figures.http.places();
  for (std::size_t place = 0; place < places.size(); ++place) {
    for (std::size_t i = 0; i < places[place].by_status.size(); ++i) {
      const std::uint64_t count = places[place].by_status[i].load();
      if (count == 0) continue;
      std::vector<std::string> labels = labels_of_place(place);
      const bool is_told = i < HttpFigures::statuses.size();
      labels.push_back(is_told ? std::to_string(HttpFigures::statuses[i]) : std::string(other_label));
      values.push_back({std::move(labels), static_cast<std::int64_t>(count)});
    }
  }
  return values;
}

rows::FigureHistograms http_times(const FigureSources& from) {
  rows::FigureHistograms all;
  const auto& places = from.figures.http.places();
  for (std::size_t place = 0; place < places.size(); ++place) {
    Histogram::Seen seen = places[place].seconds.look();
    const bool is_used = std::any_of(seen.counts.begin(), seen.counts.end(), [](auto count) { return count > 0; });
    if (is_used) all.push_back({labels_of_place(place), std::move(seen)});
  }
  return all;
}

FigureValues long_polls(const FigureSources& from) {
  return {{{"claims"}, static_cast<std::int64_t>(from.claim_polls)},
          {{"events"}, static_cast<std::int64_t>(from.event_polls)}};
}

/// Null: nothing was looked for yet, or the audit is off.
std::shared_ptr<const AuditView> seen_by_audit(const FigureSources& from) {
  return from.services.audit ? from.services.audit->last() : nullptr;
}

constexpr std::size_t finding_kinds = static_cast<std::size_t>(Finding::Kind::incident) + 1;

FigureValues findings(const FigureSources& from) {
  const auto view = seen_by_audit(from);
  if (!view) return {};
  std::array<std::int64_t, finding_kinds> counts{};
  for (const Finding& finding : view->findings) ++counts.at(static_cast<std::size_t>(finding.kind));
  FigureValues values;
  for (std::size_t kind = 0; kind < counts.size(); ++kind) {
    values.push_back({{std::string(name(static_cast<Finding::Kind>(kind)))}, counts.at(kind)});
  }
  return values;
}

FigureValues build_info(const FigureSources& from) {
  return {{{from.services.version, std::to_string(rules_version)}, 1}};
}

}  // namespace

std::vector<Counter> counters_of_daemon() {
  using namespace rows;
  using From = FigureSources;
  PAWL_ASSERT(routes().size() < routes_counted_max);
  Counter build = figure_gauge("pawl_build_info", "", "the program's version, and the version of its rules", build_info,
                               {"version", "rules"});
  build.kind = Counter::Kind::info;
  return {
      figure_total("pawl_http_requests_total", "requests",
                   "requests answered, by route and status; `other`: no route, or not a request", http_requests,
                   {"method", "route", "status"}, routes_counted_max * (HttpFigures::statuses.size() + 1)),
      in_microseconds(figure_histogram(bounds_of_requests, "pawl_http_request_seconds", "seconds",
                                       "from a request's last byte to its answer's head; a long poll's wait counts",
                                       http_times, {"method", "route"}, routes_counted_max)),
      figure_gauge("pawl_long_polls", "requests",
                   "requests that wait now: for a job, or for a record (idle streams too)", long_polls, {"kind"}, 2),

      figure_gauge("pawl_log_durable_seq", "records", "the last durable record's seq",
                   [](const From& from) { return figure_of(raw(from.services.sequencer.durable_seq())); }),
      figure_gauge("pawl_log_checkpoint_seq", "records", "the record of the newest checkpoint; 0: none",
                   [](const From& from) { return figure_of(raw(from.services.sequencer.checkpoint_seq())); }),
      figure_gauge("pawl_audit_seq", "records", "the last record that the audit has looked for causes up to; 0: none",
                   [](const From& from) {
                     const auto view = seen_by_audit(from);
                     return figure_of(view ? raw(view->audited) : std::uint64_t{0});
                   }),
      figure_gauge("pawl_audit_findings", "findings", "what `pawl check` finds in this log, up to there", findings,
                   {"kind"}, finding_kinds),
      figure_gauge("pawl_log_index_seq", "records", "the last record in the index; 0: none",
                   [](const From& from) {
                     return figure_of(from.services.index ? raw(from.services.index->reach()) : std::uint64_t{0});
                   }),
      figure_gauge(
          "pawl_log_bytes", "bytes", "the log's files on disk",
          [](const From& from) { return from.services.log_bytes ? figure_of(from.log_bytes) : FigureValues(); }),

      figure_gauge("pawl_writes_accepted", "flag",
                   "1: new work is accepted; 0: there is too little room, or the folder is not writable",
                   [](const From& from) {
                     const Readiness readiness = from.services.readiness();
                     return figure_of(std::uint64_t{readiness.has_space && readiness.can_write ? 1U : 0U});
                   }),
      in_microseconds(figure_gauge("pawl_reconciler_last_pass_timestamp_seconds", "seconds",
                                   "when the reconciler last began a pass, since 1970; 0: not yet",
                                   [](const From& from) {
                                     return FigureValues{{{}, from.services.reconciler_totals().last_pass.us}};
                                   })),
      in_microseconds(figure_gauge("pawl_clock_drift_seconds", "seconds",
                                   "by how much the wall clock is ahead of the log's time",
                                   [](const From& from) {
                                     return FigureValues{{{}, from.services.readiness().clock_drift_us}};
                                   })),

      in_microseconds(figure_total("process_cpu_seconds_total", "seconds", "CPU time of the daemon's process",
                                   [](const From& from) { return figure_of(from.process.cpu_us); })),
      figure_gauge("process_resident_memory_bytes", "bytes", "resident memory of the daemon's process",
                   [](const From& from) { return figure_of(from.process.resident_bytes); }),
      figure_gauge("process_virtual_memory_bytes", "bytes", "virtual memory of the daemon's process",
                   [](const From& from) { return figure_of(from.process.virtual_bytes); }),
      figure_gauge("process_open_fds", "descriptors", "open descriptors of the daemon's process",
                   [](const From& from) { return figure_of(from.process.open_fds); }),
      figure_gauge("process_max_fds", "descriptors", "how many it may have",
                   [](const From& from) { return figure_of(from.process.fds_max); }),
      in_microseconds(figure_gauge("process_start_time_seconds", "seconds", "when the daemon started, since 1970",
                                   [](const From& from) {
                                     const auto since = from.figures.started.time_since_epoch();
                                     const std::chrono::microseconds us =
                                         std::chrono::duration_cast<std::chrono::microseconds>(since);
                                     return FigureValues{{{}, us.count()}};
                                   })),
      build,
  };
}

}  // namespace pawl
