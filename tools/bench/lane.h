// Where a load goes: a daemon, over HTTP, or a log in this process.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "schema/result.h"
#include "tools/bench/load.h"
#include "tools/commands/target.h"

namespace pawl::bench {

class LoadLane {
 public:
  virtual ~LoadLane() = default;

  /// Carries out the whole load. An error ends it early, and leaves what was begun.
  virtual Result<void> run(Load& load) = 0;
  /// Carries out one request, for preparing and cleaning up.
  virtual Result<Reply> call(const Op& op) = 0;
  /// CPU time that the serving process has used so far; none if it cannot be seen from here.
  virtual std::optional<std::int64_t> server_cpu_ns() const = 0;
};

struct HttpLaneOptions {
  Target target;
  std::string actor;  // the prefix of the actors' names
  std::string boot;   // that the daemon knows
  std::string run;    // makes the work items of this run unique
  std::size_t depth;  // how many actors share a connection, so that so many requests are under way on it
  bool batches;       // those actors' requests go together, as one batch, and not one after the other
  bool keys;          // an Idempotency-Key for every write
  std::int64_t pid;   // the daemon's; 0: not on this machine
};
/// One request an op, on connections that are kept. Requires: a target without TLS.
Result<std::unique_ptr<LoadLane>> http_lane(HttpLaneOptions options);

/// How the actors of a folder lane wait.
enum class Waiting { callbacks, threads };
/// A sequencer on a fresh log in `folder`, which must be missing or empty: `malformed` otherwise.
Result<std::unique_ptr<LoadLane>> folder_lane(const std::string& folder, Waiting waiting);

}  // namespace pawl::bench
