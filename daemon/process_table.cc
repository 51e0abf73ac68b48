#include "daemon/process_table.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <memory>
#include <string_view>
#include <utility>

namespace pawl {
namespace {

/// The whole of a file under /proc; none if it cannot be read, with errno saying why.
std::optional<std::string> contents_of(const std::string& path) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return std::nullopt;
  std::string contents;
  std::array<char, 8192> buffer{};
  for (;;) {
    const ssize_t got = ::read(file.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return std::nullopt;
    if (got == 0) return contents;
    contents.append(buffer.data(), static_cast<std::size_t>(got));
  }
}

std::string proc(pid_t pid, const char* name) {
  return "/proc/" + std::to_string(pid) + "/" + name;
}

struct Stat {
  char state = '?';
  pid_t parent = 0;
  pid_t session = 0;
  std::int64_t start = 0;

  bool ended() const { return state == 'Z' || state == 'X' || state == 'x'; }
};

/// None if there is no such process.
std::optional<Stat> stat_of(pid_t pid) {
  const std::optional<std::string> text = contents_of(proc(pid, "stat"));
  if (!text) return std::nullopt;
  // The second field is the program's name in parentheses, and may itself hold anything: fields count from its end.
  const std::size_t name_end = text->rfind(')');
  if (name_end == std::string::npos) return std::nullopt;
  Stat stat;
  std::string_view rest = std::string_view(*text).substr(name_end + 1);
  for (int field = 3; field <= 22; ++field) {
    const std::size_t from = rest.find_first_not_of(' ');
    if (from == std::string_view::npos) return std::nullopt;
    rest.remove_prefix(from);
    const std::string_view word = rest.substr(0, rest.find(' '));
    if (field == 3) stat.state = word.front();
    if (field == 4) std::from_chars(word.data(), word.data() + word.size(), stat.parent);
    if (field == 6) std::from_chars(word.data(), word.data() + word.size(), stat.session);
    if (field == 22) std::from_chars(word.data(), word.data() + word.size(), stat.start);
    rest.remove_prefix(word.size());
  }
  return stat;
}

bool bears_run(pid_t pid, const std::string& run) {
  const std::optional<std::string> environment = contents_of(proc(pid, "environ"));
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

/// Name, kernel boot and pid namespace of a host text.
struct HostParts {
  std::string_view name, kernel_boot, pid_namespace;
};

HostParts parts_of(std::string_view host) {
  const std::size_t first = host.find(' ');
  const std::size_t second = first == std::string_view::npos ? first : host.find(' ', first + 1);
  if (second == std::string_view::npos) return {host, {}, {}};
  return {host.substr(0, first), host.substr(first + 1, second - first - 1), host.substr(second + 1)};
}

}  // namespace

std::string this_host() {
  utsname names{};
  const std::string name = ::uname(&names) == 0 ? names.nodename : "localhost";
  std::string kernel_boot = contents_of("/proc/sys/kernel/random/boot_id").value_or("unknown");
  while (!kernel_boot.empty() && kernel_boot.back() == '\n') kernel_boot.pop_back();
  struct stat pids {};
  const std::string pid_namespace =
      ::stat("/proc/self/ns/pid", &pids) == 0 ? std::to_string(pids.st_ino) : std::string("unknown");
  return name + " " + kernel_boot + " " + pid_namespace;
}

std::optional<std::int64_t> pid_start_of(pid_t pid) {
  const std::optional<Stat> stat = stat_of(pid);
  if (!stat || stat->ended()) return std::nullopt;
  return stat->start;
}

bool kernel_has_ended(const std::string& host) {
  const std::string here = this_host();
  const HostParts ours = parts_of(here);
  const HostParts theirs = parts_of(host);
  return theirs.name == ours.name && !theirs.kernel_boot.empty() && theirs.kernel_boot != ours.kernel_boot;
}

Liveness liveness_of(const std::string& host, std::int64_t pid, std::optional<std::int64_t> pid_start) {
  const std::string here = this_host();
  const HostParts ours = parts_of(here);
  const HostParts theirs = parts_of(host);
  if (theirs.kernel_boot != ours.kernel_boot) return kernel_has_ended(host) ? Liveness::dead : Liveness::invisible;
  if (theirs.pid_namespace != ours.pid_namespace) return Liveness::invisible;
  if (pid <= 0 || pid > INT32_MAX) return Liveness::dead;  // never was the number of a process
  errno = 0;
  const std::optional<Stat> stat = stat_of(static_cast<pid_t>(pid));
  if (!stat) return errno == ENOENT || errno == ESRCH ? Liveness::dead : Liveness::unknown;
  if (stat->ended() || (pid_start && *pid_start != stat->start)) return Liveness::dead;
  return Liveness::alive;
}

// Debian 12's <sys/pidfd.h> forgets to be C to a C++ compiler, so the calls are made by number.
Descriptor pidfd_of(pid_t pid) {
  return Descriptor(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
}

void send_signal(const Descriptor& pidfd, int signal) {
  ::syscall(SYS_pidfd_send_signal, pidfd.get(), signal, nullptr, 0);
}

std::vector<FoundProcess> processes_of(const RunSigns& signs) {
  std::vector<FoundProcess> found;
  const uid_t user = ::geteuid();
  const pid_t self = ::getpid();

  // The number of a session is not given out again while the session has members; but once it had none, its number
  // may have become somebody else's.
  bool by_session = signs.leader > 0;
  if (by_session) {
    const std::optional<Stat> leader = stat_of(signs.leader);
    if (leader && leader->start != signs.leader_start) by_session = false;
  }
  struct stat lock {};
  const bool by_lock = !signs.lock_path.empty() && ::stat(signs.lock_path.c_str(), &lock) == 0;

  const Folder folder(::opendir("/proc"));
  if (!folder) return found;
  while (const dirent* entry = ::readdir(folder.get())) {
    pid_t pid = 0;
    const std::string_view name = entry->d_name;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (error != std::errc() || end != name.data() + name.size() || pid == self) continue;
    struct stat owner {};
    if (::fstatat(::dirfd(folder.get()), entry->d_name, &owner, 0) != 0 || owner.st_uid != user) continue;

    Descriptor pidfd = pidfd_of(pid);
    if (!pidfd) continue;
    const std::optional<Stat> stat = stat_of(pid);
    if (!stat || stat->ended()) continue;
    const bool in_session = by_session && stat->session == signs.leader && stat->start >= signs.leader_start;
    // A child of ours that is just being started has copies of all our descriptors for a moment, this lock among
    // them, and is none of the run's.
    const bool has_lock = by_lock && stat->parent != self && holds_open(pid, lock);
    if (in_session || has_lock || bears_run(pid, signs.run)) found.push_back({pid, std::move(pidfd)});
  }
  return found;
}

}  // namespace pawl
