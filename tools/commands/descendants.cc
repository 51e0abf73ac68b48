#include "tools/commands/descendants.h"

#include <dirent.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <map>

#include "store/os/descriptor.h"
#include "store/os/process_identity.h"

namespace pawl {
namespace {

std::vector<pid_t> all_pids() {
  std::vector<pid_t> pids;
  DIR* folder = ::opendir("/proc");
  if (!folder) return pids;
  while (const dirent* entry = ::readdir(folder)) {
    pid_t pid = 0;
    const char* end = entry->d_name + std::strlen(entry->d_name);
    const auto read = std::from_chars(entry->d_name, end, pid);
    if (read.ec == std::errc() && read.ptr == end) pids.push_back(pid);
  }
  ::closedir(folder);
  return pids;
}

}  // namespace

std::vector<ProcessId> descendants_of(pid_t root) {
  std::multimap<pid_t, ProcessId> children;
  for (const pid_t pid : all_pids()) {
    const auto stat = process_stat(pid);
    if (stat && !stat->ended()) children.emplace(stat->parent, ProcessId{pid, stat->start});
  }
  std::vector<ProcessId> found;
  std::vector<pid_t> parents = {root};
  while (!parents.empty()) {
    const pid_t parent = parents.back();
    parents.pop_back();
    const auto [begin, end] = children.equal_range(parent);
    for (auto child = begin; child != end; ++child) {
      found.push_back(child->second);
      parents.push_back(child->second.pid);
    }
    children.erase(begin, end);  // A pid that was reused during the scan cannot close a cycle.
  }
  return found;
}

void signal_process(const ProcessId& process, int signal) {
  const Descriptor handle(static_cast<int>(::syscall(SYS_pidfd_open, process.pid, 0)));
  // While the handle is open, the pid cannot be reused between this check and the signal.
  if (!handle || pid_start_of(process.pid) != process.start) return;
  ::syscall(SYS_pidfd_send_signal, handle.get(), signal, nullptr, 0);
}

}  // namespace pawl
