// Commands as processes: forked, stopped, and executed only when they are told to (SPEC §8).
//
// The fork happens before a step's start is in the log, the execution after: whatever the daemon dies of in between,
// the child reads the end of its pipe instead of a word, and goes without having run. A child of a process with many
// threads may call only what is safe in a signal handler, so all that it needs is prepared before the fork.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/policies/world.h"
#include "engine/state/pipeline.h"
#include "schema/result.h"
#include "store/os/descriptor.h"

namespace pawl {

using Deadline = std::chrono::steady_clock::time_point;

struct Launch {
  CommandLine command;                   // not empty; a program without a slash is looked for in the child's PATH
  std::string folder;                    // where it works
  std::vector<std::string> environment;  // "NAME=value", all that it gets
  int output = -1;                       // its stdout and stderr
  std::vector<int> inherited;            // further descriptors that stay open in it: locks
};

/// A child process, leader of a session and group of its own, with /dev/null for stdin.
class Child {
 public:
  /// Forks it. When this returns it stands still and has nothing open but what it was given.
  /// `missing`: there is no such program or folder.
  static Result<Child> fork_stopped(const Launch& launch);

  Child(Child&& other) noexcept;
  Child& operator=(Child&&) = delete;
  /// Kills it with its group, and reaps it, if that has not been done.
  ~Child();

  pid_t pid() const { return pid_; }
  std::int64_t pid_start() const { return pid_start_; }

  /// Lets it execute. Once.
  void release();

  enum class Wake { ended, deadline, called };
  /// Waits for the process's end, the deadline, or for `call` (an eventfd or the like, -1 for none) to be readable.
  Wake wait(Deadline deadline, int call = -1);

  /// To the whole group. Only before reap(): the number is ours until then.
  void signal_group(int signal);

  /// How it ended. Requires: wait() said `ended`.
  CommandExit reap();
  /// Why the program could not be executed after all; none if it was. After reap().
  const std::optional<std::string>& exec_failure() const { return exec_failure_; }

 private:
  Child() = default;

  pid_t pid_ = 0;  // 0 once reaped
  std::int64_t pid_start_ = 0;
  Descriptor pidfd_;
  Descriptor control_;
  std::string program_;
  std::optional<std::string> exec_failure_;
};

/// PATH, HOME, USER, LANG and TMPDIR as this process has them: what a clean environment begins with.
std::vector<std::string> clean_environment();

}  // namespace pawl
