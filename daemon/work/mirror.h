// pawld's copy of a repository: DIR/repos/<repo>.git, bare. Tasks work in clones of their own that borrow its objects
// (daemon/work/task_clone.h), so nothing in it is ever pruned.
//
//   refs/remotes/origin/   origin's branches, as of the last fetch; refs/tags likewise
//   refs/pawl/default      where origin's HEAD points: one of those, or a commit; missing if it names no branch
//   refs/pawl/task-<id>/   heads of tasks that were carried over, from a worktree of an earlier version or when the
//                          mirror was replaced
//
// One fetch is under way at a time, on a thread of its own. It begins with a list of origin's refs, which tells what
// HEAD stands for and how objects are named, and ends there if nothing has changed.
//
// A mirror that is damaged is renamed to <repo>.git.damaged-<time>, and never deleted; one that was fetched beforehand
// takes its place, with the heads of all clones that were whole.
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

/// What `git ls-remote --symref` says.
struct AtOrigin {
  std::optional<std::string> default_branch;  // that HEAD stands for; none if HEAD names no branch that is there
  std::string head;                           // the commit of HEAD; empty if there is none
  std::map<std::string, std::string> refs;    // branches and tags: name → object
};
AtOrigin read_ls_remote(const std::string& said);

/// Removes the lock files that a git which was killed left behind, and over which every later one would stumble. They
/// are told by their names: no ref may end so. Requires: no git works there.
void remove_locks(const std::string& folder);

/// Threads: any.
class Mirror {
 public:
  struct Options {
    std::string repo;
    std::string folder;       // <repo>.git
    std::string work_folder;  // DIR/work: where its tasks' clones are
    std::function<void(const std::string&)> warn = {};
  };
  Mirror(System& system, GitCommand& git, Options options);
  ~Mirror();

  /// As System::fetch_origin().
  Fetched fetch(Deadline until, const CallOff* off);
  /// Ends the fetch that is under way, and every one to come.
  void stop();

  /// Whether there is something to make a worktree from.
  bool is_fetched();
  const std::string& folder() const { return options_.folder; }
  /// Without credentials; empty once the repository has no origin any more.
  std::string origin_url() const;
  /// Makes good what an earlier start left, and makes worktrees of an earlier version clones. Before anything else is
  /// done to a clone. Asks nobody.
  Result<void> set_up();
  /// Held, the mirror is not replaced.
  std::shared_lock<std::shared_mutex> hold() { return std::shared_lock(place_); }

  /// The credentials of its origin, as lines of a clone's configuration.
  std::string settings() const { return git_.credential_settings(options_.repo); }
  /// Makes an empty repository if there is none, for objects whose names are as long as that one.
  Result<void> init(const std::string& folder, const std::string& object_name);

 private:
  using Origin = std::shared_ptr<const OriginUrl>;

  Fetched fetch_now(const Origin& origin, const CallOff& off);
  Fetched fetch_into(const std::string& folder, const OriginUrl& origin, const AtOrigin& at_origin, const CallOff& off,
                     bool& is_damaged);
  Fetched replace(const OriginUrl& origin, const AtOrigin& at_origin, const CallOff& off, const std::string& why);
  void name_origin(const Origin& origin);
  bool is_unchanged(const AtOrigin& at_origin);
  void note_default(const std::string& folder, const AtOrigin& at_origin);
  void pack_up();
  void begin() PAWL_REQUIRES(mutex_);
  void leave_outdated() PAWL_REQUIRES(mutex_);

  System& system_;
  GitCommand& git_;
  const Options options_;
  Origin named_;  // in the mirror's settings; of the fetching thread alone

  std::shared_mutex place_;  // shared by those who use the mirror, exclusive for who replaces it
  Mutex set_up_mutex_;
  bool is_set_up_ PAWL_GUARDED_BY(set_up_mutex_) = false;

  Mutex mutex_;
  std::condition_variable changed_;
  std::unique_ptr<RunningThread> thread_ PAWL_GUARDED_BY(mutex_);
  std::unique_ptr<EventCallOff> off_ PAWL_GUARDED_BY(mutex_);  // of the fetch that is under way
  Origin asked_ PAWL_GUARDED_BY(mutex_);                       // by it, or by the last one
  std::uint64_t counts_from_ PAWL_GUARDED_BY(mutex_) =
      0;  // those that were begun before asked where origin is not any more
  bool is_running_ PAWL_GUARDED_BY(mutex_) = false;
  bool is_stopped_ PAWL_GUARDED_BY(mutex_) = false;
  std::uint64_t begun_ PAWL_GUARDED_BY(mutex_) = 0;
  std::uint64_t ended_ PAWL_GUARDED_BY(mutex_) = 0;
  unsigned waiters_ PAWL_GUARDED_BY(mutex_) = 0;
  Fetched last_ PAWL_GUARDED_BY(mutex_);
};

}  // namespace pawl
