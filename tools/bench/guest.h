// A benchmark as a guest of a running daemon: what it creates there, and how all of it is taken away again.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "schema/result.h"
#include "tools/commands/answers.h"

namespace pawl::bench {

/// What the daemon is like before anything is created.
struct Host {
  std::int64_t pid = 0;  // 0: not on this machine, or not visible from here
  std::uint64_t max_concurrency = 1;
  std::uint64_t live_tasks = 0;  // not of a benchmark
};
Result<Host> look_at(Client& client);

/// What a benchmark does in a daemon, for people who are asked for --yes.
std::string what_a_guest_does();

/// A benchmark's boot, pipeline and repositories. They end with end(); if that is not called, the boot ends when this
/// process does (its leases expire within a minute), and the next benchmark removes the tasks.
class Guest {
 public:
  /// Removes what an earlier benchmark left behind.
  static Result<Guest> arrive(Caller& caller, std::size_t actors);

  const std::string& boot() const { return boot_; }
  const std::string& run() const { return run_; }
  /// Ends the boot, cancels the tasks, of which `tasks` are known, and removes the repositories.
  Result<void> end(Caller& caller, const std::vector<std::uint64_t>& tasks) const;

 private:
  std::string boot_;
  std::string run_;
  std::vector<std::string> repos_;  // that it declared
};

}  // namespace pawl::bench
