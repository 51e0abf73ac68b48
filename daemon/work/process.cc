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
#include <chrono>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <set>
#include <utility>

#include "daemon/pipeline_programs.h"
#include "daemon/work/keeper.h"
#include "daemon/work/process_table.h"
#include "schema/limits.h"
#include "store/os/file_mask.h"
#include "store/os/inner_file.h"
#include "store/os/mutex.h"

namespace pawl {
namespace {

std::string reason(int error) {
  return std::strerror(error);
}

std::string path_of(const std::vector<std::string>& environment) {
  for (const std::string& entry : environment) {
    if (entry.starts_with("PATH=")) return entry.substr(5);
  }
  return program_path_default;
}

Result<std::string> program_of(const Launch& launch) {
  return find_program(launch.command.front(), path_of(launch.environment), launch.folder);
}

/// The indices of the variables with those names in an environment.
std::vector<std::size_t> numbers_of(const std::vector<std::string>& names,
                                    const std::vector<std::string>& environment) {
  std::vector<std::size_t> numbers;
  for (std::size_t i = 0; i < environment.size(); ++i) {
    const std::string name = environment[i].substr(0, environment[i].find('='));
    if (std::find(names.begin(), names.end(), name) != names.end()) numbers.push_back(i);
  }
  return numbers;
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

/// Only one child at a time has copies of our descriptors, and only until it reports that it is ready.
Mutex one_fork_at_a_time;

/// The children that a thread here waits for; no other thread may reap them.
std::set<pid_t>& awaited_children() PAWL_REQUIRES(one_fork_at_a_time) {
  static std::set<pid_t> children;
  return children;
}

/// Keepers that still had processes below them when the wait for them timed out.
std::vector<pid_t>& keepers_left() PAWL_REQUIRES(one_fork_at_a_time) {
  static std::vector<pid_t> keepers;
  return keepers;
}

constexpr std::chrono::milliseconds keeper_ends_within{1000};

/// With the maximum number of runs at once, all pipes together stay within one user's limit for pipe memory.
constexpr int pipe_bytes = 256 * 1024;

void reap_left_keepers() PAWL_REQUIRES(one_fork_at_a_time) {
  std::erase_if(keepers_left(), [](pid_t pid) PAWL_REQUIRES(one_fork_at_a_time) {
    if (::waitpid(pid, nullptr, WNOHANG) == 0) return false;
    awaited_children().erase(pid);
    return true;
  });
}

bool has_ended(const Descriptor& pidfd) {
  pollfd polled{pidfd.get(), POLLIN, 0};
  return ::poll(&polled, 1, 0) == 1;
}

pid_t await(pid_t pid, int* status) {
  for (;;) {
    const pid_t got = ::waitpid(pid, status, 0);
    if (got >= 0 || errno != EINTR) return got;
  }
}

/// False if it received something else, or nothing.
template <class Word>
bool receive(int from, Word& word, int flags) {
  for (;;) {
    const ssize_t got = ::recv(from, &word, sizeof word, flags);
    if (got >= 0 || errno != EINTR) return got == static_cast<ssize_t>(sizeof word);
  }
}

/// The two ends of a socket pair that preserves message boundaries.
Result<std::array<Descriptor, 2>> make_pair() {
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0) {
    return Error{ErrorCode::io, "socketpair: " + reason(errno)};
  }
  return std::array<Descriptor, 2>{Descriptor(ends[0]), Descriptor(ends[1])};
}

/// The pipe that a command with a keeper writes to, and the keeper's instructions for it.
struct OutputPipe {
  Descriptor read;
  Descriptor write;
  Descriptor folder;
  std::string name;

  PumpOptions options(const Launch& launch) const {
    if (!read) return {};
    return {.pipe = read.get(),
            .log = launch.output->descriptor(),
            .folder = folder.get(),
            .name = name.c_str(),
            .bytes_max = launch.output_bytes_max,
            .free_bytes_min = limits::output_free_bytes_min,
            .free_inodes_min = limits::output_free_inodes_min};
  }
};

Result<OutputPipe> pipe_for(const OutputLog& log) {
  const std::filesystem::path path = log.path();
  OutputPipe made;
  made.folder = open_inner(path.parent_path().string(), O_RDONLY | O_DIRECTORY);
  if (!made.folder) return inner_error(path.parent_path().string());
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return Error{ErrorCode::io, "pipe: " + reason(errno)};
  made.read = Descriptor(ends[0]);
  made.write = Descriptor(ends[1]);
  // If this fails, the default size will do.
  [[maybe_unused]] const int size = ::fcntl(ends[1], F_SETPIPE_SZ, pipe_bytes);
  made.name = path.filename().string();
  return made;
}

/// Reaps a child of ours, and forgets it.
void await_child(pid_t pid, int* status) {
  [[maybe_unused]] const pid_t got = await(pid, status);
  const MutexLock lock(one_fork_at_a_time);
  awaited_children().erase(pid);
}

}  // namespace

EventCancelToken::EventCancelToken() : event_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  PAWL_ASSERT(event_);
}

