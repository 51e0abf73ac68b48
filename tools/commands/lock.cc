// flock(1) with a log: a command under a lease.
//
// Three processes: this one, which was called and passes signals on (the wrapper); the guard, which holds the lease
// (lock_guard.h); and the command. Both are forked before the lease is taken, so that a failed fork never holds it.
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <new>

#include "tools/commands/descendants.h"
#include "tools/commands/lock_guard.h"

namespace pawl {
namespace {

constexpr std::array forwarded = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2};

volatile std::sig_atomic_t signals_to = -1;

void on_signal(int signal, siginfo_t* info, void*) {
  const int saved = errno;
  // A terminal signals its whole foreground group, so the command already has this one.
  const SignalNote note{.signal = static_cast<unsigned char>(signal), .has_command_too = info->si_code > 0};
  [[maybe_unused]] const ssize_t written = ::write(signals_to, &note, sizeof(note));
  errno = saved;
}

sigset_t forwarded_set() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : forwarded) sigaddset(&set, signal);
  return set;
}

/// From now on passes signals on, except ignored ones: `nohup` still works.
void catch_signals(int to) {
  signals_to = to;
  struct sigaction action {};
  action.sa_sigaction = on_signal;
  action.sa_flags = SA_SIGINFO | SA_RESTART;
  sigemptyset(&action.sa_mask);
  for (const int signal : forwarded) {
    struct sigaction before {};
    ::sigaction(signal, nullptr, &before);
    if (before.sa_handler != SIG_IGN) ::sigaction(signal, &action, nullptr);
  }
  std::signal(SIGPIPE, SIG_IGN);
}

/// Kills every descendant of this process, the guard last: while it lives, no other process can have the lease.
void end_everything(pid_t guard) {
  const auto kill_descendants = [guard] {
    bool found = false;
    for (const ProcessId& each : descendants_of(::getpid())) {
      if (each.pid == guard) continue;
      signal_process(each, SIGKILL);
      found = true;
    }
    return found;
  };
  constexpr int rounds_max = 100;  // in case processes fork faster than they are killed
  for (int round = 0; round < rounds_max && kill_descendants(); ++round) ::poll(nullptr, 0, 1);
  ::kill(guard, SIGKILL);
  while (::waitpid(-1, nullptr, 0) > 0 || errno == EINTR) kill_descendants();
}

/// How long to wait before the guard counts as late; -1: for ever.
int patience_ms(const SharedDeadline& deadline) {
  constexpr std::int64_t look_ms = 100;  // poll() does not count the time that the machine sleeps
  const std::int64_t at_ms = deadline.load();
  if (at_ms == 0) return -1;
  return static_cast<int>(std::max<std::int64_t>(0, std::min(look_ms, at_ms - boottime_ms())));
}

/// The exit code that the guard reports. If the guard dies or is stopped, ends the command: it must not run without a
/// lease.
int wait_for_guard(pid_t guard, int report, const SharedDeadline& deadline, int lost_exit) {
  while (true) {
    pollfd waiting{report, POLLIN, 0};
    const int ready = ::poll(&waiting, 1, patience_ms(deadline));
    int word = 0;
    const ssize_t got = ready > 0 ? ::read(report, &word, sizeof(word)) : -1;
    if (got == sizeof(word) && word >= 0) return word;
    const bool is_late = ready == 0 && deadline.load() != 0 && boottime_ms() >= deadline.load();
    if (got != 0 && !is_late) continue;
    end_everything(guard);
    fail(Exit::refused, is_late ? "the guard of the lease was stopped for too long; the command was ended"
                                : "the guard of the lease was killed; the command was ended");
    return lost_exit;
  }
}

struct Pipe {
  Descriptor read, write;
};

Result<Pipe> make_pipe() {
  std::array<int, 2> ends{-1, -1};
  if (::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) != 0) {
    return Error{ErrorCode::io, std::string("cannot create a pipe: ") + std::strerror(errno)};
  }
  return Pipe{Descriptor(ends[0]), Descriptor(ends[1])};
}

