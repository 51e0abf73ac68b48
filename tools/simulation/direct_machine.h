// A machine that decides at once: a state, a clock that its owner sets, and every record it made. For simulations and
// tests; the daemon's machine is the sequencer.
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
  /// Goes on from a state; replay() then has nothing to begin with.
  explicit DirectMachine(State state) : state_(std::move(state)), now_(state_.last_time) {}

  /// Called with every group once it is decided, before anybody is answered: a simulation prints it, and lets its
  /// effects happen.
  std::function<void(Decided&)> on_group;

  Decision propose(Group group) override;
  std::optional<TaskView> view(TaskId task) override { return view_of(state_, task); }

  const State& state() const { return state_; }
  /// Every record so far, in order. References stay good.
  const std::deque<Line>& lines() const { return lines_; }
  /// Tasks that left memory.
  const std::vector<ArchivedTask>& archive() const { return archive_; }

  /// The time of the next records. Requires: not earlier than the last record's.
  void set_now(TimeUs now) { now_ = now; }
  TimeUs now() const override { return now_; }
  /// The rules that decide from now on: those of a log that is retold.
  void set_rules(std::uint32_t rules) { rules_ = rules; }

  /// Forgets the state, and makes it anew from the records: a crash and a restart, but for the new boot.
  /// False if the records do not lead to the same digests.
  bool replay();

 private:
  State state_;
  std::deque<Line> lines_;
  std::vector<ArchivedTask> archive_;
  TimeUs now_;
  std::uint32_t rules_ = rules_version;
};

}  // namespace pawl
