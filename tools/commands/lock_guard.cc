#include "tools/commands/lock_guard.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <system_error>

#include "schema/printable.h"
#include "tools/commands/descendants.h"

namespace pawl {
namespace {

using Phase = HeldLease::Phase;

constexpr std::int64_t kill_after_ms = 10'000;   // after a command was asked to end, unless a ttl is shorter
constexpr std::int64_t late_after_ms = 1000;     // after that, the guard counts as late
constexpr std::int64_t leave_within_ms = 5'000;  // for the daemon to confirm the release
constexpr std::int64_t leave_lost_within_ms = 1000;

/// Signal state that the guard inherited, and restores for the command.
struct Inherited {
  sigset_t mask;
  struct sigaction child;
};

/// Waits for the token and becomes the command. Exits without running it if no token comes.
[[noreturn]] void become_command(const GuardPlan& plan, int go, pid_t guard, const Inherited& inherited) {
  // If the guard were killed, the lease would become free while the command goes on.
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != guard) ::_exit(1);
  std::uint64_t token = 0;
  ssize_t got = 0;
  while ((got = ::read(go, &token, sizeof(token))) < 0 && errno == EINTR) {
  }
  if (got != sizeof(token)) ::_exit(1);

  ::setenv("PAWL_TOKEN", std::to_string(token).c_str(), 1);
  ::setenv("PAWL_LEASE", plan.wish.key.c_str(), 1);
  std::vector<char*> arguments;
  for (const std::string& word : plan.command) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  ::sigaction(SIGCHLD, &inherited.child, nullptr);
  ::sigprocmask(SIG_SETMASK, &inherited.mask, nullptr);
  ::execvp(arguments[0], arguments.data());
  const int why = errno;
  std::fprintf(stderr, "pawl: %s: %s\n", printable(arguments[0]).c_str(), std::strerror(why));
  ::_exit(why == ENOENT ? 127 : 126);
}

/// The exit code that a shell would report.
int exit_code_of(int status) {
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void point_to_nothing(std::initializer_list<int> descriptors) {
  const Descriptor nothing(::open("/dev/null", O_RDWR | O_CLOEXEC));
  for (const int each : descriptors) {
    if (nothing) ::dup2(nothing.get(), each);
  }
}

/// Closes inherited descriptors: a reader at the other end of a pipe, or a waiter for a lock, waits for the command and
/// not for the guard.
void close_all_but(std::vector<int> kept) {
  std::sort(kept.begin(), kept.end());
  unsigned first = 3;
  for (const int each : kept) {
    if (static_cast<unsigned>(each) > first) ::close_range(first, static_cast<unsigned>(each) - 1, 0);
    first = std::max(first, static_cast<unsigned>(each) + 1);
  }
  ::close_range(first, ~0U, 0);
}

void leave_terminal() {
  ::setsid();
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGPIPE}) std::signal(signal, SIG_IGN);
  point_to_nothing({STDIN_FILENO, STDOUT_FILENO});
}

void say(const std::string& message) {
  fail(Exit::refused, message);
}

class CommandGuard {
 public:
  CommandGuard(GuardPlan plan, Descriptor control, Descriptor report, SharedDeadline* deadline)
      : plan_(std::move(plan)), control_(std::move(control)), report_(std::move(report)), deadline_(deadline) {}

  [[noreturn]] void run();

 private:
  void fork_command();
  void begin_lease();
  void wait_for_something();
  void reap();
  void hear_wrapper();
  void heed(const SignalNote& note);
  void look_at_lease();
  void begin_command(const HeldLease::Look& lease);
  void keep_deadline(std::int64_t at_ms);
  void end_command(const std::string& why, std::int64_t kill_at_ms);
  void press_end();
  bool is_over() const;
  void tell(int code);
  [[noreturn]] void leave(int code);

  GuardPlan plan_;
  Descriptor control_;  // closed when the wrapper is gone
  Descriptor report_;   // closed once the exit code is reported
  SharedDeadline* deadline_;

  Descriptor children_;  // signalfd of SIGCHLD
  Descriptor changed_;   // eventfd of the lease
  Descriptor go_;        // the write end: the token starts the command
  HeldLease* lease_ = nullptr;
  pid_t command_ = 0;
  bool has_begun_ = false;
  std::optional<int> command_exit_;
  bool is_childless_ = false;
  std::optional<std::int64_t> kill_at_ms_;  // set once the command has been asked to end: when to kill it
};

