// Alerts on their way out: queues, retries, counters, and the one thread that all of it happens on.
//
// What is durable is published, and every alert effect among it is queued here: that costs the publishing thread a
// copy and a short lock, whatever a webhook does. Each destination has its own queue, in the order of the records,
// and its own pause after a failure, so that a dead webhook holds up a command by one time-out at most. A full queue
// drops its oldest.
//
// Alerts do not outlive the process: what is queued when it dies is told nobody. The log has the records.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "daemon/outside/alert.h"
#include "daemon/outside/alert_delivery.h"
#include "schema/limits.h"

namespace pawl {

/// The pause after so many failures in a row: 1 s, doubled each time, up to limits::alert_backoff_s_max.
/// Requires: `failures` ≥ 1.
std::chrono::milliseconds alert_backoff(unsigned failures);

class Alerts {
 public:
  struct Pace {
    std::size_t queue_max = limits::alerts_queued_max;
    unsigned tries_max = limits::alert_tries_max;
    std::function<std::chrono::milliseconds(unsigned failures)> backoff = alert_backoff;
    std::chrono::milliseconds stop_within = std::chrono::seconds(limits::alert_stop_within_s);
  };

  explicit Alerts(std::vector<AlertDestination> destinations) : Alerts(std::move(destinations), Pace()) {}
  Alerts(std::vector<AlertDestination> destinations, Pace pace);
  ~Alerts();

  /// Begins to deliver; what came before waits until then. `look_up` fills in what a record does not say
  /// (daemon/outside/alert.h); it is called once for each alert, from the thread in here, and may block. Every alert is
  /// also a line in the daemon's log, destinations or none. Once, and after the executor's start: that ends every run
  /// that it finds noted, and would take a command of ours for one that an earlier boot left behind.
  void start(std::function<void(Alert&)> look_up);

  /// For Sequencer::subscribe. Threads: any; never blocks.
  void take(std::span<const Published> records);
  /// Threads: any; never blocks.
  void raise(Alert alert);

  /// Threads: any.
  AlertCounts counts() const;

  /// Tries once more, without a pause, what is queued, for `stop_within` at most; the rest is dropped. Before the
  /// sequencer's stop(), since looking up asks it. What is raised afterwards is dropped.
  void stop();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace pawl
