// By what a process is known across time: its host, its pid, and when it started.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pawl {

/// The host name of this machine; "localhost" if the kernel does not say.
std::string host_name();

/// This machine, as far as a pid means anything: "NAME KERNEL-BOOT-ID PID-NAMESPACE". The same name under another
/// kernel boot is another machine, of which nothing lives any more.
std::string this_host();

/// The parts of such a text; the last two are empty in a text of another form.
struct HostParts {
  std::string_view name, kernel_boot, pid_namespace;
};
HostParts host_parts(std::string_view host);

/// Whether a kernel boot and a pid namespace are known of it: what is not known equals nothing.
bool is_known(const HostParts& host);

/// The time namespace of this process, in which CLOCK_BOOTTIME counts, and by how much it counts more there than
/// outside, since the number of one that is gone is given out again: "time:[4026531834] 0 0"; "unknown" without /proc.
std::string time_namespace();
/// Whether a process that is seen to have started at `seen` (ProcessStat::start) is one whose start somebody knows as
/// `known`. In a time namespace each start is seen later by as much as CLOCK_BOOTTIME counts more there, and whoever
/// knows it may have seen it from here or from outside.
bool is_same_start(std::int64_t seen, std::int64_t known);
bool is_known(std::string_view name);
/// Whether nothing of that host lives any more. `earlier` are hosts that were this very machine: where a daemon of this
/// data folder has run. One of these whose kernel is not the present one has ended; of every other host nothing is
/// known, whatever its name.
bool kernel_has_ended(const std::string& host, const std::vector<std::string>& earlier);

/// Why other processes of this machine cannot be seen from here, for people; none if they can.
std::optional<std::string> blindness();

/// The whole of a file under /proc; none if it cannot be read, with errno saying why.
std::optional<std::string> proc_file(const std::string& path);

/// /proc/PID/stat.
struct ProcessStat {
  char state = '?';
  pid_t parent = 0;
  pid_t session = 0;
  std::int64_t threads = 0;
  std::int64_t start = 0;  // field 22: clock ticks from the kernel's start to the process's

  /// A leader that ended before its threads shows as a zombie too, and they run on.
  bool ended() const { return state == 'X' || state == 'x' || (state == 'Z' && threads <= 1); }
};

/// None if there is no such process, with errno saying why it could not be read.
std::optional<ProcessStat> process_stat(pid_t pid);

/// When it started; none if there is no such process, or if it is a zombie: that has ended.
std::optional<std::int64_t> pid_start_of(pid_t pid);

}  // namespace pawl
