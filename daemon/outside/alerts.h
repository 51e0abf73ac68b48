// Delivery of alerts: queues, retries, counters, and the one thread that does it all.
//
// Durable records are published, and each alert effect in them is queued here. That costs the publishing thread a copy
// and a short lock, whatever a webhook does. Each destination has its own queue, in the order of the records, and its
// own pause after a failure, so a dead webhook delays a command by one time-out at most. A full queue drops its oldest
// alert.
//
// Alerts do not outlive the process: those still queued when it dies are lost. The log has the records.
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

/// What became of a test alert at one destination.
struct AlertTest {
  std::string destination;
  AlertDelivery delivery;
};
using AlertTested = std::function<void(const std::vector<AlertTest>&)>;

/// The pause after that many failures in a row: 1 s, doubled each time, up to limits::alert_backoff_s_max. Requires:
/// `failures` ≥ 1.
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

  /// Starts delivering; alerts that came earlier wait until then. `look_up` fills in what a record does not say
  /// (daemon/outside/alert.h); it is called once for each alert, on this class's thread, and may block. Every alert is
  /// also a line in the daemon's log, even without destinations. Call once, after the executor's start: that ends every
  /// run it finds noted, and would mistake a command of ours for one left by an earlier boot.
  void start(std::function<void(Alert&)> look_up);

  /// For Sequencer::subscribe. Threads: any; never blocks.
  void take(std::span<const Published> records);
  /// Threads: any; never blocks.
  void raise(Alert alert);

  /// Tries an alert at each destination once, at once, whatever is queued or pausing there; counts nothing. Tests that
  /// wait together are one. Calls `done` once, from this class's thread or, if that has ended, from this one. Threads:
  /// any; never blocks.
  void test(Alert alert, AlertTested done);

  /// Threads: any.
  AlertCounts counts() const;

  /// Tries each queued alert once more, without a pause, for `stop_within` at most; drops the rest. Call before the
  /// sequencer's stop(), since look_up asks it. Alerts raised afterwards are dropped.
  void stop();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace pawl
