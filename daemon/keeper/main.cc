// The keeper's program (daemon/work/keeper.h). Small and static, because it is executed for each run; embedded in
// pawld. One thread, no allocation. The command's output goes through it into files, so a run can go on printing
// without pawld.
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <initializer_list>

#include "daemon/work/command_process.h"
#include "daemon/work/output_pump.h"

namespace pawl {
namespace {

/// The keeper's main loop. One thread, all signals blocked, only the descriptors it needs open.
class Keeper {
 public:
  Keeper(pid_t command, int report, const PumpOptions& output) : command_(command), report_(report), pump_(output) {}

  [[noreturn]] void keep() {
    sigset_t of_children;
    ::sigemptyset(&of_children);
    ::sigaddset(&of_children, SIGCHLD);
    const int children = ::signalfd(-1, &of_children, SFD_CLOEXEC | SFD_NONBLOCK);
    for (;;) {
      reap();
      std::array<pollfd, 3> polled{pollfd{children, POLLIN, 0}, pollfd{report_, POLLIN, 0},
                                   pollfd{pump_.pipe(), POLLIN, 0}};
      ::poll(polled.data(), polled.size(), -1);  // poll ignores a descriptor of -1
      std::array<signalfd_siginfo, 8> told{};
      while (::read(children, told.data(), sizeof told) > 0) {
      }
      if (polled[1].revents != 0) hear();
      if (polled[2].revents != 0) pump_.pump();
    }
  }

 private:
  void hear() {
    char word = 0;
    const ssize_t got = ::recv(report_, &word, 1, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    may_reap_command_ = true;
    if (got == 1) return;
    ::close(report_);  // pawld has died, or no longer needs us
    report_ = -1;
  }

  void reap() {
    for (;;) {
      siginfo_t ended{};
      if (::waitid(P_ALL, 0, &ended, WEXITED | WNOHANG | WNOWAIT) != 0) {
        if (errno == ECHILD) {  // No process is left.
          pump_.finish();
          ::_exit(0);
        }
        if (errno == EINTR) continue;
        return;
      }
      if (ended.si_pid == 0) return;
      if (ended.si_pid == command_ && !tell(ended)) return;
      ::waitid(P_PID, static_cast<id_t>(ended.si_pid), &ended, WEXITED);
    }
  }

  /// Tells pawld that the command has ended. False while it must not be reaped, which keeps the kernel from reusing its
  /// pid, group and session.
  bool tell(const siginfo_t& ended) {
    if (!is_told_) {  // Its last output first: a reader may look as soon as it hears of the end.
      pump_.drain();
      pump_.let_go();
    }
    const KeeperWord word{KeeperWord::What::ended, command_, ended.si_code, ended.si_status};
    if (!is_told_ && report_ >= 0) {
      [[maybe_unused]] const ssize_t sent = ::send(report_, &word, sizeof word, MSG_NOSIGNAL);
    }
    is_told_ = true;
    if (may_reap_command_) command_ = 0;
    return may_reap_command_;
  }

  pid_t command_;
  int report_;
  OutputPump pump_;
  bool is_told_ = false;
  bool may_reap_command_ = false;
};

std::int64_t large_number_in(const char* word) {
  return std::strtoll(word, nullptr, 10);
}

int number_in(const char* word) {
  return static_cast<int>(std::strtol(word, nullptr, 10));
}

/// Masks the values of the variables whose numbers are listed, "3,7". False if there are too many.
bool learn(OutputMask& mask, const char* listed, char* const* environment) {
  static std::array<const char*, 1024> secrets;
  std::size_t count = 0;
  while (*listed) {
    if (count == secrets.size()) return false;
    char* rest = nullptr;
    const char* variable = environment[std::strtol(listed, &rest, 10)];
    secrets[count++] = std::strchr(variable, '=') + 1;
    listed = *rest == ',' ? rest + 1 : rest;
  }
  return mask.learn(secrets.data(), count);
}

/// Erases the keeper's arguments and environment, so that nothing mistakes it for the command by its words or by
/// PAWL_RUN.
void wipe(char* const* words) {
  for (; *words; ++words) std::memset(*words, 0, std::strlen(*words));
}

[[noreturn]] void live_as_keeper(int count, char** words, char** environment) {
  constexpr int fixed = 14;
  const int kept_count = count > fixed ? number_in(words[5]) : -1;
  if (kept_count < 0 || count < fixed + kept_count + 3) ::_exit(126);
  const int report = number_in(words[1]);
  const int held = number_in(words[2]);
  static std::array<int, 1024> kept;
  if (kept_count > static_cast<int>(kept.size())) ::_exit(126);
  for (int i = 0; i < kept_count; ++i) {
    kept[static_cast<std::size_t>(i)] = number_in(words[fixed + i]);
    ::fcntl(kept[static_cast<std::size_t>(i)], F_SETFD, FD_CLOEXEC);
  }
  static std::array<char, 256> log_name;  // a copy: the words are wiped
  std::strncpy(log_name.data(), words[9], log_name.size() - 1);
  static OutputMask mask;
  const PumpOptions output{.pipe = number_in(words[6]),
                           .log = number_in(words[7]),
                           .folder = number_in(words[8]),
                           .name = log_name.data(),
                           .bytes_max = large_number_in(words[10]),
                           .free_bytes_min = static_cast<std::uint64_t>(large_number_in(words[11])),
                           .free_inodes_min = static_cast<std::uint64_t>(large_number_in(words[12])),
                           .mask = *words[13] ? &mask : nullptr};
  for (const int own : {report, held, output.pipe, output.log, output.folder}) {
    if (own >= 0) ::fcntl(own, F_SETFD, FD_CLOEXEC);
  }
  char** rest = words + fixed + kept_count;
  const Plan plan{rest[1],
                  rest[0],
                  rest + 2,
                  environment,
                  number_in(words[4]),
                  number_in(words[3]),
                  kept.data(),
                  static_cast<std::size_t>(kept_count)};

  sigset_t all;
  ::sigfillset(&all);
  ::sigprocmask(SIG_SETMASK, &all, nullptr);
  struct sigaction by_default {};
  by_default.sa_handler = SIG_DFL;
  ::sigaction(SIGCHLD, &by_default, nullptr);  // if ignored, ended children would not be reported
  ::setsid();
  ::prctl(PR_SET_NAME, "pawl-keeper");
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  // Before the fork: the command must not run unless its output can be masked.
  if (output.mask && !learn(mask, words[13], environment)) give_up(plan, Progress::keeper);
  const pid_t command = ::fork();
  if (command == 0) run_command(plan);
  if (command < 0) give_up(plan, Progress::keeper);

  wipe(words + 1);
  wipe(environment);
  const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  for (int each = 0; each < 3 && null >= 0; ++each) ::dup2(null, each);
  std::array<int, 5> own = {held, report, output.pipe, output.log, output.folder};
  std::sort(own.begin(), own.end());
  const auto none = static_cast<std::size_t>(std::count(own.begin(), own.end(), -1));
  close_all_but(own.data() + none, own.size() - none);
  [[maybe_unused]] const int moved = ::chdir("/");
  const KeeperWord begun{KeeperWord::What::begun, command, 0, 0};
  [[maybe_unused]] const ssize_t sent = ::send(report, &begun, sizeof begun, MSG_NOSIGNAL);
  Keeper(command, report, output).keep();
}

}  // namespace
}  // namespace pawl

int main(int count, char** words, char** environment) {
  pawl::live_as_keeper(count, words, environment);
}