void EventCancelToken::call() {
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(event_.get(), &one, sizeof one);  // full means called already
}

bool EventCancelToken::called() const {
  pollfd polled{event_.get(), POLLIN, 0};
  return ::poll(&polled, 1, 0) == 1;
}

int signal_number(Stop how) {
  return how == Stop::kill ? SIGKILL : SIGTERM;
}

Result<std::unique_ptr<Child>> ForkedChild::fork_stopped(const Launch& launch) {
  PAWL_ASSERT(!launch.command.empty() && launch.output && launch.output->descriptor() >= 3);
  struct stat folder {};
  if (::stat(launch.folder.c_str(), &folder) != 0 || !S_ISDIR(folder.st_mode)) {
    return Error{ErrorCode::missing, launch.folder + ": not a folder to work in"};
  }
  const std::string program = PAWL_TRY(program_of(launch));
  std::vector<std::string> command = launch.command;
  std::vector<std::string> environment = launch.environment;
  const std::vector<char*> arguments = pointers_to(command);
  const std::vector<char*> variables = pointers_to(environment);

  std::unique_ptr<ForkedChild> made(new ForkedChild());
  ForkedChild& child = *made;
  child.program_ = program;
  std::array<Descriptor, 2> control = PAWL_TRY(make_pair());
  child.control_ = std::move(control[0]);
  const bool is_kept = launch.is_kept && KeeperCall::possible();
  OutputPipe pipe;
  const bool is_piped = is_kept && !launch.output->path().empty();
  if (!is_piped && !launch.secrets.empty()) {
    return Error{ErrorCode::io, program + ": it gets a secret, but its output cannot be masked here"};
  }
  if (is_piped) pipe = PAWL_TRY(pipe_for(*launch.output));
  const int output = is_piped ? pipe.write.get() : launch.output->descriptor();
  std::vector<int> kept;
  for (const Handle* handle : launch.inherited) kept.push_back(handle->descriptor());
  kept.push_back(control[1].get());
  kept.push_back(output);  // until it is duplicated to 1 and 2
  std::sort(kept.begin(), kept.end());
  const Plan plan{program.c_str(), launch.folder.c_str(), arguments.data(), variables.data(),
                  output,          control[1].get(),      kept.data(),      kept.size()};
  std::array<Descriptor, 2> reports;
  std::optional<KeeperCall> keeper;
  if (is_kept) {
    reports = PAWL_TRY(make_pair());
    child.report_ = std::move(reports[0]);
    keeper.emplace(plan, reports[1].get(), launch.of_keeper ? launch.of_keeper->descriptor() : -1, pipe.options(launch),
                   numbers_of(launch.secrets, launch.environment));
  }
  // The command's files get the mode they would have without pawld as its parent.
  const std::optional<mode_t> mask = launch.makes_pawls_files ? std::nullopt : umask_before();
  {
    const MutexLock lock(one_fork_at_a_time);
    reap_left_keepers();
    pid_t forked = 0;
    {
      const SignalsBlocked blocked;
      forked = ::fork();
      if (forked == 0) {
        if (mask) ::umask(*mask);
        if (!keeper) run_command(plan);
        keeper->become();
        const Report report{Progress::keeper, errno};
        [[maybe_unused]] const ssize_t sent = ::send(plan.control, &report, sizeof report, MSG_NOSIGNAL);
        ::_exit(127);
      }
    }
    if (forked < 0) return Error{ErrorCode::io, "fork: " + reason(errno)};
    awaited_children().insert(forked);
    (keeper ? child.keeper_ : child.pid_) = forked;
    control[1].close();
    reports[1].close();
    pipe.write.close();
    Report report;
    const bool told = receive(child.control_.get(), report, 0);
    KeeperWord begun;
    // Also after a failure: by the time of this message, its copies of our descriptors are closed.
    if (keeper && receive(child.report_.get(), begun, 0)) child.pid_ = begun.pid;
    if (!told) return Error{ErrorCode::io, program + ": the child ended before it was ready"};
    if (report.progress == Progress::folder) return Error{ErrorCode::io, launch.folder + ": " + reason(report.error)};
    if (report.progress != Progress::ready) return Error{ErrorCode::io, program + ": " + reason(report.error)};
    if (child.pid_ == 0) return Error{ErrorCode::io, program + ": its keeper ended before it was ready"};
  }
  if (keeper) child.keeper_start_ = pid_start_of(child.keeper_).value_or(0);
  child.pidfd_ = pidfd_of(child.pid_);
  if (!child.pidfd_) return Error{ErrorCode::io, "pidfd_open: " + reason(errno)};
  const std::optional<std::int64_t> start = pid_start_of(child.pid_);
  if (!start && has_ended(child.pidfd_)) {
    return Error{ErrorCode::io, program + ": the child ended before it was released"};
  }
  child.pid_start_ = start.value_or(0);  // 0 if /proc does not show it: the pidfd identifies it
  return std::unique_ptr<Child>(std::move(made));
}

