// The daemon's counters, as a table: each number that /queue shows outside its rows is one, with the name, kind and
// unit for scraping. A test compares docs/API.md with the table.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/api/routes.h"

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
  Readiness readiness;
  std::uint64_t messages_dropped = 0;
  std::map<std::string, OriginTrouble> origins = {};  // those that cannot be reached, by repository
  const Webhooks* webhooks = nullptr;                 // null: webhooks are not accepted
  const ShareBook* shares = nullptr;                  // never null
  ShareBook::Time look = {};                          // when the shares are read
};

/// One number of a labelled counter, and the value of its label.
struct LabelledCount {
  std::string label;
  std::uint64_t count = 0;
};

struct Counter {
  enum class Kind {
    counter,  // only grows while the daemon runs
    gauge,    // the current value
  };
  std::string_view name;  // "pawl_jobs_reaped_total"
  Kind kind = Kind::counter;
  std::string_view unit;  // "jobs", "seconds"
  std::string_view help;  // one line
  /// Its places in /queue: "reaper.passes_total"; `*` stands for the label's value. Empty: not shown there.
  std::vector<std::string_view> shown_at = {};
  /// Exactly one of these is set.
  std::uint64_t (*read)(const CounterSources&) = nullptr;
  std::vector<LabelledCount> (*read_each)(const CounterSources&) = nullptr;
  std::string_view label = {};  // of read_each: "stage"
};
std::string_view name(Counter::Kind kind);

const std::vector<Counter>& counters();

/// Appends `"block":{…}`: the counters that /queue shows in that block, in table order.
void append_block(std::string& out, std::string_view block, const CounterSources& sources);
/// Appends an object for each counter with a label that /queue shows in that block: `"refused":{"streams":1,…}`.
void append_labelled(std::string& out, std::string_view block, const CounterSources& sources);

}  // namespace pawl
