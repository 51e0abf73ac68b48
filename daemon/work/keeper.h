// The keeper of a run: a small process between pawld and the command.
//
// It is the command's parent and a child subreaper, so the command's descendants stay below it, whatever they do to
// their session, environment and descriptors (SPEC §8). It reaps them all, and exits when none is left. It outlives
// pawld, and then works alone: the command's output goes through it into files (output_pump.h). It blocks all signals
// but SIGKILL. It holds open only its report socket, that output, and the lock that tells the next start that processes
// are left. It knows only the command's pid.
//
// It is a separate program, embedded in pawld (daemon/keeper): a mere fork would keep a copy of pawld's memory for as
// long as the run lasts. The keeper forks the command, which waits until pawld releases it.
#pragma once

#include <string>
#include <vector>

#include "daemon/work/command_process.h"
#include "daemon/work/output_pump.h"

namespace pawl {

/// The arguments to execute a keeper with.
class KeeperCall {
 public:
  /// `report`: the keeper's end of a SOCK_SEQPACKET pair. `held`: another descriptor that it holds open; -1: none.
  /// Copies `plan`, except its arguments, which must outlive this. The plan's output is the write end of `output`'s
  /// pipe or, if `output` has no pipe, the file that the command writes to directly. `secrets`: the indices of the
  /// variables in the plan's environment whose values are masked in the command's output. They reach the keeper in its
  /// environment, which it wipes.
  KeeperCall(const Plan& plan, int report, int held, const PumpOptions& output,
             const std::vector<std::size_t>& secrets);

  /// In a forked child: becomes the keeper. Returns only on failure, with errno set. As safe after fork as
  /// run_command().
  void become() const;
  /// Whether the keeper's program is available.
  static bool possible();

 private:
  std::vector<std::string> words_;
  std::vector<char*> arguments_;
  char* const* environment_;
  std::vector<int> kept_;  // ascending
};

}  // namespace pawl
