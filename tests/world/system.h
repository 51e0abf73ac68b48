// The operating system as the seed makes it up, for the production driver to run on: processes of `Machines`, files of
// the data folder, fibers as threads, virtual time. Its answers come late, twice, or not at all, and are wrong in every
// way that a real system's can be.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "daemon/work/reaper_loop.h"
#include "daemon/work/system.h"
#include "tests/world/story.h"

namespace pawl::hostile {

constexpr const char* daemon_machine = "alpha";

/// For one boot of the daemon: what it opened dies with it.
class HostileSystem final : public System {
 public:
  HostileSystem(Story& story, ProcessPtr daemon);

  /// The daemon is killed: what unwinds from now on has no effect. Called before its fibers are ended.
  void abandon() { is_gone_ = true; }
  bool is_gone() const { return is_gone_; }
  /// The daemon is told to end, in order.
  void begin_end();
  /// A second signal: the daemon must not wait for the end.
  void note_hurry() { is_hurried_ = true; }
  struct Idle {
    std::uint64_t passes = 0;  // made by the reaper
    std::size_t jobs_at_work = 0;
    std::size_t jobs_at_once = 0;
    std::vector<JobId> waiting_for_lease;  // those whose exits wait
    std::set<TaskId> driven;               // by paths of the daemon
    std::vector<JobId> being_prepared;     // queued, with worktrees that are not ready yet
  };
  /// Called when every actor only waits, and the daemon serves: by then the driver has done all it could.
  void check_idle(const Idle& idle);
  /// Checks a pass that began before the first call and returned `pass` by the second.
  using RunningAttempts = std::map<JobId, std::uint64_t>;
  RunningAttempts running_attempts() const;
  void check_pass(const RunningAttempts& before, const ReaperPass& pass);

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
  std::vector<std::string> clean_environment() const override { return {}; }
  Result<std::unique_ptr<Child>> fork_stopped(const Launch& launch) override;
  Liveness liveness_of(const std::string& host, std::int64_t pid, std::optional<std::int64_t> pid_start) override;
  std::vector<std::unique_ptr<OtherProcess>> processes_of(const ProcessMarkers& signs) override;
  std::unique_ptr<OtherProcess> process(pid_t pid) override;
  std::unique_ptr<DeathWatch> watch_deaths(std::function<void()> died) override;

  Result<std::unique_ptr<RunFile>> new_run(const std::string& purpose) override;
  std::vector<RunNote> noted_runs() override;
  std::optional<RunNote> noted_run(const std::string& run) override;
  bool is_run_unlocked(const std::string& run) override;
  bool is_run_kept(const std::string& /*run*/) override { return false; }  // each process belongs to one run
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
  class FiberSignal;
  class FiberCancelToken;
  class FiberThread;
  class FiberPool;
  class MadeUpChild;
  class MadeUpProcess;
  class LateWatch;
  class HeldRunFile;
  class HeldPlace;
  class SilentLog;

  void breathe();
  bool hides(Process& process);
  void note_signal(const ProcessPtr& process, Stop how);
  void check_kills();
  void check_monitors(const Idle& idle);
  enum class Answer { answers, fails, called_off };
  Answer remote(Us most, Us until, const CancelToken* off);
  void note_fetched(const std::string& repo);
  Mirrored::Head fetched_head(const WorkRequest& request) const;
  Worktree told_of(const WorkRequest& request, const Tree& tree);
  bool has_diverged(const Tree& tree, Commit origin) const;
  void check_tree(const StepKey& key, const std::string& repo);
  void note_work(TaskId task, const std::string& repo, const std::string& branch);
  void check_settles_nothing_owned(const std::string& run);
  void check_claims(const Idle& idle);
  void check_barred();
  void check_watches();
  void check_deaths(std::uint64_t passes);
  std::set<TaskId> on_branch(const WorkRequest& request) const;

  /// Told to end by SIGTERM.
  struct Terminated {
    ProcessPtr process;
    Us since = 0;
  };

  Story& story_;
  Scheduler& scheduler_;
  const ProcessPtr daemon_;
  bool is_gone_ = false;
  std::optional<Us> ends_since_;
  Us patience_ = 0;  // what a stop owes to steps
  bool is_hurried_ = false;
  bool git_stopped_ = false;
  std::set<ActorId> in_git_;
  std::set<std::string> fetching_;  // repositories
  std::set<MadeUpChild*> children_;
  std::set<std::pair<std::int64_t, std::int64_t>> watched_;  // pid and start
  std::map<JobId, Us> skipped_;                              // since when without a live process
  std::map<JobId, Us> barred_by_gone_;                       // since when
  std::map<std::int64_t, Terminated> terminated_;            // by the process's start; not killed yet
  std::uint64_t deaths_told_ = 0;
  std::uint64_t deaths_seen_ = 0;  // deaths at the last look
  std::uint64_t passes_then_ = 0;
};

}  // namespace pawl::hostile
