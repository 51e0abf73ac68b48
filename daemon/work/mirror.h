// pawld's copy of a repository: DIR/repos/<repo>.git, bare. Tasks work in clones of their own that borrow its objects
// (daemon/work/task_clone.h), so nothing in it is ever pruned.
//
//   refs/remotes/origin/   origin's branches, as of the last fetch; likewise refs/tags
//   refs/pawl/default      where origin's HEAD points: one of those, or a commit; missing if it names no branch
//   refs/pawl/task-<id>/   heads of tasks carried over from an earlier version's worktree, or when the mirror was
//                          replaced
//
// One fetch runs at a time, on its own thread. It begins with a list of origin's refs, which shows HEAD's branch and
// the object format, and stops there if nothing has changed.
//
// A damaged mirror is renamed to <repo>.git.damaged-<time> and never deleted. A new one, fetched before the rename,
// takes its place, with the heads of all intact clones.
#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <optional>
#include <shared_mutex>
#include <string>
#include <thread>
#include <vector>

#include "daemon/work/git_command.h"
#include "store/os/mutex.h"

namespace pawl {

/// The output of `git ls-remote --symref`.
struct AtOrigin {
  std::optional<std::string> default_branch;  // HEAD's branch; none if HEAD does not name an existing branch
  std::string head;                           // HEAD's commit; empty if it has none
  std::map<std::string, std::string> refs;    // branches and tags: name → object
};
AtOrigin read_ls_remote(const std::string& said);

/// Removes the lock files that a killed git left behind, which would make every later git fail. Recognised by name: a
/// ref may not end in .lock. Requires: no git is running there.
void remove_locks(const std::string& folder);

/// Threads: any.
class Mirror {
 public:
  struct Options {
    std::string repo;
    std::string folder;       // <repo>.git
    std::string work_folder;  // DIR/work, with its tasks' clones
    std::function<void(const std::string&)> warn = {};
  };
  Mirror(System& system, GitCommand& git, Options options);
  ~Mirror();

  /// As System::fetch_origin().
  Fetched fetch(Deadline until, const CancelToken* off);
  /// Ends the current fetch, and prevents later ones.
  void stop();

  /// Whether worktrees can be made from it.
  bool is_fetched();
  const std::string& folder() const { return options_.folder; }
  /// Without credentials; empty if the repository no longer has an origin.
  std::string origin_url() const;
  /// Completes what an earlier start left unfinished, and converts worktrees of an earlier version to clones. Call
  /// before any other operation on a clone. Does not contact origin.
  Result<void> set_up();
  /// While held, the mirror is not replaced.
  std::shared_lock<std::shared_mutex> hold() { return std::shared_lock(place_); }

  /// Gives a clone its origin's credentials, as lines for the clone's configuration.
  std::string settings() const { return git_.clone_settings(options_.repo); }
  /// Makes an empty repository if there is none, for object names as long as the given one.
  Result<void> init(const std::string& folder, const std::string& object_name);

 private:
  using Origin = std::shared_ptr<const OriginUrl>;

  Fetched fetch_now(const Origin& origin, const CancelToken& off);
  Fetched fetch_into(const std::string& folder, const OriginUrl& origin, const AtOrigin& at_origin,
                     const CancelToken& off, bool& is_damaged);
  void carry_own_refs(const std::string& into);
  Fetched replace(const OriginUrl& origin, const AtOrigin& at_origin, const CancelToken& off, const std::string& why);
  void name_origin(const Origin& origin);
  bool is_unchanged(const AtOrigin& at_origin);
  void note_default(const std::string& folder, const AtOrigin& at_origin);
  void pack_up();
  void begin() PAWL_REQUIRES(mutex_);
  void leave_outdated() PAWL_REQUIRES(mutex_);

  System& system_;
  GitCommand& git_;
  const Options options_;
  Origin named_;  // in the mirror's settings; only for the fetching thread

  std::shared_mutex place_;  // shared to use the mirror, exclusive to replace it
  Mutex set_up_mutex_;
  bool is_set_up_ PAWL_GUARDED_BY(set_up_mutex_) = false;

  Mutex mutex_;
  std::condition_variable changed_;
  std::unique_ptr<RunningThread> thread_ PAWL_GUARDED_BY(mutex_);
  std::unique_ptr<EventCancelToken> off_ PAWL_GUARDED_BY(mutex_);  // of the current fetch
  Origin asked_ PAWL_GUARDED_BY(mutex_);                           // the origin of the current or last fetch
  std::uint64_t counts_from_ PAWL_GUARDED_BY(mutex_) = 0;          // earlier fetches used an outdated URL
  bool is_running_ PAWL_GUARDED_BY(mutex_) = false;
  bool is_stopped_ PAWL_GUARDED_BY(mutex_) = false;
  std::uint64_t begun_ PAWL_GUARDED_BY(mutex_) = 0;
  std::uint64_t ended_ PAWL_GUARDED_BY(mutex_) = 0;
  unsigned waiters_ PAWL_GUARDED_BY(mutex_) = 0;
  Fetched last_ PAWL_GUARDED_BY(mutex_);
};

}  // namespace pawl
