// The locks by which it is known that a process is gone (SPEC §8 "No orphan races its successor").
//
// Each run has a random name, which its processes bear in their environment as PAWL_RUN, and a file DIR/runs/NAME.lock.
// They inherit an open descriptor that holds flock(2) on it: the kernel gives the lock back when the last of them is
// gone, whoever has died in between. The file also says what the run is for and who leads it. It is removed when the
// run is known to be gone; so what lies in DIR/runs at a start is what an earlier boot left behind.
//
// Each place in the journal of steps has a file DIR/steps/TASK-VERSION-STEP.lock, held by whoever works on it.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/policies/world.h"
#include "schema/result.h"
#include "store/os/descriptor.h"

namespace pawl {

/// A run that is being started. Held until its child has inherited the lock; then dropped, so that only the run's own
/// processes hold it.
struct RunLock {
  std::string run;  // PAWL_RUN: 128 random bits as hex
  std::string path;
  Descriptor lock;
};

/// What the file of a run says.
struct RunNote {
  std::string run;
  std::string purpose;  // for people and for those who began it: "job 12 attempt 1"
  std::string host;     // that its pid counts on; empty if it never got as far as a process
  pid_t pid = 0;
  std::int64_t pid_start = 0;
};

/// Makes a run and its file, and takes its lock. `purpose` is one line.
Result<RunLock> new_run(const std::string& data_folder, const std::string& purpose);
/// Writes down who leads it, before that executes.
Result<void> note_leader(const RunLock& run, pid_t pid, std::int64_t pid_start);
/// The runs that are not known to be gone, by name.
std::vector<RunNote> noted_runs(const std::string& data_folder);
/// None if there is no such run, or if it is known to be gone.
std::optional<RunNote> noted_run(const std::string& data_folder, const std::string& run);

enum class RunEnd { gone, alive };

/// How a run is told to go.
struct EndOrder {
  enum class First { terminate, kill };
  First first = First::terminate;
  /// SIGKILL follows SIGTERM when half of this has passed. A second is the least: even SIGKILL takes its time.
  std::chrono::milliseconds within{};
};

/// Ends what is left of a run: the group and session of its leader, every process of this user that bears its name,
/// and every one that holds its lock; again and again, since they may fork, until none is seen and the lock is free.
/// Then its file is removed, and it is `gone`. Of a run that is not noted, because it is known to be gone or because
/// somebody else began it, only the environment tells. Requires: `run` is not empty.
RunEnd end_run(const std::string& data_folder, const std::string& run, const EndOrder& order);

/// Which process a place was last locked for, and where: what its file says. Empty if it says nothing.
struct PlaceNote {
  std::string run;
  std::string host;
};

/// The lock of a place in the journal; `busy` if somebody has it. Held until the descriptor closes, also by a child
/// that inherits it.
Result<Descriptor> lock_place(const std::string& data_folder, const StepPlace& place);
/// Writes down, in a place that is locked, the run that is to work on it: before its start is proposed, so that a
/// start whose run is not found there is known to be somebody else's.
Result<void> note_place(const Descriptor& place, const std::string& run);
PlaceNote place_note(const Descriptor& place);
/// Removes the lock files of a task that is finished.
void forget_places(const std::string& data_folder, TaskId task);

}  // namespace pawl
