// What the daemon counts, as a table: each number that /queue shows outside its rows is one, under the name, kind and
// unit by which it can be scraped. docs/API.md is compared with the table by a test.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/api/routes.h"

namespace pawl {

/// What happened since the daemon's start, counted from the durable records.
struct Totals {
  std::atomic<std::uint64_t> reaped{0};
  std::atomic<std::uint64_t> last_reaped_job{0};
  std::atomic<std::uint64_t> leases_reclaimed{0};
  std::atomic<std::uint64_t> advances_deferred{0};  // asked for over HTTP, by webhooks too
};

/// Where the numbers are read from, all at one moment. For the sequencer's thread, as `state` is.
struct CounterSources {
  const State& state;
  const Totals& totals;
  ReaperTotals reaper;
  ReconcilerTotals reconciler;
  AlertCounts alerts;
  Readiness readiness;
  std::uint64_t messages_dropped = 0;
  std::map<std::string, OriginTrouble> origins = {};  // that cannot be asked, by repository
  const Webhooks* webhooks = nullptr;                 // null: none can be taken
  const ShareBook* shares = nullptr;                  // never null
  ShareBook::Time look = {};                          // when they are looked at
};

/// One number of a counter that has several, and the value of its label.
struct LabelledCount {
  std::string label;
  std::uint64_t count = 0;
};

struct Counter {
  enum class Kind {
    counter,  // only grows while the daemon runs
    gauge,    // as it is now
  };
  std::string_view name;  // "pawl_jobs_reaped_total"
  Kind kind = Kind::counter;
  std::string_view unit;  // "jobs", "seconds"
  std::string_view help;  // one line
  /// Its places in /queue: "reaper.passes_total"; `*` stands for the label's value. None: it is not shown there.
  std::vector<std::string_view> shown_at = {};
  /// Of these, one is set.
  std::uint64_t (*read)(const CounterSources&) = nullptr;
  std::vector<LabelledCount> (*read_each)(const CounterSources&) = nullptr;
  std::string_view label = {};  // of read_each: "stage"
};
std::string_view name(Counter::Kind kind);

const std::vector<Counter>& counters();

/// Appends `"block":{…}`: the counters that /queue shows in that block, in the order of the table.
void append_block(std::string& out, std::string_view block, const CounterSources& sources);
/// Appends an object for each counter with a label that /queue shows in that block: `"refused":{"streams":1,…}`.
void append_labelled(std::string& out, std::string_view block, const CounterSources& sources);

}  // namespace pawl
