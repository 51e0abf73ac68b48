// Commands as processes: forked, stopped, and executed only when they are told to (SPEC §8).
//
// The fork happens before a step's start is in the log, the execution after: whatever the daemon dies of in between,
// the child reads the end of its pipe instead of a word, and goes without having run. A child of a process with many
// threads may call only what is safe in a signal handler, so all that it needs is prepared before the fork.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "daemon/work/system.h"
#include "store/os/descriptor.h"

namespace pawl {

/// By an eventfd, which a thread can wait for together with a process.
class EventCallOff final : public CallOff {
 public:
  EventCallOff();
  void call() override;
  bool called() const override;
  int fd() const { return event_.get(); }

 private:
  Descriptor event_;
};

/// A handle that is a descriptor and no more.
class OpenDescriptor final : public Handle {
 public:
  explicit OpenDescriptor(Descriptor descriptor) : descriptor_(std::move(descriptor)) {}
  int descriptor() const override { return descriptor_.get(); }

 private:
  Descriptor descriptor_;
};

class ForkedChild final : public Child {
 public:
  /// As System::fork_stopped(). Requires: what is inherited has descriptors.
  static Result<std::unique_ptr<Child>> fork_stopped(const Launch& launch);

  ForkedChild(const ForkedChild&) = delete;
  ForkedChild& operator=(const ForkedChild&) = delete;
  ~ForkedChild() override;

  pid_t pid() const override { return pid_; }
  std::int64_t pid_start() const override { return pid_start_; }
  void release() override;
  /// `call` is null or an EventCallOff.
  Wake wait(Deadline deadline, const CallOff* call) override;
  void signal_group(Stop how) override;
  CommandExit reap() override;
  const std::optional<std::string>& exec_failure() const override { return exec_failure_; }
  pid_t keeper() const override { return keeper_; }
  std::int64_t keeper_start() const override { return keeper_start_; }

 private:
  ForkedChild() = default;
  bool hear_end();
  void end_keeper();

  pid_t keeper_ = 0;  // 0: none, or it was let go
  std::int64_t keeper_start_ = 0;
  Descriptor report_;               // the keeper's
  bool has_lost_keeper_ = false;    // it was killed
  std::optional<CommandExit> end_;  // once it is known
  pid_t pid_ = 0;                   // 0 once reaped
  std::int64_t pid_start_ = 0;
  Descriptor pidfd_;
  Descriptor control_;
  std::string program_;
  std::optional<std::string> exec_failure_;
};

/// Reaps the children of this process that have ended and that nobody here waits for: for a daemon to which orphans
/// come, as the first process of a container. Threads: any.
void reap_strangers();

/// SIGTERM or SIGKILL.
int signal_number(Stop how);

/// PATH, HOME, USER, LANG and TMPDIR as this process has them: what a clean environment begins with.
std::vector<std::string> clean_environment();

}  // namespace pawl