void CommandGuard::fork_command() {
  Inherited inherited{};
  sigset_t ours;
  sigemptyset(&ours);
  sigaddset(&ours, SIGCHLD);
  ::sigprocmask(SIG_BLOCK, &ours, &inherited.mask);
  struct sigaction plain {};
  plain.sa_handler = SIG_DFL;  // if it were ignored, no child's exit would be reported
  ::sigaction(SIGCHLD, &plain, &inherited.child);
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);

  std::array<int, 2> go{-1, -1};
  if (::pipe2(go.data(), O_CLOEXEC) != 0) leave(static_cast<int>(fail(Exit::refused, std::strerror(errno))));
  const Descriptor go_read(go[0]);
  go_ = Descriptor(go[1]);
  const pid_t guard = ::getpid();
  command_ = ::fork();
  if (command_ == 0) {
    go_.close();
    control_.close();
    report_.close();
    become_command(plan_, go_read.get(), guard, inherited);
  }
  if (command_ < 0) {
    leave(static_cast<int>(fail(Exit::refused, std::string("cannot start the command: ") + std::strerror(errno))));
  }
  leave_terminal();
  children_ = Descriptor(::signalfd(-1, &ours, SFD_CLOEXEC | SFD_NONBLOCK));
  changed_ = Descriptor(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  close_all_but({control_.get(), report_.get(), go_.get(), children_.get(), changed_.get()});
}

void CommandGuard::begin_lease() {
  try {
    lease_ = new HeldLease(std::move(plan_.caller), plan_.wish, changed_.get());  // lives as long as this process
  } catch (const std::system_error& failed) {
    leave(static_cast<int>(fail(Exit::refused, std::string("cannot start a thread: ") + failed.what())));
  }
}

void CommandGuard::wait_for_something() {
  // The deadlines count the time that the machine sleeps, poll() does not: so check them from time to time.
  constexpr std::int64_t longest_ms = 1000;
  constexpr std::int64_t pressing_ms = 50;
  std::int64_t wait_ms = kill_at_ms_ ? pressing_ms : -1;
  if (const HeldLease::Look lease = lease_->look(); lease.ttl_s && wait_ms < 0) {
    const std::int64_t end_ms = lease.renewed_at_ms + lease_times(*lease.ttl_s).end;
    wait_ms = std::clamp<std::int64_t>(end_ms - boottime_ms(), pressing_ms, longest_ms);
  }
  std::array<pollfd, 3> waiting = {
      {{children_.get(), POLLIN, 0}, {changed_.get(), POLLIN, 0}, {control_.get(), POLLIN, 0}}};
  ::poll(waiting.data(), waiting.size(), static_cast<int>(wait_ms));
  signalfd_siginfo child{};
  while (::read(children_.get(), &child, sizeof(child)) > 0) {
  }
  std::uint64_t count = 0;
  [[maybe_unused]] const ssize_t counted = ::read(changed_.get(), &count, sizeof(count));
}

void CommandGuard::reap() {
  while (true) {
    int status = 0;
    const pid_t ended = ::waitpid(-1, &status, WNOHANG);
    if (ended == command_) command_exit_ = exit_code_of(status);
    if (ended > 0) continue;
    is_childless_ = ended < 0 && errno == ECHILD;
    return;
  }
}

void CommandGuard::heed(const SignalNote& note) {
  if (!has_begun_) {
    say("ended by a signal while waiting for the lease");
    leave(128 + note.signal);
  }
  if (!note.has_command_too && !command_exit_) ::kill(command_, note.signal);  // not reaped: still its pid
}

void CommandGuard::hear_wrapper() {
  while (control_) {
    SignalNote note;
    const ssize_t got = ::read(control_.get(), &note, sizeof(note));
    if (got < 0) return;
    if (got == sizeof(note)) {
      heed(note);
      continue;
    }
    control_.close();
    if (!has_begun_) leave(1);  // the wrapper is gone
  }
}

void CommandGuard::begin_command(const HeldLease::Look& lease) {
  has_begun_ = true;
  [[maybe_unused]] const ssize_t written = ::write(go_.get(), &lease.token, sizeof(lease.token));
  go_.close();
}