ForkedChild::~ForkedChild() {
  if (pid_ != 0 && (!has_lost_keeper_ || !has_ended(pidfd_))) {
    ::kill(-pid_, SIGKILL);
    ::kill(pid_, SIGKILL);  // it may not have made its group yet
  }
  if (keeper_ != 0) {
    end_keeper();
  } else if (pid_ != 0) {
    await_child(pid_, nullptr);
  }
}

/// The keeper exits when no process is left below it. If some are, reap_left_keepers() waits for it later.
void ForkedChild::end_keeper() {
  [[maybe_unused]] const ssize_t sent = ::send(report_.get(), &may_reap, sizeof may_reap, MSG_NOSIGNAL);
  const Descriptor keeper = pidfd_of(keeper_);
  pollfd polled{keeper.get(), POLLIN, 0};
  const pid_t pid = std::exchange(keeper_, 0);
  if (::poll(&polled, 1, static_cast<int>(keeper_ends_within.count())) == 1) return await_child(pid, nullptr);
  const MutexLock lock(one_fork_at_a_time);
  keepers_left().push_back(pid);
}

void ForkedChild::release() {
  // If it was killed meanwhile, wait() will see its end.
  [[maybe_unused]] const ssize_t sent = ::send(control_.get(), "!", 1, MSG_NOSIGNAL);
}

Child::Wake ForkedChild::wait(Deadline deadline, const CancelToken* call) {
  const int called = call ? static_cast<const EventCancelToken*>(call)->fd() : -1;
  for (;;) {
    if (end_) return Wake::ended;
    const int ends = keeper_ != 0 && !has_lost_keeper_ ? report_.get() : pidfd_.get();
    std::array<pollfd, 2> polled{pollfd{ends, POLLIN, 0}, pollfd{called, POLLIN, 0}};
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    const auto timeout_ms = std::clamp<std::int64_t>(left.count(), 0, INT_MAX);
    const int ready = ::poll(polled.data(), called < 0 ? 1 : 2, static_cast<int>(timeout_ms));
    if (ready < 0) {
      PAWL_ASSERT(errno == EINTR || errno == EAGAIN || errno == ENOMEM);
      continue;
    }
    if (polled[0].revents != 0 && hear_end()) return Wake::ended;
    if (polled[1].revents != 0) return Wake::called;
    if (std::chrono::steady_clock::now() >= deadline) return Wake::deadline;
  }
}

/// False if its keeper was lost: then this kills the child, and wait() continues until the child's own end.
bool ForkedChild::hear_end() {
  if (keeper_ == 0 || has_lost_keeper_) return true;
  KeeperWord word;
  if (receive(report_.get(), word, MSG_DONTWAIT)) {
    end_ = {word.code == CLD_EXITED ? CommandExit::How::exited : CommandExit::How::signalled, word.status};
    return true;
  }
  has_lost_keeper_ = true;
  signal_group(Stop::kill);
  return false;
}

void ForkedChild::signal_group(Stop how) {
  PAWL_ASSERT(pid_ > 0);
  // The process that adopted it after its keeper was killed may have reaped it, so its pid may be reused.
  if (has_lost_keeper_ && has_ended(pidfd_)) return;
  ::kill(-pid_, signal_number(how));
}

CommandExit ForkedChild::reap() {
  PAWL_ASSERT(pid_ > 0);
  const pid_t pid = std::exchange(pid_, 0);
  if (keeper_ != 0) {
    end_keeper();
  } else {
    int status = 0;
    await_child(pid, &status);
    const bool exited = WIFEXITED(status);
    end_ = {exited ? CommandExit::How::exited : CommandExit::How::signalled,
            exited ? WEXITSTATUS(status) : WTERMSIG(status)};
  }
  Report report;
  if (receive(control_.get(), report, MSG_DONTWAIT)) exec_failure_ = program_ + ": " + reason(report.error);
  return end_.value_or(CommandExit{CommandExit::How::lost, 0});
}

void reap_strangers() {
  const MutexLock lock(one_fork_at_a_time);
  reap_left_keepers();
  const std::vector<pid_t> ended = ended_children();
  for (const pid_t pid : ended) {
    siginfo_t info{};
    if (!awaited_children().contains(pid)) ::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG);
  }
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
