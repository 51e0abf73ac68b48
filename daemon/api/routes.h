// The daemon's HTTP calls: (method, path) → function. Testable without a socket.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "daemon/api/access.h"
#include "daemon/http/http.h"
#include "daemon/http/share_book.h"
#include "daemon/notice.h"
#include "daemon/outside/alerts.h"
#include "daemon/outside/forges.h"
#include "daemon/work/executor.h"
#include "daemon/work/reaper_loop.h"
#include "engine/policies/advance.h"
#include "store/archive.h"
#include "store/checkpoint_store.h"
#include "store/commit/sequencer.h"
#include "store/journal.h"
#include "store/log_index.h"

namespace pawl {

class LogAudit;
class Webhooks;
struct DaemonFigures;

/// Whether the daemon is fit to serve, for /readyz.
struct Readiness {
  bool has_space = true;    // above the floors: writes are accepted
  bool has_reserve = true;  // there is room for writes that end something
  bool can_write = true;    // to the data folder, as of the last probe
  std::uint64_t free_bytes = 0;
  std::uint64_t free_bytes_floor = 0;
  std::optional<std::uint64_t> free_inodes = std::nullopt;  // none: the file system does not count them
  std::uint64_t free_inodes_floor = 0;
  std::optional<std::int64_t> clock_drift_s = std::nullopt;  // of the wall clock, if it is far from the log's time
  std::int64_t clock_drift_us = 0;                           // positive: the wall clock is ahead
};

/// A sentence on whether there is room, and how much is left.
std::string words_on_room(const Readiness& seen);

/// What the routes depend on. `sequencer`, `journal`, `archive`, `index` and `checkpoints` outlive the Api.
struct Services {
  Sequencer& sequencer;
  Journal& journal;
  Archive& archive;
  LogIndex* index = nullptr;               // null: what is in log and archive is searched for
  CheckpointStore* checkpoints = nullptr;  // the log's; null: a state of the past is replayed from the first record
  std::string boot_id;                     // the daemon's
  std::string version;                     // the program's
  std::filesystem::path logs_folder;       // with the captured output of jobs
  /// The first seq of unacknowledged records that this start cut from the log's tail; 0: none.
  Seq torn_from{};
  /// Drives a task on another thread, and calls back once.
  std::function<void(AdvanceRequest, std::function<void(AdvanceAnswer)>)> advance;
  /// Locks a step's place, after ending what its process left; null if it cannot. On another thread; calls back once.
  std::function<void(StepKey, std::string run, std::function<void(std::shared_ptr<StepLock>)>)> lock_step;
  /// Why this machine's processes are not visible; none if they are.
  std::optional<std::string> blind = {};
  /// Resolves a diverged branch in favour of one side. Calls back once, from another thread. Empty: no worktrees.
  std::function<void(TaskId, Side, std::function<void(Result<Worktree>)>)> take_side = {};
  /// Asks a repository's origin for a branch. Calls back once, from any thread. Empty: no origins.
  std::function<void(const std::string& repo, const std::string& branch, std::function<void(FoundBranch)>)>
      find_branch = {};
  /// Whether claims skip a job because a process of an earlier attempt may still be alive. Runs on the sequencer's
  /// thread: must not block. May be empty.
  std::function<bool(JobId)> is_skipped = {};
  /// Why a repository's origin cannot be asked; none if it can. As is_skipped.
  std::function<std::optional<OriginTrouble>(const std::string& repo)> origin_trouble = {};
  /// All such troubles, by repository. As is_skipped.
  std::function<std::map<std::string, OriginTrouble>()> origin_troubles = {};
  /// The variable that a task's command waits for, if any. As is_skipped.
  std::function<std::optional<MissingVariable>(TaskId)> missing_variable = {};
  /// Since when a fetch from origin has been running for a task, if one is. As is_skipped.
  std::function<std::optional<TimeUs>(TaskId)> fetching_since = {};
  /// Whether an owner's process is alive. May read the process table: not for the sequencer's thread.
  std::function<bool(const Owner&, const Boot&)> is_alive;
  /// Whether that is visible from here; if not, it counts as alive. As is_alive. May be empty: always visible.
  std::function<bool(const Owner&, const Boot&)> is_seen = {};
  /// Threads: any; must not block.
  std::function<Readiness()> readiness;
  std::function<ReconcilerTotals()> reconciler_totals;
  std::function<ReaperTotals()> reaper_totals;
  /// Makes a pass of the reaper on another thread, and calls back once.
  std::function<void(std::function<void(const ReaperPass&)>)> run_reaper;
  /// May be empty: no alerts.
  std::function<AlertCounts()> alert_counts = {};
  /// May be empty: no forges are told.
  std::function<ForgeCountsByKind()> forge_counts = {};
  /// Raises an alert that has no record. Threads: any; must not block. May be empty: alerts are dropped.
  std::function<void(Alert)> raise_alert = {};
  /// Tries an alert at every destination, and calls back once, from any thread. As raise_alert; empty: no destinations.
  std::function<void(Alert, AlertTested)> test_alert = {};
  /// Called with messages for operators. As raise_alert.
  std::function<void(const Notice&)> warn = {};
  /// How many messages for stderr were dropped. Runs on the sequencer's thread: must not block. May be empty.
  std::function<std::uint64_t()> messages_dropped = {};
  /// Outlives the Api and the code behind `advance`. Null: all webhooks are refused as not configured.
  Webhooks* webhooks = nullptr;
  /// Outlives the Api. Null: no tokens needed.
  const Access* access = nullptr;
  /// What became of the shares; the server that is asked writes in it too. Not null.
  std::shared_ptr<ShareBook> share_book = std::make_shared<ShareBook>();
  /// What GET /metrics shows besides the counters of /queue. Null: the Api makes its
  /// own, in which only its server could count.
  std::shared_ptr<const DaemonFigures> figures = nullptr;
  /// What is found in the log. Outlives the Api, and is stopped before it. Null: off.
  LogAudit* audit = nullptr;
  /// How many bytes the log has on disk. May block, so not for the sequencer's thread. May be empty: not known.
  std::function<std::uint64_t()> log_bytes = {};
};

class Api {
 public:
  explicit Api(Services services);
  ~Api();

  /// Answers a request; calls `reply` exactly once, unless the client disconnects first. Threads: any.
  void handle(const HttpRequest& request, HttpReply reply);
  /// Decides and makes durable what handle() has submitted on threads that are to serve it (Sequencer::ServesSoon).
  void serve();
  /// Told by the server of a request that it refused because its body was too long. Threads: any.
  void body_was_too_long(std::string_view path);

  /// From now on nothing begins that the daemon would have to finish: it hands out no jobs and drives no tasks. Answers
  /// waiting claims at once.
  void begin_end();
  /// Ends waits and finishes work in progress. Call before the sequencer stops.
  void stop();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace pawl
