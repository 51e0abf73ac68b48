// Who asks with a narrow token, and what is kept from it (docs/SECURITY.md). What a task belongs to never changes, so
// that what was found within bounds stays there, whatever happens to the task meanwhile.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "daemon/api/scope.h"
#include "record_generated.h"
#include "store/archive.h"
#include "store/commit/sequencer.h"
#include "store/os/mutex.h"

namespace pawl {

/// Which repository each task is of, and which task and agent each job: in memory, or in the archive. Threads: any;
/// must be able to block.
class Whereabouts {
 public:
  struct OfJob {
    std::string repo;
    std::string agent;
  };

  /// Both outlive it.
  Whereabouts(Sequencer& sequencer, Archive& archive) : sequencer_(sequencer), archive_(archive) {}

  /// None: no task of that id was created, or it cannot be read.
  std::optional<std::string> repo_of(TaskId task);
  std::optional<OfJob> of(JobId job);

 private:
  struct Found {
    std::string repo;
    std::map<JobId, std::string> agents;  // of the task's jobs
  };

  void remember(TaskId task, const Found& found);
  std::optional<OfJob> remembered(JobId job);
  static Found found_in(const State& state, const Task& task);
  static Found found_in(const ArchivedTask& archived);

  Sequencer& sequencer_;
  Archive& archive_;
  Mutex mutex_;
  std::map<TaskId, std::string> repos_ PAWL_GUARDED_BY(mutex_);
  std::map<JobId, OfJob> jobs_ PAWL_GUARDED_BY(mutex_);
};

class Narrow {
 public:
  /// Requires: the scope is narrow. `places` outlives it.
  Narrow(SharedScope scope, std::string principal, Whereabouts& places)
      : scope_(std::move(scope)), principal_(std::move(principal)), places_(places) {}

  const Scope& scope() const { return *scope_; }

  // Whether it may know of that. These may block.
  bool has(TaskId task) const;
  bool has(JobId job) const;
  bool has_key(std::string_view key) const;
  /// Of what it names all has to be within bounds; one that names none of these has to be its own.
  bool has(const fb::Record& record) const;

  // The same of rows, for the sequencer's thread.
  bool has(const Task& task) const { return scope_->has_repo(task.repo); }
  bool has(const State& state, const Job& job) const;
  bool has(const State& state, const Lease& lease) const;
  bool has(const Boot& boot) const { return belongs_to(boot, principal_); }

 private:
  SharedScope scope_;
  std::string principal_;
  Whereabouts& places_;
};

}  // namespace pawl
