#include "daemon/api/process_figures.h"

#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace pawl {

ProcessFigures look_at_process() {
  ProcessFigures figures;
  timespec cpu{};
  if (::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu) == 0) {
    figures.cpu_us = std::int64_t{cpu.tv_sec} * 1'000'000 + cpu.tv_nsec / 1'000;
  }
  std::ifstream statm("/proc/self/statm");
  std::int64_t all = 0;
  std::int64_t resident = 0;
  if (statm >> all >> resident) {
    const std::int64_t page = ::sysconf(_SC_PAGESIZE);
    figures.virtual_bytes = all * page;
    figures.resident_bytes = resident * page;
  }
  std::error_code failure;
  std::int64_t open = 0;
  for (std::filesystem::directory_iterator at("/proc/self/fd", failure), end; !failure && at != end;
       at.increment(failure)) {
    ++open;
  }
  // The walk's own is one of them.
  if (!failure) figures.open_fds = open - 1;
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY) {
    figures.fds_max = static_cast<std::int64_t>(limit.rlim_cur);
  }
  return figures;
}

}  // namespace pawl
