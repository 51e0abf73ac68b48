// Plays a script (tools/simulation/script.h): the real engine, policies and recovery, in a simulated world and
// time.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/json/queue_json.h"
#include "engine/policies/reaper.h"
#include "store/chain.h"
#include "store/journal.h"
#include "tools/simulation/direct_machine.h"
#include "tools/simulation/script.h"
#include "tools/simulation/scripted_world.h"

namespace pawl {

class Simulation {
 public:
  /// Receives each record as a line, and each thing shown, without line ends.
  using Print = std::function<void(std::string_view line)>;

  /// Begins with the daemon's first boot and `delivery`. Every group is also written to `journal`, if there is one; it
  /// must be empty.
  Simulation(Print print, Journal* journal);

  /// Plays the next line. Returns an expectation that failed, as a sentence; none if all is well. `malformed`: the line
  /// names something that does not exist; `io`: the log could not be written.
  Result<std::optional<std::string>> play(const ScriptLine& line);

 private:
  void start();
  void take(Decided& decided);
  void set_facts(const boost::json::object& facts);
  void tick_reaper();
  void tick_reconciler();
  Result<void> show(std::string_view what);
  Result<std::optional<std::string>> missed(const boost::json::object& expected);
  Result<std::optional<std::string>> missed_in(const boost::json::object& expected, const std::string& subject,
                                               const std::string& row);
  std::optional<std::string> missed_records(const boost::json::array& expected) const;
  /// The JSON of a row, archived or not; empty if there is none.
  std::string row_of(TaskId id) const;
  std::string row_of(JobId id) const;

  Requester requester(std::string actor) const;
  Speakers speakers() const;
  References references() const;

  Print print_;
  Journal* journal_;
  DirectMachine machine_;
  ScriptedWorld world_;
  Streaks streaks_;
  QueueTotals totals_;  // since the last start
  Chain chain_{};
  std::uint64_t starts_ = 0;
  TimeUs started_;  // the last start
  std::string boot_id_;
  std::vector<std::string> made_;  // the records of the last line that made any
  bool made_is_stale_ = true;      // the next record clears made_
  Result<void> written_;
};

}  // namespace pawl
