// The keeper of a run: a small process between pawld and the command.
//
// It is the command's parent and a child subreaper, so what descends from the command stays below it, whatever it does
// to its session, its environment and its descriptors (SPEC §8). It reaps all of that, and ends when nothing is left.
// It outlives pawld, and then needs nobody: what the command prints goes through it into files (output_pump.h). It is
// deaf to all signals but SIGKILL, holds nothing open but its report, that output, and the lock by which the next start
// knows that it still keeps something, and knows nothing of what it keeps but the command's pid.
//
// It is a program of its own, which pawld carries within itself (daemon/keeper): a mere fork would keep a copy of all
// that pawld has in memory for as long as the run goes on. The command is forked by the keeper, and stands still until
// pawld lets it go.
#pragma once

#include <string>
#include <vector>

#include "daemon/work/command_process.h"
#include "daemon/work/output_pump.h"

namespace pawl {

/// What a keeper is executed with.
class KeeperCall {
 public:
  /// `report`: the keeper's end of a SOCK_SEQPACKET pair. `held`: what it holds open besides; -1: nothing. `plan` is
  /// copied, its arguments aside, which outlive this; its output is the end to write to of the pipe that `output` is
  /// read from, or what the command writes to by itself, where `output` has none. `secrets`: the numbers of the
  /// variables of the plan's environment whose values are masked in what the command prints. They reach the keeper by
  /// its own environment, which it wipes.
  KeeperCall(const Plan& plan, int report, int held, const PumpOrder& output, const std::vector<std::size_t>& secrets);

  /// In a forked child: becomes the keeper. Returns only if it cannot, with errno. Safe as run_command().
  void become() const;
  /// Whether there is a program to become.
  static bool possible();

 private:
  std::vector<std::string> words_;
  std::vector<char*> arguments_;
  char* const* environment_;
  std::vector<int> kept_;  // ascending
};

}  // namespace pawl
