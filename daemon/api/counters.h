// The daemon's counters, as a table: each number that /queue shows outside its rows is one, and so is everything that
// GET /metrics shows. Tests compare docs/API.md and docs/METRICS.md with the table.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/api/process_figures.h"
#include "daemon/api/routes.h"
#include "daemon/histogram.h"

namespace pawl {

/// Counts since the daemon's start, from the durable records.
struct Totals {
  std::atomic<std::uint64_t> reaped{0};
  std::atomic<std::uint64_t> last_reaped_job{0};
  std::atomic<std::uint64_t> leases_reclaimed{0};
  std::atomic<std::uint64_t> advances_deferred{0};  // requested over HTTP, including webhooks
};

/// What the numbers are read from, all at one moment. On the sequencer's thread, because of `state`.
struct CounterSources {
  const State& state;
  const Totals& totals;
  ReaperTotals reaper;
  ReconcilerTotals reconciler;
  AlertCounts alerts;
  ForgeCountsByKind forges = {};
  Readiness readiness;
  std::uint64_t messages_dropped = 0;
  std::map<std::string, OriginTrouble> origins = {};  // those that cannot be reached, by repository
  const Webhooks* webhooks = nullptr;                 // null: webhooks are not accepted
  const ShareBook* shares = nullptr;                  // never null
  ShareBook::Time look = {};                          // when the shares are read
  TimeUs now = {};                                    // of the log; holds and freezes are judged at it
};

/// What the numbers are read from that do not need the state, nor its thread. Reading them may block.
struct FigureSources {
  const Services& services;
  const DaemonFigures& figures;
  std::uint64_t claim_polls = 0;
  std::uint64_t event_polls = 0;
  std::uint64_t log_bytes = 0;
  ProcessFigures process = {};
};

/// One number of a labelled counter, and the values of its labels.
struct LabelledCount {
  std::vector<std::string> labels;
  std::uint64_t count = 0;
};

/// A number that may be negative, or counts microseconds.
struct Figure {
  std::vector<std::string> labels;
  std::int64_t value = 0;
};

struct LabelledHistogram {
  std::vector<std::string> labels;
  Histogram::Seen seen;
};

struct Counter {
  enum class Kind {
    counter,    // only grows while the daemon runs
    gauge,      // the current value
    histogram,  // of what happened since the daemon's start
    info,       // 1; its labels say it
  };
  /// What 1 stands for.
  enum class Scale { one, microsecond };
  std::string_view name;  // "pawl_jobs_reaped_total"
  Kind kind = Kind::counter;
  std::string_view unit;  // "jobs", "seconds"
  std::string_view help;  // one line
  /// Its places in /queue: "reaper.passes_total"; `*` stands for the label's value. Empty: not shown there.
  std::vector<std::string_view> shown_at = {};
  /// Exactly one of these is set. The first two run on the sequencer's thread.
  std::uint64_t (*read)(const CounterSources&) = nullptr;
  std::vector<LabelledCount> (*read_each)(const CounterSources&) = nullptr;
  std::vector<Figure> (*figure)(const FigureSources&) = nullptr;
  std::vector<LabelledHistogram> (*read_histograms)(const FigureSources&) = nullptr;
  std::vector<std::string_view> labels = {};  // "stage"
  Scale scale = Scale::one;
  /// The most series that it can have, for any names that clients and definitions may choose; of a histogram, without
  /// its buckets. In /metrics, what is beyond it has the label `other`.
  std::size_t series_max = 1;
  Bounds bounds = {};  // of a histogram
};
std::string_view name(Counter::Kind kind);

const std::vector<Counter>& counters();

// The rows that are not shown in /queue, in daemon/api/counters_records.cc and counters_daemon.cc. Only for
// counters.cc.
std::vector<Counter> counters_of_records();
std::vector<Counter> counters_of_daemon();

/// Appends `"block":{…}`: the counters that /queue shows in that block, in table order.
void append_block(std::string& out, std::string_view block, const CounterSources& sources);
/// Appends an object for each counter with a label that /queue shows in that block: `"refused":{"streams":1,…}`.
void append_labelled(std::string& out, std::string_view block, const CounterSources& sources);

}  // namespace pawl
