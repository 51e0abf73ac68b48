// The files whose locks show that a process is gone (SPEC §8 "No orphan races its successor").
//
// Each run has a random name, which its processes carry in their environment as PAWL_RUN, and a file
// DIR/runs/NAME.lock. They inherit an open descriptor that holds flock(2) on it: the kernel releases the lock when the
// last of them is gone, even if pawld has died. The file also says what the run is for and which process leads it. It
// is removed when the run is known to be gone (daemon/work/run_end.h), so files in DIR/runs at a start were left by an
// earlier boot.
//
// Each place in the journal of steps has a file DIR/steps/TASK-VERSION-STEP.lock, held by the process that works on it.
//
// System documents the contract of each function under the same name.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "daemon/work/system.h"

namespace pawl {

/// A data folder and its member id. Notes with another member's id were made in the folder that this one was copied
/// from.
struct RunFolder {
  RunFolder(std::string path_, std::string member_ = {})  // NOLINT: a path will do
      : path(std::move(path_)), member(std::move(member_)) {}

  std::string path;
  std::string member;  // empty: unknown, and nothing is foreign
};

Result<std::unique_ptr<RunFile>> new_run(const RunFolder& folder, const std::string& purpose);
std::vector<RunNote> noted_runs(const RunFolder& folder);
std::optional<RunNote> noted_run(const RunFolder& folder, const std::string& run);
/// This and the next functions require: the run is noted.
bool is_run_unlocked(const std::string& data_folder, const std::string& run);
bool is_run_kept(const std::string& data_folder, const std::string& run);
void forget_run(const std::string& data_folder, const std::string& run);
std::string path_of_run(const std::string& data_folder, const std::string& run);

Result<std::unique_ptr<Handle>> lock_step(const std::string& data_folder, const StepKey& place);
Result<void> note_place(const RunFolder& folder, const Handle& place, const std::string& run, const std::string& gone);
PlaceNote place_note(const RunFolder& folder, const Handle& place);
void forget_places(const std::string& data_folder, TaskId task);
std::vector<TaskId> placed(const std::string& data_folder);

}  // namespace pawl
