// What identifies a process over time: its host, its pid and its start time.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pawl {

/// This machine's host name; "localhost" if the kernel does not provide one.
std::string host_name();

/// The scope within which a pid is meaningful: "NAME KERNEL-BOOT-ID PID-NAMESPACE". The same name under another kernel
/// boot is another machine, whose processes are all gone.
std::string this_host();

/// The parts of such a text; the last two are empty if the text has another form.
struct HostParts {
  std::string_view name, kernel_boot, pid_namespace;
};
HostParts host_parts(std::string_view host);

/// Whether its kernel boot and pid namespace are known: an unknown one equals nothing.
bool is_known(const HostParts& host);

/// The time namespace of this process, which determines CLOCK_BOOTTIME, and its offset from the outside, since the
/// number of a namespace that is gone can be reused: "time:[4026531834] 0 0"; "unknown" without /proc.
std::string time_namespace();
/// Whether the start time `seen` (ProcessStat::start) and the recorded one, `known`, are the same. In a time namespace
/// each start appears later by the namespace's CLOCK_BOOTTIME offset, and `known` may have been read from here or from
/// outside.
bool is_same_start(std::int64_t seen, std::int64_t known);
bool is_known(std::string_view name);
/// Whether all processes of that host are known to be gone. `earlier` are hosts that were this same machine, where a
/// daemon of this data folder has run. If such a host has a kernel other than the current one, it has ended; about any
/// other host nothing is known, whatever its name.
bool kernel_has_ended(const std::string& host, const std::vector<std::string>& earlier);

/// Why this process cannot see other processes on this machine, for people; none if it can.
std::optional<std::string> blindness();

/// The whole content of a file under /proc; none if it cannot be read; errno then says why.
std::optional<std::string> proc_file(const std::string& path);

/// /proc/PID/stat.
struct ProcessStat {
  char state = '?';
  pid_t parent = 0;
  pid_t session = 0;
  std::int64_t threads = 0;
  std::int64_t start = 0;  // field 22: clock ticks from the kernel's start to the process's

  /// A leader that ended before its threads also shows as a zombie while they still run.
  bool ended() const { return state == 'X' || state == 'x' || (state == 'Z' && threads <= 1); }
};

/// None if there is no such process; errno says why it could not be read.
std::optional<ProcessStat> process_stat(pid_t pid);

/// The process's start time; none if there is no such process or it is a zombie, which has ended.
std::optional<std::int64_t> pid_start_of(pid_t pid);

}  // namespace pawl
