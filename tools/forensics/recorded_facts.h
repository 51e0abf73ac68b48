// What a log shows of the world outside: which processes were found dead, and what the gates said.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/policies/world.h"
#include "engine/state/state.h"
#include "record_generated.h"

namespace pawl {

class RecordedFacts {
 public:
  struct GateFact {
    TimeUs time;
    GateAnswer answer;
  };

  /// Takes what holds before the first record.
  void begin(const State& state);
  /// Takes an accepted record that counts, in the log's order.
  void learn(const fb::Record& record);

  /// Since when a process is known to be dead; none: it is not.
  std::optional<TimeUs> dead_since(const std::string& boot, std::int64_t pid) const;
  /// A gate only reads, so this is its last result for this version before `now`, else its next one; null: none.
  const GateAnswer* gate(TaskId task, Version version, const std::string& gate, TimeUs now) const;

 private:
  using Process = std::pair<std::string, std::int64_t>;  // boot id, pid
  struct GatePlace {
    TaskId task{};
    Version version{};
    std::string gate;
    friend auto operator<=>(const GatePlace&, const GatePlace&) = default;
  };
  struct Running {
    Process owner;
    std::optional<std::int64_t> pid;
  };

  void die(const std::string& boot, std::int64_t pid, TimeUs since);
  void learn_reap(const fb::Record& record, const fb::JobReaped& event);

  std::map<Process, TimeUs> dead_since_;
  std::map<GatePlace, std::vector<GateFact>> gates_;
  // While reading the log: running jobs by id, and holders by key.
  std::map<std::uint64_t, Running> running_;
  std::map<std::string, Process> holders_;
  std::map<std::string, std::int64_t> boots_;
};

}  // namespace pawl
