#include "daemon/work/process_table.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstring>
#include <map>
#include <memory>
#include <set>
#include <sstream>
#include <string_view>
#include <utility>

#include "daemon/work/process.h"

namespace pawl {
namespace {

std::string proc(pid_t pid, const char* name) {
  return "/proc/" + std::to_string(pid) + "/" + name;
}

/// How often, a millisecond apart, to look again at a process that is about to run another program.
constexpr int exec_looks_max = 500;

/// Whether the process is in the middle of execve(): its new program has no environment yet, and the old one's is gone.
bool is_in_exec(pid_t pid) {
  const std::optional<std::string> stat = proc_file(proc(pid, "stat"));
  if (!stat) return false;
  std::istringstream fields(stat->substr(stat->rfind(')') + 1));
  constexpr int first_field = 3;
  constexpr int vsize_field = 23;  // 0 for the kernel's threads and for what has ended
  constexpr int env_end_field = 51;
  std::string field;
  bool has_memory = false;
  for (int number = first_field; fields >> field; ++number) {
    if (number == vsize_field) has_memory = field != "0";
    if (number == env_end_field) return has_memory && field == "0";
  }
  return false;
}

/// None if the process is gone or not to be seen.
std::optional<std::string> environment_of(pid_t pid) {
  std::optional<std::string> environment = proc_file(proc(pid, "environ"));
  for (int look = 0; look < exec_looks_max && environment && environment->empty(); ++look) {
    const bool will_have_one = is_in_exec(pid);
    if (will_have_one) ::poll(nullptr, 0, 1);
    // If it is not in the middle of it, it may have been when it was read.
    environment = proc_file(proc(pid, "environ"));
    if (!will_have_one) break;
  }
  return environment;
}

bool bears_run(pid_t pid, const std::string& run) {
  const std::optional<std::string> environment = environment_of(pid);
  if (!environment) return false;
  const std::string wanted = "PAWL_RUN=" + run;
  for (std::size_t from = 0; from < environment->size();) {
    const std::size_t end = environment->find('\0', from);
    const std::size_t length = (end == std::string::npos ? environment->size() : end) - from;
    if (std::string_view(*environment).substr(from, length) == wanted) return true;
    from += length + 1;
  }
  return false;
}

struct CloseFolder {
  void operator()(DIR* folder) const { ::closedir(folder); }
};
using Folder = std::unique_ptr<DIR, CloseFolder>;

bool holds_open(pid_t pid, const struct stat& wanted) {
  const std::string path = proc(pid, "fd");
  const Folder folder(::opendir(path.c_str()));
  if (!folder) return false;
  while (const dirent* entry = ::readdir(folder.get())) {
    struct stat found {};
    if (::fstatat(::dirfd(folder.get()), entry->d_name, &found, 0) != 0) continue;
    if (found.st_dev == wanted.st_dev && found.st_ino == wanted.st_ino) return true;
  }
  return false;
}

/// Uses a pidfd, so that a signal cannot reach a later process with the same pid.
class PidfdProcess final : public OtherProcess {
 public:
  PidfdProcess(pid_t pid, Descriptor pidfd) : pid_(pid), pidfd_(std::move(pidfd)) {}

  pid_t pid() const override { return pid_; }
  void signal(Stop how) override { ::syscall(SYS_pidfd_send_signal, pidfd_.get(), signal_number(how), nullptr, 0); }

  std::optional<std::string> signal_group(Stop how) override {
    const int number = signal_number(how);
    // Its pid is the group's id only while it lives, so signal the group while it is known to live. The group must not
    // be ours: a report naming the process that started the daemon would then end the daemon.
    const bool leads = ::getpgid(pid_) == pid_ && pid_ != ::getpgrp();
    const bool told = leads ? ::kill(-pid_, number) == 0 : ::kill(pid_, number) == 0;
    if (told || errno == ESRCH) return std::nullopt;
    return std::strerror(errno);
  }

  bool ended_within(std::chrono::milliseconds within) override {
    pollfd polled{pidfd_.get(), POLLIN, 0};
    return ::poll(&polled, 1, static_cast<int>(within.count())) == 1;
  }