Result<int> run_guarded(GuardPlan plan) {
  Pipe control = PAWL_TRY(make_pipe());
  Pipe report = PAWL_TRY(make_pipe());
  void* memory = ::mmap(nullptr, sizeof(SharedDeadline), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return Error{ErrorCode::io, std::string("cannot map memory: ") + std::strerror(errno)};
  auto* deadline = new (memory) SharedDeadline(0);
  const int lost_exit = plan.lost_exit;

  const sigset_t blocked = forwarded_set();
  sigset_t before;
  ::sigprocmask(SIG_BLOCK, &blocked, &before);  // until they can be passed on: none is lost, and the guard misses none
  const pid_t guard = ::fork();
  if (guard == 0) {
    ::sigprocmask(SIG_SETMASK, &before, nullptr);
    control.write.close();
    report.read.close();
    run_guard(std::move(plan), std::move(control.read), std::move(report.write), deadline);
  }
  const int number = errno;
  if (guard > 0) {
    catch_signals(control.write.get());
    // If the guard dies, its descendants become this process's children.
    ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  }
  ::sigprocmask(SIG_SETMASK, &before, nullptr);
  if (guard < 0) return Error{ErrorCode::io, std::string("cannot start the guard: ") + std::strerror(number)};
  control.read.close();
  report.write.close();
  return wait_for_guard(guard, report.read.get(), *deadline, lost_exit);
}

Result<GuardPlan> plan_of(const Arguments& arguments) {
  const auto ttl_s = PAWL_TRY(arguments.number("ttl"));
  const auto wait_s = PAWL_TRY(arguments.number("wait"));
  const auto lost_exit = PAWL_TRY(arguments.number("lost-exit"));
  constexpr std::uint64_t exit_max = 255;
  if (lost_exit.value_or(0) > exit_max) {
    return Error{ErrorCode::malformed, "--lost-exit: must be from 0 to 255"};
  }
  constexpr std::uint64_t lost = 125;  // as timeout(1) exits if it fails itself
  return GuardPlan{.caller = PAWL_TRY(caller_of(arguments)),
                   .wish = {.key = arguments.positional()[0], .ttl_s = ttl_s, .wait_s = wait_s.value_or(0)},
                   .command = arguments.rest(),
                   .covers = arguments.has("command-only") ? Covers::command : Covers::descendants,
                   .lost_exit = static_cast<int>(lost_exit.value_or(lost))};
}

Exit run_lock(const Arguments& arguments) {
  auto plan = plan_of(arguments);
  if (!plan) return fail(plan.error());
  const auto code = run_guarded(std::move(*plan));
  return code ? Exit{*code} : fail(code.error());
}

}  // namespace

const Command lock_command = {
    .name = "lock",
    .arguments = "KEY -- COMMAND ...",
    .summary = "Runs a command under a lease: flock(1) with a log",
    .details =
        "The log shows who held what, and when. Signals are passed on to the command, whose environment has the\n"
        "fencing token as PAWL_TOKEN and the key as PAWL_LEASE. The lease is held until the command and everything\n"
        "that it started have ended, even if this process is killed.\n\n"
        "Exit codes: the command's, or 128 + N if signal N ended it; 1 if the lease is held by another owner, who\n"
        "is then named; 125 if the lease was lost and the command therefore ended; 126 if the command cannot be\n"
        "executed; 127 if it was not found.\n",
    .options = with_target_options(
        {{"wait", "SECONDS", "wait that long for the lease (0), even across a restart of the daemon"},
         {"ttl", "SECONDS",
          "renew the lease within that time, or end the command (none on the daemon's host, elsewhere 60)"},
         {"command-only", "", "hold the lease for the command only, not for processes that it leaves behind", 'o'},
         {"lost-exit", "N", "the exit code if the lease is lost (125)", 'E'}}),
    .positional_min = 1,
    .positional_max = 1,
    .takes_rest = true,
    .run = run_lock};

}  // namespace pawl
