// The real operating system and a data folder, for pawld's driver to run on.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "daemon/work/run_lock.h"
#include "daemon/work/system.h"
#include "daemon/work/worktree.h"

namespace pawl {

class RealSystem : public System {
 public:
  struct Options {
    std::string data_folder;
    std::shared_ptr<const Origins> origins = std::make_shared<const Origins>();
    std::vector<std::string> earlier_hosts = {};        // that were this machine (store/commit/start.h)
    std::string member = {};                            // the data folder's member id (store/member.h)
    std::function<void(const std::string&)> warn = {};  // called with messages for people; from any thread
  };
  explicit RealSystem(const Options& options);

  Deadline now() const override;
  TimeUs wall_time() const override;
  void sleep_for(std::chrono::steady_clock::duration time) override;

  std::unique_ptr<Signal> make_signal() override;
  std::unique_ptr<CancelToken> make_cancel_token() override;
  std::unique_ptr<RunningThread> start_thread(std::function<void()> body) override;
  std::unique_ptr<Pool> make_pool(unsigned threads) override;

  pid_t own_pid() const override;
  std::string own_host() const override;
  bool kernel_has_ended(const std::string& host) override;
  bool is_of_worker(pid_t pid, std::int64_t worker, std::int64_t worker_start) override;
  bool is_foreign(const std::optional<std::string>& member) override;
  std::vector<std::string> clean_environment() const override;
  std::optional<std::string> own_variable(const std::string& name) override;
  Result<std::string> read_value(const std::string& path, std::size_t bytes_max) override;
  Result<std::unique_ptr<Child>> fork_stopped(const Launch& launch) override;
  Liveness liveness_of(const std::string& host, std::int64_t pid, std::optional<std::int64_t> pid_start) override;
  std::vector<std::unique_ptr<OtherProcess>> processes_of(const ProcessMarkers& signs) override;
  std::unique_ptr<OtherProcess> process(pid_t pid) override;
  std::unique_ptr<DeathWatch> watch_deaths(std::function<void()> died) override;

  Result<std::unique_ptr<RunFile>> new_run(const std::string& purpose) override;
  std::vector<RunNote> noted_runs() override;
  std::optional<RunNote> noted_run(const std::string& run) override;
  bool is_run_unlocked(const std::string& run) override;
  bool is_run_kept(const std::string& run) override;
  void forget_run(const std::string& run) override;

  Result<std::unique_ptr<Handle>> lock_step(const StepKey& place) override;
  Result<void> note_place(const Handle& place, const std::string& run, const std::string& gone) override;
  PlaceNote place_note(const Handle& place) override;
  void forget_places(TaskId task) override;
  std::vector<TaskId> placed() override;

  Result<std::shared_ptr<OutputLog>> open_log(const std::string& path, LogAge age) override;

  Fetched fetch_origin(const std::string& repo, Deadline until, const CancelToken* off) override;
  Result<std::vector<std::string>> origin_branches(const std::string& repo, std::chrono::seconds within) override;
  Result<Worktree> take_side(const WorkRequest& request, Side side) override;
  Result<Worktree> prepare_worktree(const WorkRequest& request) override;
  Result<Worktree> existing_worktree(const WorkRequest& request) override;
  Result<BranchDeletion> delete_branch(const WorkRequest& request, const std::function<bool()>& in_use) override;
  Result<void> empty_worktree(TaskId task) override;
  Result<void> remove_worktree(TaskId task) override;
  std::vector<TaskId> worktrees() override;
  void stop_git() override;

 private:
  const std::string data_folder_;
  const std::vector<std::string> earlier_hosts_;
  const RunFolder folder_;
  Worktrees worktrees_;
};

}  // namespace pawl
