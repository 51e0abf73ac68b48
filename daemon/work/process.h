// Commands as processes: forked, held, and executed only on release (SPEC §8).
//
// The fork happens before a step's start is in the log, the exec after: if the daemon dies in between, the child reads
// end-of-file instead of a message, and exits without having run. The child of a multi-threaded process may call only
// async-signal-safe functions, so everything it needs is prepared before the fork.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "daemon/work/system.h"
#include "store/os/descriptor.h"

namespace pawl {

/// Based on an eventfd, so that a thread can wait for it together with a process.
class EventCancelToken final : public CancelToken {
 public:
  EventCancelToken();
  void call() override;
  bool called() const override;
  int fd() const { return event_.get(); }

 private:
  Descriptor event_;
};

/// A handle that is just a descriptor.
class OpenDescriptor final : public Handle {
 public:
  explicit OpenDescriptor(Descriptor descriptor) : descriptor_(std::move(descriptor)) {}
  int descriptor() const override { return descriptor_.get(); }

 private:
  Descriptor descriptor_;
};

class ForkedChild final : public Child {
 public:
  /// As System::fork_stopped(). Requires: the inherited handles have descriptors.
  static Result<std::unique_ptr<Child>> fork_stopped(const Launch& launch);

  ForkedChild(const ForkedChild&) = delete;
  ForkedChild& operator=(const ForkedChild&) = delete;
  ~ForkedChild() override;

  pid_t pid() const override { return pid_; }
  std::int64_t pid_start() const override { return pid_start_; }
  void release() override;
  /// `call` is null or an EventCancelToken.
  Wake wait(Deadline deadline, const CancelToken* call) override;
  void signal_group(Stop how) override;
  CommandExit reap() override;
  const std::optional<std::string>& exec_failure() const override { return exec_failure_; }
  pid_t keeper() const override { return keeper_; }
  std::int64_t keeper_start() const override { return keeper_start_; }

 private:
  ForkedChild() = default;
  bool hear_end();
  void end_keeper();

  pid_t keeper_ = 0;  // 0: none, or no longer ours
  std::int64_t keeper_start_ = 0;
  Descriptor report_;               // the keeper's
  bool has_lost_keeper_ = false;    // it was killed
  std::optional<CommandExit> end_;  // once known
  pid_t pid_ = 0;                   // 0 once reaped
  std::int64_t pid_start_ = 0;
  Descriptor pidfd_;
  Descriptor control_;
  std::string program_;
  std::optional<std::string> exec_failure_;
};

/// Reaps ended children of this process that nothing here waits for: for a daemon that gets orphans, such as a
/// container's first process. Threads: any.
void reap_strangers();

/// SIGTERM or SIGKILL.
int signal_number(Stop how);

/// PATH, HOME, USER, LANG and TMPDIR of this process: the start of a clean environment.
std::vector<std::string> clean_environment();

}  // namespace pawl
