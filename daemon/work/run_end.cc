#include "daemon/work/run_end.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <set>
#include <vector>

#include "store/os/process_identity.h"

namespace pawl {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds end_within_min{1000};
constexpr milliseconds look_again_min{5};
constexpr milliseconds look_again_max{100};

/// Whether a pid means the same on both hosts: a machine may have been renamed.
bool is_same_view(const std::string& one, const std::string& other) {
  const HostParts left = host_parts(one);
  const HostParts right = host_parts(other);
  const bool is_same = left.kernel_boot == right.kernel_boot && left.pid_namespace == right.pid_namespace;
  return one == other || (is_known(left) && is_known(right) && is_same);
}

ProcessMarkers signs_of(const RunNote& note, const std::string& here) {
  ProcessMarkers signs;
  signs.run = note.run;
  if (is_same_view(note.host, here)) {
    signs.leader = note.pid;
    signs.leader_start = note.pid_start;
    signs.keeper = note.keeper;
    signs.keeper_start = note.keeper_start;
  }
  return signs;
}

}  // namespace

RunEnd end_run(System& system, const std::string& run, const EndRequest& request) {
  PAWL_ASSERT(!run.empty());
  const std::optional<RunNote> note = system.noted_run(run);
  const milliseconds within = std::max(request.within, end_within_min);
  const Deadline begin = system.now();
  ProcessMarkers signs;
  signs.run = run;
  if (note && note->is_foreign) return RunEnd::alive;  // presumably, and not ours to end
  if (note) signs = signs_of(*note, system.own_host());
  std::set<pid_t> told;
  bool was_killed = false;  // in the previous round
  Deadline killed_at{};     // for the first time
  milliseconds pause = look_again_min;
  for (;;) {
    const bool hurries = request.hurry && request.hurry->called();
    const bool kill = request.first == Stop::kill || hurries || system.now() - begin >= within / 2;
    const std::vector<std::unique_ptr<OtherProcess>> found = system.processes_of(signs);
    if (found.empty()) {
      // Scan twice: a process that forks and exits during a single scan could hide its child.
      const bool is_kept = note && note->keeper != 0 && !request.is_ours && system.is_run_kept(run);
      if (!is_kept && (!note || system.is_run_unlocked(run)) && system.processes_of(signs).empty()) {
        if (note) system.forget_run(run);
        return RunEnd::gone;
      }
      signs.by_lock = note.has_value();  // A process without any other sign holds the lock.
    }
    for (const std::unique_ptr<OtherProcess>& process : found) {
      // Send SIGTERM only once: a second signal could disturb its handler.
      if (kill) {
        process->signal(Stop::kill);
      } else if (told.insert(process->pid()).second) {
        process->signal(Stop::terminate);
      }
    }
    // If the machine was suspended, the time may be over before anything was killed, or had time to die.
    const Deadline end = hurries ? killed_at + end_within_min : begin + within;
    if (was_killed && system.now() >= end) return RunEnd::alive;
    if (kill && !was_killed) killed_at = system.now();
    was_killed = kill;
    system.sleep_for(pause);
    pause = std::min(pause * 2, look_again_max);
  }
}

}  // namespace pawl
