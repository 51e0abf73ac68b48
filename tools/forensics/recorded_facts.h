// What a log shows of the world outside: which processes were found dead, and what the gates said.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/policies/world.h"
#include "engine/state/state.h"
#include "record_generated.h"

namespace pawl {

class RecordedFacts {
 public:
  /// Takes what holds before the first record.
  void begin(const State& state);
  /// Takes an accepted record that counts, in the log's order.
  void learn(const fb::Record& record);
  /// Takes jobs that left memory.
  void forget(const std::vector<Job>& jobs);
  /// Call it once, after the last record and before the questions.
  void finish();

  /// Since when a process is known to be dead; none: it is not.
  std::optional<TimeUs> dead_since(const std::string& boot, std::int64_t pid) const;
  /// A gate only reads, so this is its last result for this version before `now`, else its next one; none if it has no
  /// result.
  std::optional<GateAnswer> gate(TaskId task, Version version, const std::string& gate, TimeUs now) const;

 private:
  using Process = std::pair<std::string, std::int64_t>;  // boot id, pid
  /// One result of a gate: there may be one for every few records.
  struct GateFact {
    TaskId task{};
    Version version{};
    std::uint32_t gate = 0;  // index of texts_
    std::uint32_t reason = 0;
    TimeUs time;
    std::optional<bool> passed;
  };

  struct Running {
    Process owner;
    std::optional<std::int64_t> pid;
  };

  std::uint32_t text_at(std::string_view text);
  void die(const std::string& boot, std::int64_t pid, TimeUs since);
  void learn_reap(const fb::Record& record, const fb::JobReaped& event);

  std::map<Process, TimeUs> dead_since_;
  std::vector<GateFact> gates_;  // once finished, by task, version and gate, and then by time
  std::vector<std::string> texts_;
  std::map<std::string, std::uint32_t, std::less<>> index_of_text_;
  // While reading the log: running jobs by id, and holders by key.
  std::map<std::uint64_t, Running> running_;
  std::map<std::string, Process> holders_;
  std::map<std::string, std::int64_t> boots_;
};

}  // namespace pawl
