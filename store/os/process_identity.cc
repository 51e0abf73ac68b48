#include "store/os/process_identity.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdlib>
#include <sstream>

#include "store/os/descriptor.h"
#include "store/os/file_io.h"

namespace pawl {
namespace {

constexpr std::string_view unknown = "unknown";

struct TimeOffset {
  std::int64_t s = 0;
  std::int64_t ns = 0;
};

/// The CLOCK_BOOTTIME offset of this process's time namespace.
std::optional<TimeOffset> boottime_offset() {
  const std::optional<std::string> lines = proc_file("/proc/self/timens_offsets");
  const std::size_t at = lines ? lines->find("boottime") : std::string::npos;
  if (at == std::string::npos) return std::nullopt;
  std::istringstream line(lines->substr(at));
  std::string name;
  TimeOffset offset;
  line >> name >> offset.s >> offset.ns;
  return line ? std::optional(offset) : std::nullopt;
}

}  // namespace

std::string host_name() {
  utsname names{};
  return ::uname(&names) == 0 ? names.nodename : "localhost";
}

std::string this_host() {
  std::string kernel_boot = proc_file("/proc/sys/kernel/random/boot_id").value_or(std::string(unknown));
  while (!kernel_boot.empty() && kernel_boot.back() == '\n') kernel_boot.pop_back();
  struct stat pids {};
  const std::string pid_namespace =
      ::stat("/proc/self/ns/pid", &pids) == 0 ? std::to_string(pids.st_ino) : std::string(unknown);
  return host_name() + " " + kernel_boot + " " + pid_namespace;
}

HostParts host_parts(std::string_view host) {
  const std::size_t first = host.find(' ');
  const std::size_t second = first == std::string_view::npos ? first : host.find(' ', first + 1);
  if (second == std::string_view::npos) return {host, {}, {}};
  return {host.substr(0, first), host.substr(first + 1, second - first - 1), host.substr(second + 1)};
}

bool is_known(std::string_view name) {
  return !name.empty() && name != unknown;
}

bool is_known(const HostParts& host) {
  return is_known(host.kernel_boot) && is_known(host.pid_namespace);
}

std::string time_namespace() {
  std::array<char, 64> name{};
  const ssize_t bytes = ::readlink("/proc/self/ns/time", name.data(), name.size());
  const std::optional<TimeOffset> offset = boottime_offset();
  if (bytes <= 0 || !offset) return std::string(unknown);
  return std::string(name.data(), static_cast<std::size_t>(bytes)) + ' ' + std::to_string(offset->s) + ' ' +
         std::to_string(offset->ns);
}

bool is_same_start(std::int64_t seen, std::int64_t known) {
  if (seen == known) return true;
  static const TimeOffset offset = boottime_offset().value_or(TimeOffset{});
  const std::int64_t ticks_per_s = ::sysconf(_SC_CLK_TCK);
  const std::int64_t later = offset.s * ticks_per_s + offset.ns * ticks_per_s / 1'000'000'000;
  // Both are rounded to whole ticks.
  return (offset.s != 0 || offset.ns != 0) && std::abs(seen - later - known) <= 1;
}

bool kernel_has_ended(const std::string& host, const std::vector<std::string>& earlier) {
  const std::string here = this_host();
  const HostParts ours = host_parts(here);
  const HostParts theirs = host_parts(host);
  if (!is_known(ours) || !is_known(theirs) || theirs.kernel_boot == ours.kernel_boot) return false;
  return std::any_of(earlier.begin(), earlier.end(), [&](const std::string& each) {
    const HostParts known = host_parts(each);
    return is_known(known) && known.name == theirs.name && known.kernel_boot == theirs.kernel_boot;
  });
}

std::optional<std::string> blindness() {
  const std::string here = this_host();
  if (!is_known(host_parts(here))) return "/proc is not mounted, or shows only part of it";
  if (process_stat(::getpid()).value_or(ProcessStat{}).start == 0) return "/proc does not show this process";
  // For most daemons, process 1 belongs to another user, and it exists wherever processes do.
  const bool is_there = ::kill(1, 0) == 0 || errno == EPERM;
  if (is_there && !process_stat(1)) return "/proc hides the processes of other users (hidepid, subset)";
  return std::nullopt;
}

std::optional<std::string> proc_file(const std::string& path) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return std::nullopt;
  Result<std::string> contents = read_to_end(file, path);
  const int number = errno;
  if (!contents) {
    errno = number;
    return std::nullopt;
  }
  return std::move(contents).value();
}

std::optional<ProcessStat> process_stat(pid_t pid) {
  const std::optional<std::string> text = proc_file("/proc/" + std::to_string(pid) + "/stat");
  if (!text) return std::nullopt;
  // The second field is the program's name in parentheses, which may itself contain anything: count fields from its
  // end.
  const std::size_t name_end = text->rfind(')');
  if (name_end == std::string::npos) return std::nullopt;
  ProcessStat stat;
  std::string_view rest = std::string_view(*text).substr(name_end + 1);
  for (int field = 3; field <= 22; ++field) {
    const std::size_t from = rest.find_first_not_of(' ');
    if (from == std::string_view::npos) return std::nullopt;
    rest.remove_prefix(from);
    const std::string_view word = rest.substr(0, rest.find(' '));
    if (field == 3) stat.state = word.front();
    if (field == 4) std::from_chars(word.data(), word.data() + word.size(), stat.parent);
    if (field == 6) std::from_chars(word.data(), word.data() + word.size(), stat.session);
    if (field == 20) std::from_chars(word.data(), word.data() + word.size(), stat.threads);
    if (field == 22) std::from_chars(word.data(), word.data() + word.size(), stat.start);
    rest.remove_prefix(word.size());
  }
  return stat;
}

std::optional<std::int64_t> pid_start_of(pid_t pid) {
  const std::optional<ProcessStat> stat = process_stat(pid);
  if (!stat || stat->ended()) return std::nullopt;
  return stat->start;
}

}  // namespace pawl
