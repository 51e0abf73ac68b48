// A command as a run: a process with a name, a lock and a log, from its fork until everything it started has ended.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "daemon/work/run_end.h"
#include "daemon/work/system.h"
#include "schema/result.h"

namespace pawl {

struct RunRequest {
  CommandLine command;
  std::string folder;
  std::vector<std::string> environment;  // without PAWL_RUN, which the run adds
  std::string purpose;                   // for its note: one line
  std::vector<const Handle*> inherited;  // locks for its processes to hold
  std::int64_t output_bytes_max = limits::output_bytes_max;
  std::vector<std::string> secrets = {};  // variables whose values are masked in its output
  bool makes_pawls_files = false;         // as in Launch
};

/// The time limit, and how to end it.
struct RunBounds {
  std::int64_t timeout_s = 0;
  std::int64_t kill_after_s = 0;       // from SIGTERM to SIGKILL
  const CancelToken* hurry = nullptr;  // once called, SIGKILL follows at once; may be null
};

/// Threads: one at a time.
class PreparedProcess {
 public:
  /// Forks the command, held, and notes the run. `output` gets stdout and stderr. `system` outlives it.
  static Result<PreparedProcess> prepare(System& system, const RunRequest& request, std::shared_ptr<OutputLog> output);

  PreparedProcess(PreparedProcess&&) noexcept = default;
  PreparedProcess& operator=(PreparedProcess&&) = delete;
  /// Without start_and_wait(), the child exits without executing.
  ~PreparedProcess();

  const std::string& run() const { return run_; }
  pid_t pid() const { return child_->pid(); }
  std::int64_t pid_start() const { return child_->pid_start(); }

  /// Lets it execute, waits for its end, and ends what it left behind. Returns how it ended: `timed_out` if it exceeded
  /// its time, `lost` if it was called off, whatever its exit code then. If already called off, it does not execute.
  CommandExit start_and_wait(const RunBounds& bounds, const CancelToken* call);

  /// The process's own exit, whatever caused it. Call after start_and_wait().
  const CommandExit& process_exit() const { return process_exit_; }

  /// Why exec failed; none if it did not. Call after start_and_wait().
  const std::optional<std::string>& exec_failure() const { return exec_failure_; }
  /// Whether everything it started is known to have ended; if not, its note stays in DIR/runs. Call after
  /// start_and_wait().
  bool gone() const { return gone_; }

 private:
  void end_child(Stop first, const RunBounds& bounds);

  PreparedProcess(System& system, std::string run, std::unique_ptr<Child> child, std::shared_ptr<OutputLog> output);

  System* system_;
  std::string run_;
  std::unique_ptr<Child> child_;
  std::shared_ptr<OutputLog> output_;
  bool went_ = false;
  bool gone_ = false;
  CommandExit process_exit_;
  std::optional<std::string> exec_failure_;
};

}  // namespace pawl
