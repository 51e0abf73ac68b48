// By what a process is known across time: its host, its pid, and when it started.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

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

/// Whether that host is this machine under an earlier kernel boot: nothing of it lives any more.
bool kernel_has_ended(const std::string& host);

/// The whole of a file under /proc; none if it cannot be read, with errno saying why.
std::optional<std::string> proc_file(const std::string& path);

/// /proc/PID/stat.
struct ProcessStat {
  char state = '?';
  pid_t parent = 0;
  pid_t session = 0;
  std::int64_t start = 0;  // field 22: clock ticks from the kernel's start to the process's

  bool ended() const { return state == 'Z' || state == 'X' || state == 'x'; }
};

/// None if there is no such process, with errno saying why it could not be read.
std::optional<ProcessStat> process_stat(pid_t pid);

/// When it started; none if there is no such process, or if it is a zombie: that has ended.
std::optional<std::int64_t> pid_start_of(pid_t pid);

}  // namespace pawl
