// A machine that decides at once: a state, a clock that its owner sets, and every record that it made. For simulations
// and tests; the daemon's machine is the sequencer.
#pragma once

#include <deque>
#include <functional>

#include "engine/policies/machine.h"
#include "engine/rules/group.h"

namespace pawl {

class DirectMachine final : public Machine {
 public:
  struct Line {
    Proposal record;
    Applied applied;
  };

  DirectMachine() = default;
  /// Continues from a state, and keeps neither records nor archive: a long story would fill memory with them. There is
  /// no replay() then.
  explicit DirectMachine(State state) : state_(std::move(state)), keeps_records_(false), now_(state_.last_time) {}

  /// Called with every decided group before its proposer is answered: a simulation prints it and carries out its
  /// effects.
  std::function<void(Decided&)> on_group;

  Decision propose(Group group) override;
  std::optional<TaskView> view(TaskId task) override { return view_of(state_, task); }

  /// Lets `change` apply a group that was decided elsewhere.
  void follow(const std::function<void(State&)>& change) { change(state_); }

  const State& state() const { return state_; }
  /// Every record so far, in order, if it keeps them. References stay valid.
  const std::deque<Line>& lines() const { return lines_; }
  /// Tasks that left memory.
  const std::vector<ArchivedTask>& archive() const { return archive_; }

  /// The time of the next records. Requires: not earlier than the last record's.
  void set_now(TimeUs now) { now_ = now; }
  TimeUs now() const override { return now_; }
  /// The rules version that decides from now on: when a log is retold, that log's.
  void set_rules(std::uint32_t rules) { rules_ = rules; }

  /// Drops the state and rebuilds it from the records: a crash and a restart, without the new boot.
  /// False if the records do not lead to the same digests.
  bool replay();

 private:
  State state_;
  bool keeps_records_ = true;
  std::deque<Line> lines_;
  std::vector<ArchivedTask> archive_;
  TimeUs now_;
  std::uint32_t rules_ = rules_version;
};

}  // namespace pawl
