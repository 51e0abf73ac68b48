// What workers' attempts left behind on the daemon's machine, derived from the records and from which processes really
// live: nothing of a task may be given out beside it.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "engine/state/state.h"
#include "tests/world/outside.h"

namespace pawl::hostile {

class LeftBehind {
 public:
  LeftBehind(std::function<void(std::string)> broken, const Machines& machines)
      : broken_(std::move(broken)), machines_(machines) {}

  /// An accepted record; `state`: before its group.
  void see(const fb::Record& record, const State& state);
  /// The log has been replaced by another, in which none of these runs exists.
  void forget() {
    reported_.clear();
    left_.clear();
  }

 private:
  struct Agent {
    TaskId task{};
    JobId job{};
    std::string host;
    std::int64_t pid = 0;
    std::int64_t start = 0;
  };
  bool lives(const Agent& agent) const { return machines_.exists(agent.host, agent.pid, agent.start); }
  void leave(JobId job);

  const std::function<void(std::string)> broken_;
  const Machines& machines_;
  std::map<JobId, Agent> reported_;  // of attempts that have not ended
  std::vector<Agent> left_;
};

}  // namespace pawl::hostile