void CommandGuard::look_at_lease() {
  const HeldLease::Look lease = lease_->look();
  if (lease.phase == Phase::refused) leave(static_cast<int>(fail(*lease.error)));
  if (lease.phase == Phase::waiting) return;
  const std::string name = "the lease '" + plan_.wish.key + "' ";
  const std::int64_t now_ms = boottime_ms();
  if (lease.ttl_s) {
    const LeaseTimes times = lease_times(*lease.ttl_s);
    if (!has_begun_) {
      // The machine slept or the guard was stopped meanwhile: the lease is as good as gone.
      if (now_ms >= lease.renewed_at_ms + times.end) return;
    } else if (!kill_at_ms_ && now_ms >= lease.renewed_at_ms + times.end) {
      end_command(name + "could not be renewed within its ttl of " + std::to_string(*lease.ttl_s) + " s" +
                      (lease.error ? " (" + lease.error->message + ")" : ""),
                  lease.renewed_at_ms + times.kill);
    }
    if (lease.phase == Phase::held) keep_deadline(lease.renewed_at_ms + times.late);
  }
  if (lease.phase == Phase::held && !has_begun_) begin_command(lease);
  if (lease.phase == Phase::lost && !has_begun_) {
    say(name + "was lost before the command began: " + lease.error->message);
    leave(plan_.lost_exit);
  }
  if (lease.phase == Phase::lost && !kill_at_ms_) {
    end_command(name + "was lost: " + lease.error->message, now_ms + kill_after_ms);
    if (lease.ttl_s) keep_deadline(now_ms + kill_after_ms + late_after_ms);
  }
}

/// Past this time, the wrapper considers this process stopped.
void CommandGuard::keep_deadline(std::int64_t at_ms) {
  const bool is_first = deadline_->exchange(at_ms) == 0;
  const int held = lease_is_held;
  if (!is_first || !report_) return;
  [[maybe_unused]] const ssize_t told = ::write(report_.get(), &held, sizeof(held));
}

void CommandGuard::end_command(const std::string& why, std::int64_t kill_at_ms) {
  kill_at_ms_ = kill_at_ms;
  if (is_over()) return;
  say(why + "; ending the command");
  for (const ProcessId& each : descendants_of(plan_.covers == Covers::command ? command_ : ::getpid())) {
    signal_process(each, SIGTERM);
    signal_process(each, SIGCONT);  // so that a stopped process gets it too
  }
  if (!command_exit_) {  // directly, in case /proc shows nothing
    ::kill(command_, SIGTERM);
    ::kill(command_, SIGCONT);
  }
}

/// Kills what has not ended in time. Called repeatedly, since processes may fork meanwhile.
void CommandGuard::press_end() {
  if (!kill_at_ms_ || boottime_ms() < *kill_at_ms_) return;
  for (const ProcessId& each : descendants_of(plan_.covers == Covers::command ? command_ : ::getpid())) {
    signal_process(each, SIGKILL);
  }
  if (!command_exit_) ::kill(command_, SIGKILL);
}

bool CommandGuard::is_over() const {
  return is_childless_ || (plan_.covers == Covers::command && command_exit_);
}

void CommandGuard::tell(int code) {
  if (!report_) return;
  point_to_nothing({STDERR_FILENO});  // so that a reader need not wait for processes that the command left behind
  [[maybe_unused]] const ssize_t told = ::write(report_.get(), &code, sizeof(code));
  report_.close();
}

void CommandGuard::leave(int code) {
  go_.close();          // A command that has not begun never will.
  deadline_->store(0);  // Nothing is left that must end in time, however long the daemon takes.
  if (lease_) {
    lease_->give_back();
    const std::int64_t until_ms = boottime_ms() + (kill_at_ms_ ? leave_lost_within_ms : leave_within_ms);
    HeldLease::Look last = lease_->look();
    while (!last.is_over && boottime_ms() < until_ms) {
      pollfd changed{changed_.get(), POLLIN, 0};
      ::poll(&changed, 1, 50);
      last = lease_->look();
    }
    if (!last.is_over) last.error = Error{ErrorCode::io, "the daemon does not answer"};
    if (last.phase == Phase::held && last.error) {
      say("the lease could not be given back, and remains until " +
          std::string(last.ttl_s ? "its ttl ends" : "the reaper frees it") + ": " + last.error->message);
    }
  }
  tell(code);
  ::_exit(0);
}

void CommandGuard::run() {
  fork_command();
  begin_lease();
  while (true) {
    wait_for_something();
    hear_wrapper();
    reap();
    if (command_exit_ && !has_begun_) leave(*command_exit_);  // for example, by a signal from the terminal
    if (!is_over()) look_at_lease();
    if (is_over()) leave(kill_at_ms_ ? plan_.lost_exit : *command_exit_);
    if (kill_at_ms_) {
      press_end();
    } else if (command_exit_) {
      tell(*command_exit_);  // What it left behind keeps the lease, but the caller need not wait for that.
    }
  }
}

}  // namespace

void run_guard(GuardPlan plan, Descriptor control, Descriptor report, SharedDeadline* deadline) {
  CommandGuard(std::move(plan), std::move(control), std::move(report), deadline).run();
}

}  // namespace pawl
