// The word back: forges are told how tasks fare, from the durable log, at least once, for as long as it takes.
//
// Two threads. One follows the log with a state of its own, as a standby does, and derives words (forge_word.h); the
// other tells them, one at a time, each repository's in order (forge_queue.h). Neither is waited for by anything that
// writes: a forge can delay only what other forges are told. Where each forge is in the log is kept in the data folder
// (forge_place.h), so that a crash costs repeats and no words.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "daemon/outside/alert.h"
#include "daemon/outside/alerts.h"
#include "daemon/outside/forge_options.h"
#include "daemon/outside/forge_queue.h"
#include "store/log.h"

namespace pawl {

/// Since the daemon's start, for all repositories at forges of one kind.
struct ForgeCounts {
  std::uint64_t waiting = 0;  // now
  std::uint64_t told = 0;
  std::uint64_t retried = 0;  // tries that failed and are made again
  std::uint64_t refused = 0;  // words that were given up
};
using ForgeCountsByKind = std::array<ForgeCounts, std::size(forge_kinds)>;

class Forges {
 public:
  struct Options {
    ForgeTargets targets;
    std::string folder;  // the data folder
    /// Raises an alert without a record; its time and boot are filled in. May be empty.
    std::function<void(Alert)> raise = {};
    ForgeQueue::Backoff backoff = alert_backoff;
    /// How many words may wait. Beyond that, nothing more is read until there is room.
    std::size_t words_max = 100'000;
  };

  /// Owns no log; it outlives this.
  Forges(Log& log, Options options);
  ~Forges();

  /// Begins to tell, if there are targets: from where the last boot was, or from now on. Call it once.
  void start();
  /// Ends within moments; what was not told is told after the next start.
  void stop();

  /// Threads: any; never blocks for long.
  ForgeCountsByKind counts() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace pawl
