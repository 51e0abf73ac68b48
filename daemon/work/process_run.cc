#include "daemon/work/process_run.h"

#include <utility>

namespace pawl {
namespace {

using std::chrono::seconds;

}  // namespace

Result<PreparedProcess> PreparedProcess::prepare(System& system, const RunRequest& request,
                                                 std::shared_ptr<OutputLog> output) {
  const std::unique_ptr<RunFile> file = PAWL_TRY(system.new_run(request.purpose));
  Launch launch;
  launch.command = request.command;
  launch.folder = request.folder;
  launch.environment = request.environment;
  launch.environment.push_back("PAWL_RUN=" + file->run());
  launch.output = output.get();
  launch.output_bytes_max = request.output_bytes_max;
  launch.inherited = request.inherited;
  launch.inherited.push_back(file.get());
  launch.is_kept = true;
  launch.secrets = request.secrets;
  launch.makes_pawls_files = request.makes_pawls_files;
  launch.of_keeper = file->of_keeper();
  Result<std::unique_ptr<Child>> child = system.fork_stopped(launch);
  if (!child) {
    system.forget_run(file->run());
    return std::move(child).error();
  }
  PreparedProcess held(system, file->run(), std::move(*child), std::move(output));
  PAWL_TRY(file->record_leader(*held.child_));
  return held;  // From here on only the child holds the lock.
}

PreparedProcess::PreparedProcess(System& system, std::string run, std::unique_ptr<Child> child,
                                 std::shared_ptr<OutputLog> output)
    : system_(&system), run_(std::move(run)), child_(std::move(child)), output_(std::move(output)) {}

PreparedProcess::~PreparedProcess() {
  if (!child_ || went_) return;
  child_.reset();
  system_->forget_run(run_);  // It did not execute, so it left nothing behind.
}

void PreparedProcess::end_child(Stop first, const RunBounds& bounds) {
  child_->signal_group(first);
  const Deadline kill = system_->now() + seconds(bounds.kill_after_s);
  if (child_->wait(kill, bounds.hurry) != Child::Wake::ended) child_->signal_group(Stop::kill);
  // Even SIGKILL is not instant, and the process occupies its place while it lives.
  while (child_->wait(system_->now() + seconds(60), nullptr) != Child::Wake::ended) child_->signal_group(Stop::kill);
}

CommandExit PreparedProcess::start_and_wait(const RunBounds& bounds, const CancelToken* call) {
  went_ = true;
  // If already called off, do not execute it at all: a signal right after its first instruction may be too late.
  const bool is_called_off = call && call->called();
  if (!is_called_off) child_->release();
  const Child::Wake wake =
      is_called_off ? Child::Wake::called : child_->wait(system_->now() + seconds(bounds.timeout_s), call);
  if (is_called_off) {
    output_->say("called off before it began");
    end_child(Stop::kill, bounds);
  } else if (wake != Child::Wake::ended) {
    output_->say(wake == Child::Wake::deadline
                     ? "ended: exceeded its time limit of " + std::to_string(bounds.timeout_s) + " s"
                     : "ended: called off");
    end_child(Stop::terminate, bounds);
  }
  // Before reaping it: until then its pid, and so its group and session id, cannot be reused.
  gone_ =
      end_run(
          *system_, run_,
          {.first = Stop::terminate, .within = seconds(bounds.kill_after_s), .hurry = bounds.hurry, .is_ours = true}) ==
      RunEnd::gone;
  if (!gone_) output_->say("something that this run started is still alive");
  process_exit_ = child_->reap();
  CommandExit exit = process_exit_;
  exec_failure_ = child_->exec_failure();
  if (exec_failure_) output_->say(*exec_failure_);
  if (wake == Child::Wake::deadline) exit.how = CommandExit::How::timed_out;
  if (wake == Child::Wake::called) exit.how = CommandExit::How::lost;
  return exit;
}

}  // namespace pawl