 private:
  const pid_t pid_;
  const Descriptor pidfd_;
};

}  // namespace

// Debian 12's <sys/pidfd.h> lacks extern "C" for C++, so this calls by system call number.
Descriptor pidfd_of(pid_t pid) {
  return Descriptor(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
}

Liveness liveness_of(const std::string& host, std::int64_t pid, std::optional<std::int64_t> pid_start,
                     const std::vector<std::string>& earlier) {
  const std::string here = this_host();
  const HostParts ours = host_parts(here);
  const HostParts theirs = host_parts(host);
  if (kernel_has_ended(host, earlier)) return Liveness::dead;
  const bool is_here = is_known(ours) && theirs.name == ours.name && theirs.kernel_boot == ours.kernel_boot &&
                       theirs.pid_namespace == ours.pid_namespace;
  if (!is_here) return Liveness::invisible;
  if (pid <= 0 || pid > INT32_MAX) return Liveness::dead;  // not a valid pid
  const Descriptor process = pidfd_of(static_cast<pid_t>(pid));
  if (!process) return errno == ESRCH ? Liveness::dead : Liveness::unknown;
  // Readable once the process and all its threads have ended, reaped or not.
  pollfd polled{process.get(), POLLIN, 0};
  if (::poll(&polled, 1, 0) == 1) return Liveness::dead;
  // From here on the pid belongs to a live process; the question is which. Without /proc it may still be the one.
  const std::optional<ProcessStat> stat = process_stat(static_cast<pid_t>(pid));
  if (!stat) return pid_start ? Liveness::unknown : Liveness::alive;
  return pid_start && !is_same_start(stat->start, *pid_start) ? Liveness::dead : Liveness::alive;
}

std::unique_ptr<OtherProcess> other_process(pid_t pid) {
  Descriptor pidfd = pidfd_of(pid);
  return pidfd ? std::make_unique<PidfdProcess>(pid, std::move(pidfd)) : nullptr;
}

namespace {

/// The pids that /proc shows.
std::vector<pid_t> all_pids() {
  std::vector<pid_t> pids;
  const Folder folder(::opendir("/proc"));
  if (!folder) return pids;
  while (const dirent* entry = ::readdir(folder.get())) {
    pid_t pid = 0;
    const std::string_view name = entry->d_name;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (error == std::errc() && end == name.data() + name.size()) pids.push_back(pid);
  }
  return pids;
}

/// A keeper's descendants, in one pass over /proc.
std::set<pid_t> below(pid_t keeper, std::int64_t keeper_start) {
  std::set<pid_t> found;
  const std::optional<ProcessStat> itself = keeper > 0 ? process_stat(keeper) : std::nullopt;
  if (!itself || itself->start != keeper_start) return found;
  std::multimap<pid_t, pid_t> children;
  for (const pid_t pid : all_pids()) {
    if (const std::optional<ProcessStat> stat = process_stat(pid)) children.emplace(stat->parent, pid);
  }
  std::vector<pid_t> parents = {keeper};
  while (!parents.empty()) {
    const auto [begin, end] = children.equal_range(parents.back());
    parents.pop_back();
    for (auto child = begin; child != end; ++child) {
      if (found.insert(child->second).second) parents.push_back(child->second);
    }
  }
  return found;
}

}  // namespace

std::vector<pid_t> ended_children() {
  std::vector<pid_t> ended;
  const pid_t self = ::getpid();
  for (const pid_t pid : all_pids()) {
    const std::optional<ProcessStat> stat = process_stat(pid);
    if (stat && stat->parent == self && stat->ended()) ended.push_back(pid);
  }
  return ended;
}

bool is_of_worker(pid_t pid, std::int64_t worker, std::int64_t worker_start) {
  if (worker <= 1 || worker > INT32_MAX) return false;
  const auto owner_of = [](pid_t process) -> std::optional<uid_t> {
    struct stat owner {};
    if (::stat(("/proc/" + std::to_string(process)).c_str(), &owner) != 0) return std::nullopt;
    return owner.st_uid;
  };
  const auto worker_pid = static_cast<pid_t>(worker);
  const std::optional<ProcessStat> its_worker = process_stat(worker_pid);
  const std::optional<ProcessStat> itself = process_stat(pid);
  const bool is_that_worker = worker_start == 0 || (its_worker && is_same_start(its_worker->start, worker_start));
  if (!its_worker || !itself || !is_that_worker) return false;
  const std::optional<uid_t> user = owner_of(pid);
  if (itself->session == its_worker->session && user && user == owner_of(worker_pid)) return true;
  // A chain of parents is bounded by the number of processes, unless they change during this loop.
  constexpr int generations_max = 4096;
  pid_t at = itself->parent;
  for (int i = 0; i < generations_max && at > 1; ++i) {
    if (at == worker_pid) return true;
    const std::optional<ProcessStat> parent = process_stat(at);
    if (!parent) return false;
    at = parent->parent;
  }
  return false;
}

std::vector<std::unique_ptr<OtherProcess>> processes_of(const ProcessMarkers& signs, const std::string& lock_path) {
  std::vector<std::unique_ptr<OtherProcess>> found;
  const uid_t user = ::geteuid();
  const pid_t self = ::getpid();

  // The kernel does not reuse a session's id while the session has members, but once it is empty, another process may
  // have the id.
  bool by_session = signs.leader > 0;
  if (by_session) {
    const std::optional<ProcessStat> leader = process_stat(signs.leader);
    if (leader && !is_same_start(leader->start, signs.leader_start)) by_session = false;
  }
  struct stat lock {};
  const bool by_lock = !lock_path.empty() && ::stat(lock_path.c_str(), &lock) == 0;

  const std::set<pid_t> kept = below(signs.keeper, signs.keeper_start);
  for (const pid_t pid : all_pids()) {
    if (pid == self) continue;
    // A process of another user belongs to the run only as a descendant of the keeper: its other signs could be forged.
    const bool is_kept = kept.contains(pid);
    struct stat owner {};
    if (::stat(("/proc/" + std::to_string(pid)).c_str(), &owner) != 0 || (owner.st_uid != user && !is_kept)) continue;

    Descriptor pidfd = pidfd_of(pid);
    if (!pidfd) continue;
    const std::optional<ProcessStat> stat = process_stat(pid);
    if (!stat || stat->ended()) continue;
    const bool in_session = by_session && stat->session == signs.leader && stat->start >= signs.leader_start;
    // A child of ours that is just starting briefly has copies of all our descriptors, including this lock, but does
    // not belong to the run.
    const bool has_lock = by_lock && stat->parent != self && holds_open(pid, lock);
    if (is_kept || in_session || has_lock || bears_run(pid, signs.run)) {
      found.push_back(std::make_unique<PidfdProcess>(pid, std::move(pidfd)));
    }
  }
  return found;
}

}  // namespace pawl
