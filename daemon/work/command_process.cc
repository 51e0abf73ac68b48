#include "daemon/work/command_process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <climits>

namespace pawl {
namespace {

constexpr int inherited_fd_min = 100;  // above the numbers that shell scripts choose for themselves

}  // namespace

void give_up(const Plan& plan, Progress progress) {
  const Report report{progress, errno};
  [[maybe_unused]] const ssize_t sent = ::send(plan.control, &report, sizeof report, MSG_NOSIGNAL);
  ::_exit(127);
}

void close_all_but(const int* kept, std::size_t count) {
  unsigned first = 3;
  for (std::size_t i = 0; i < count; ++i) {
    const unsigned each = static_cast<unsigned>(kept[i]);
    if (each > first) ::close_range(first, each - 1, 0);
    first = each + 1;
  }
  ::close_range(first, UINT_MAX, 0);
}

void run_command(const Plan& plan) {
  // Otherwise a copy of another child's control socket would keep that child waiting after the daemon's death, and
  // copies of listeners, logs and locks would outlive the daemon.
  close_all_but(plan.kept, plan.kept_count);
  const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  if (null < 0 || ::dup2(null, 0) < 0) give_up(plan, Progress::descriptors);
  if (::dup2(plan.output, 1) < 0 || ::dup2(plan.output, 2) < 0) give_up(plan, Progress::descriptors);
  for (std::size_t i = 0; i < plan.kept_count; ++i) {
    const int kept = plan.kept[i];
    if (kept == plan.control || kept == plan.output) continue;
    if (::fcntl(kept, F_DUPFD, inherited_fd_min) >= 0) continue;  // the original closes on exec
    if (::fcntl(kept, F_SETFD, 0) != 0) give_up(plan, Progress::descriptors);
  }

  ::setsid();
  if (::chdir(plan.folder) != 0) give_up(plan, Progress::folder);
  struct sigaction by_default {};
  by_default.sa_handler = SIG_DFL;
  for (int signal = 1; signal < NSIG; ++signal) ::sigaction(signal, &by_default, nullptr);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);

  const Report ready;
  if (::send(plan.control, &ready, sizeof ready, MSG_NOSIGNAL) != static_cast<ssize_t>(sizeof ready)) ::_exit(127);
  for (;;) {
    char word = 0;
    const ssize_t got = ::recv(plan.control, &word, 1, 0);
    if (got == 1) break;
    if (got < 0 && errno == EINTR) continue;
    ::_exit(127);  // pawld has dropped this run, or died
  }
  ::execve(plan.program, plan.arguments, plan.environment);
  give_up(plan, Progress::exec);
}

}  // namespace pawl
