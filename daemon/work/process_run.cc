#include "daemon/work/process_run.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <utility>

namespace pawl {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;

}  // namespace

CallOff::CallOff() : event_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  PAWL_ASSERT(event_);
}

void CallOff::call() {
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(event_.get(), &one, sizeof one);  // full means called already
}

bool CallOff::called() const {
  pollfd polled{event_.get(), POLLIN, 0};
  return ::poll(&polled, 1, 0) == 1;
}

Result<HeldRun> HeldRun::hold(const std::string& data_folder, const RunOrder& order, Descriptor output) {
  RunLock lock = PAWL_TRY(new_run(data_folder, order.purpose));
  Launch launch;
  launch.command = order.command;
  launch.folder = order.folder;
  launch.environment = order.environment;
  launch.environment.push_back("PAWL_RUN=" + lock.run);
  launch.output = output.get();
  launch.inherited = order.inherited;
  launch.inherited.push_back(lock.lock.get());
  Result<Child> child = Child::fork_stopped(launch);
  if (!child) {
    ::unlink(lock.path.c_str());
    return std::move(child).error();
  }
  HeldRun held(data_folder, lock.run, std::move(*child), std::move(output));
  const Result<void> noted = note_leader(lock, held.pid(), held.pid_start());
  lock.lock.close();  // From here on only the child holds it.
  if (!noted) return noted.error();
  return held;
}

HeldRun::HeldRun(std::string data_folder, std::string run, Child child, Descriptor output)
    : data_folder_(std::move(data_folder)),
      run_(std::move(run)),
      child_(std::make_unique<Child>(std::move(child))),
      output_(std::move(output)) {}

HeldRun::~HeldRun() {
  if (!child_ || went_) return;
  child_.reset();
  end_run(data_folder_, run_, {EndOrder::First::kill, milliseconds(0)});
}

CommandExit HeldRun::go(const RunBounds& bounds, const CallOff* call) {
  const seconds kill_after(bounds.kill_after_s);
  went_ = true;
  child_->release();
  const Child::Wake wake = child_->wait(steady_clock::now() + seconds(bounds.timeout_s), call ? call->fd() : -1);
  if (wake != Child::Wake::ended) {
    say(wake == Child::Wake::deadline ? "ended: over its time of " + std::to_string(bounds.timeout_s) + " s"
                                      : "ended: called off");
    child_->signal_group(SIGTERM);
    if (child_->wait(steady_clock::now() + kill_after) != Child::Wake::ended) child_->signal_group(SIGKILL);
    // Not even SIGKILL is instant, and while the process lives its place is taken.
    while (child_->wait(steady_clock::now() + seconds(60)) != Child::Wake::ended) child_->signal_group(SIGKILL);
  }
  // Before it is reaped: until then its number, and so that of its group and session, is nobody else's.
  gone_ = end_run(data_folder_, run_, {EndOrder::First::terminate, kill_after}) == RunEnd::gone;
  if (!gone_) say("something that this run started is still alive");
  process_exit_ = child_->reap();
  CommandExit exit = process_exit_;
  exec_failure_ = child_->exec_failure();
  if (exec_failure_) say(*exec_failure_);
  if (wake == Child::Wake::deadline) exit.how = CommandExit::How::timed_out;
  if (wake == Child::Wake::called) exit.how = CommandExit::How::lost;
  return exit;
}

void HeldRun::say(const std::string& text) {
  say_to_log(output_, text);
}

Result<Descriptor> open_log(const std::string& path) {
  std::error_code ignored;  // what matters is whether the file can be opened
  std::filesystem::create_directories(std::filesystem::path(path).parent_path(), ignored);
  // Commands can write there: a link that they made would have us write elsewhere, and a pipe would have us wait.
  Descriptor log(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0640));
  if (!log) return Error{ErrorCode::io, path + ": " + std::strerror(errno)};
  struct stat about {};
  if (::fstat(log.get(), &about) != 0 || !S_ISREG(about.st_mode)) return Error{ErrorCode::io, path + ": is no file"};
  return log;
}

void say_to_log(const Descriptor& log, const std::string& text) {
  const std::string line = "pawl: " + text + "\n";
  [[maybe_unused]] const ssize_t written = ::write(log.get(), line.data(), line.size());
}

}  // namespace pawl
