#include "daemon/work/process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <utility>

#include "daemon/work/process_table.h"

namespace pawl {
namespace {

/// Where in the child something went wrong; sent to the parent with errno.
enum class Progress : int { ready, descriptors, folder, exec };

struct Report {
  Progress progress = Progress::ready;
  int error = 0;
};

/// All that the child needs, made before the fork.
struct Plan {
  const char* program;
  const char* folder;
  char* const* arguments;
  char* const* environment;
  int output;
  int control;
  const int* kept;  // `output`, `control`, and what is inherited, ascending
  std::size_t kept_count;
};

constexpr int inherited_fd_min = 100;  // above those that shell scripts choose for themselves

[[noreturn]] void give_up(const Plan& plan, Progress progress) {
  const Report report{progress, errno};
  [[maybe_unused]] const ssize_t sent = ::send(plan.control, &report, sizeof report, MSG_NOSIGNAL);
  ::_exit(127);
}

/// The child, up to the program. Nothing in here may allocate, lock, or use a thread's storage but errno.
[[noreturn]] void run_child(const Plan& plan) {
  // Else a copy of another child's control socket would keep that one waiting after the daemon's death, and copies
  // of listeners, logs and locks would outlive it.
  unsigned first = 3;
  for (std::size_t i = 0; i < plan.kept_count; ++i) {
    const unsigned kept = static_cast<unsigned>(plan.kept[i]);
    if (kept > first) ::close_range(first, kept - 1, 0);
    first = kept + 1;
  }
  const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  if (null < 0 || ::dup2(null, 0) < 0) give_up(plan, Progress::descriptors);
  if (::dup2(plan.output, 1) < 0 || ::dup2(plan.output, 2) < 0) give_up(plan, Progress::descriptors);
  ::close_range(first, UINT_MAX, 0);
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
    ::_exit(127);  // the parent has dropped us, or died
  }
  ::execve(plan.program, plan.arguments, plan.environment);
  give_up(plan, Progress::exec);
}

std::string reason(int error) {
  return std::strerror(error);
}

std::string path_of(const std::vector<std::string>& environment) {
  for (const std::string& entry : environment) {
    if (entry.starts_with("PATH=")) return entry.substr(5);
  }
  return "/usr/local/bin:/usr/bin:/bin";
}

bool is_program(const std::string& path) {
  struct stat found {};
  return ::stat(path.c_str(), &found) == 0 && S_ISREG(found.st_mode) && ::access(path.c_str(), X_OK) == 0;
}

/// As a shell finds it, but relative to the child's folder.
Result<std::string> program_of(const Launch& launch) {
  const std::string& word = launch.command.front();
  if (word.find('/') != std::string::npos) {
    const std::string from_here = word.front() == '/' ? word : launch.folder + "/" + word;
    if (is_program(from_here)) return word;
    struct stat found {};
    if (::stat(from_here.c_str(), &found) != 0) return Error{ErrorCode::missing, from_here + ": " + reason(errno)};
    return Error{ErrorCode::io, from_here + ": is not an executable file"};
  }
  const std::string path = path_of(launch.environment);
  for (std::size_t from = 0; from <= path.size();) {
    const std::size_t end = std::min(path.find(':', from), path.size());
    const std::string folder = path.substr(from, end - from);
    // An empty or relative entry would mean the work folder, whose contents come from whoever pushed the branch.
    if (folder.starts_with('/') && is_program(folder + "/" + word)) return folder + "/" + word;
    from = end + 1;
  }
  return Error{ErrorCode::missing, word + ": there is no such program in " + path};
}

std::vector<char*> pointers_to(std::vector<std::string>& words) {
  std::vector<char*> pointers;
  pointers.reserve(words.size() + 1);
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  return pointers;
}

/// Blocks every signal for the calling thread, so that none of the parent's handlers runs in the child.
class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t all;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~SignalsBlocked() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

 private:
  sigset_t before_{};
};

/// One child at a time has copies of our descriptors, and that only until it says that it is ready.
std::mutex one_fork_at_a_time;

pid_t await(pid_t pid, int* status) {
  for (;;) {
    const pid_t got = ::waitpid(pid, status, 0);
    if (got >= 0 || errno != EINTR) return got;
  }
}

ssize_t receive(int from, Report& report, int flags) {
  for (;;) {
    const ssize_t got = ::recv(from, &report, sizeof report, flags);
    if (got >= 0 || errno != EINTR) return got;
  }
}

}  // namespace

EventCallOff::EventCallOff() : event_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  PAWL_ASSERT(event_);
}

void EventCallOff::call() {
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(event_.get(), &one, sizeof one);  // full means called already
}

bool EventCallOff::called() const {
  pollfd polled{event_.get(), POLLIN, 0};
  return ::poll(&polled, 1, 0) == 1;
}

int signal_number(Stop how) {
  return how == Stop::kill ? SIGKILL : SIGTERM;
}

