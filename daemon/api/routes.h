// What can be asked of the daemon over HTTP: (method, path) → a function. No socket is needed to try any of it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "daemon/api/access.h"
#include "daemon/http/http.h"
#include "daemon/http/share_book.h"
#include "daemon/outside/alert.h"
#include "daemon/work/executor.h"
#include "daemon/work/reaper_loop.h"
#include "engine/policies/advance.h"
#include "store/archive.h"
#include "store/commit/sequencer.h"
#include "store/journal.h"

namespace pawl {

class Webhooks;

/// Whether the daemon is fit to serve, for /readyz.
struct Readiness {
  bool has_space = true;    // above the floors: writes are taken
  bool has_reserve = true;  // there is room for what ends something
  bool can_write = true;    // the data folder, when that was last tried
  std::uint64_t free_bytes = 0;
  std::uint64_t free_bytes_floor = 0;
  std::optional<std::uint64_t> free_inodes = std::nullopt;  // none: they are not counted there
  std::uint64_t free_inodes_floor = 0;
  std::optional<std::int64_t> clock_drift_s = std::nullopt;  // of the wall clock, if that is far from the log's time
};

/// A sentence on whether there is room, with how much is missing.
std::string words_on_room(const Readiness& seen);

/// What the routes stand on. `sequencer`, `journal` and `archive` outlive the Api.
struct Services {
  Sequencer& sequencer;
  Journal& journal;
  Archive& archive;
  std::string boot_id;                // the daemon's
  std::string version;                // the program's
  std::filesystem::path logs_folder;  // where the output of jobs is captured
  /// The seq from which records were torn off the log's tail at this start, and never acknowledged; 0: none were.
  Seq torn_from{};
  /// Drives a task, on a thread of its own, and calls back once.
  std::function<void(AdvanceOrder, std::function<void(AdvanceAnswer)>)> advance;
  /// Gets the lock of a step's place, after ending what its process left: null if that cannot be had. Likewise.
  std::function<void(StepPlace, std::string run, std::function<void(std::shared_ptr<StepLock>)>)> lock_step;
  /// Why processes of this machine cannot be seen; none if they can.
  std::optional<std::string> blind = {};
  /// Settles a diverged branch in favour of one side. Calls back once, from another thread. Empty where there are no
  /// worktrees.
  std::function<void(TaskId, Side, std::function<void(Result<Worktree>)>)> take_side = {};
  /// Asks a repository's origin for a branch. Calls back once, from any thread. Empty: there is none to ask.
  std::function<void(const std::string& repo, const std::string& branch, std::function<void(FoundBranch)>)>
      find_branch = {};
  /// Whether claims pass over a job: a process of an earlier attempt is not known to be gone yet. From the
  /// sequencer's thread: must not block. May be empty.
  std::function<bool(JobId)> is_passed_over = {};
  /// Why a repository's origin cannot be asked; none if it can. Likewise.
  std::function<std::optional<OriginTrouble>(const std::string& repo)> origin_trouble = {};
  /// All of those, by repository. Likewise.
  std::function<std::map<std::string, OriginTrouble>()> origin_troubles = {};
  /// What a task's command waits for; none if it waits for no variable. Likewise.
  std::function<std::optional<MissingVariable>(TaskId)> missing_variable = {};
  /// Since when origin is being fetched from for a task; none if it is not. Likewise.
  std::function<std::optional<TimeUs>(TaskId)> fetching_since = {};
  /// Whether an owner's process lives. May look at the process table: not for the sequencer's thread.
  std::function<bool(const Owner&, const Boot&)> is_alive;
  /// Whether that can be seen from here; what cannot counts as alive. Likewise. May be empty: it can.
  std::function<bool(const Owner&, const Boot&)> is_seen = {};
  /// Threads: any; must not block.
  std::function<Readiness()> readiness;
  std::function<ReconcilerTotals()> reconciler_totals;
  std::function<ReaperTotals()> reaper_totals;
  /// Makes a pass of the reaper, on a thread of its own, and calls back once.
  std::function<void(std::function<void(const ReaperPass&)>)> run_reaper;
  /// May be empty: nobody is alerted.
  std::function<AlertCounts()> alert_counts = {};
  /// Raises an alert that no record stands for. Threads: any; must not block. May be empty: alerts are dropped.
  std::function<void(Alert)> raise_alert = {};
  /// Told what an operator should know. Likewise.
  std::function<void(const std::string&)> warn = {};
  /// How many messages for stderr were dropped. From the sequencer's thread: must not block. May be empty.
  std::function<std::uint64_t()> messages_dropped = {};
  /// Outlives the Api and whoever advances tasks. Null: all webhooks are refused as not configured.
  Webhooks* webhooks = nullptr;
  /// Outlives the Api. Null: nobody is asked for a token.
  const Access* access = nullptr;
  /// What became of the shares; the server that is asked writes in it too. Not null.
  std::shared_ptr<ShareBook> share_book = std::make_shared<ShareBook>();
};

class Api {
 public:
  explicit Api(Services services);
  ~Api();

  /// Answers a request; `reply` is called exactly once, unless the client is gone first. Threads: any.
  void handle(const HttpRequest& request, HttpReply reply);

  /// From now on nothing is begun that the daemon would have to see to the end: no job is given out, no task driven.
  /// Claims that wait are answered at once.
  void begin_end();
  /// Ends what waits, finishes what was begun. Before the sequencer stops.
  void stop();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace pawl