Result<std::unique_ptr<Child>> ForkedChild::fork_stopped(const Launch& launch) {
  const int output = launch.output ? launch.output->descriptor() : -1;
  PAWL_ASSERT(!launch.command.empty() && output >= 3);
  struct stat folder {};
  if (::stat(launch.folder.c_str(), &folder) != 0 || !S_ISDIR(folder.st_mode)) {
    return Error{ErrorCode::missing, launch.folder + ": is no folder to work in"};
  }
  const std::string program = PAWL_TRY(program_of(launch));
  std::vector<std::string> command = launch.command;
  std::vector<std::string> environment = launch.environment;
  const std::vector<char*> arguments = pointers_to(command);
  const std::vector<char*> variables = pointers_to(environment);

  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0) {
    return Error{ErrorCode::io, "socketpair: " + reason(errno)};
  }
  std::unique_ptr<ForkedChild> made(new ForkedChild());
  ForkedChild& child = *made;
  child.program_ = program;
  child.control_ = Descriptor(ends[0]);
  Descriptor childs_end(ends[1]);
  std::vector<int> kept;
  for (const Handle* handle : launch.inherited) kept.push_back(handle->descriptor());
  kept.push_back(childs_end.get());
  kept.push_back(output);  // until it has become 1 and 2
  std::sort(kept.begin(), kept.end());
  const Plan plan{program.c_str(), launch.folder.c_str(), arguments.data(), variables.data(),
                  output,          childs_end.get(),      kept.data(),      kept.size()};
  {
    const std::lock_guard lock(one_fork_at_a_time);
    {
      const SignalsBlocked blocked;
      child.pid_ = ::fork();
      if (child.pid_ == 0) run_child(plan);
    }
    if (child.pid_ < 0) {
      child.pid_ = 0;
      return Error{ErrorCode::io, "fork: " + reason(errno)};
    }
    childs_end.close();
    Report report;
    if (receive(child.control_.get(), report, 0) != static_cast<ssize_t>(sizeof report)) {
      return Error{ErrorCode::io, program + ": the child ended before it was ready"};
    }
    if (report.progress == Progress::folder) return Error{ErrorCode::io, launch.folder + ": " + reason(report.error)};
    if (report.progress != Progress::ready) return Error{ErrorCode::io, program + ": " + reason(report.error)};
  }
  child.pidfd_ = pidfd_of(child.pid_);
  if (!child.pidfd_) return Error{ErrorCode::io, "pidfd_open: " + reason(errno)};
  const std::optional<std::int64_t> start = pid_start_of(child.pid_);
  if (!start) return Error{ErrorCode::io, program + ": the child ended before it was released"};
  child.pid_start_ = *start;
  return std::unique_ptr<Child>(std::move(made));
}

ForkedChild::~ForkedChild() {
  if (pid_ == 0) return;
  ::kill(-pid_, SIGKILL);
  ::kill(pid_, SIGKILL);  // it may not have made its group yet
  await(pid_, nullptr);
}

void ForkedChild::release() {
  // If it has been killed meanwhile, its end is what wait() will see.
  [[maybe_unused]] const ssize_t sent = ::send(control_.get(), "!", 1, MSG_NOSIGNAL);
}

Child::Wake ForkedChild::wait(Deadline deadline, const CallOff* call) {
  const int called = call ? static_cast<const EventCallOff*>(call)->fd() : -1;
  for (;;) {
    std::array<pollfd, 2> polled{pollfd{pidfd_.get(), POLLIN, 0}, pollfd{called, POLLIN, 0}};
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    const auto timeout_ms = std::clamp<std::int64_t>(left.count(), 0, INT_MAX);
    const int ready = ::poll(polled.data(), called < 0 ? 1 : 2, static_cast<int>(timeout_ms));
    if (ready < 0) {
      PAWL_ASSERT(errno == EINTR || errno == EAGAIN || errno == ENOMEM);
      continue;
    }
    if (polled[0].revents != 0) return Wake::ended;
    if (polled[1].revents != 0) return Wake::called;
    if (std::chrono::steady_clock::now() >= deadline) return Wake::deadline;
  }
}

void ForkedChild::signal_group(Stop how) {
  PAWL_ASSERT(pid_ > 0);
  ::kill(-pid_, signal_number(how));
}

CommandExit ForkedChild::reap() {
  PAWL_ASSERT(pid_ > 0);
  int status = 0;
  const pid_t got = await(std::exchange(pid_, 0), &status);
  Report report;
  if (receive(control_.get(), report, MSG_DONTWAIT) == static_cast<ssize_t>(sizeof report)) {
    exec_failure_ = program_ + ": " + reason(report.error);
  }
  if (got < 0) return {CommandExit::How::lost, 0};
  if (WIFEXITED(status)) return {CommandExit::How::exited, WEXITSTATUS(status)};
  return {CommandExit::How::signalled, WTERMSIG(status)};
}

std::vector<std::string> clean_environment() {
  std::vector<std::string> environment;
  for (const char* name : {"PATH", "HOME", "USER", "LANG", "TMPDIR"}) {
    const char* value = std::getenv(name);
    if (value) environment.push_back(std::string(name) + "=" + value);
  }
  return environment;
}

}  // namespace pawl
