// The limits of a requester with a narrow token (docs/SECURITY.md). A task's repository never changes, so what was once
// within the limits stays there, whatever happens to the task.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "daemon/api/scope.h"
#include "record_generated.h"
#include "store/archive.h"
#include "store/commit/sequencer.h"
#include "store/log_index.h"
#include "store/os/mutex.h"

namespace pawl {

/// The repository of each task, and the task and agent of each job, from memory or the archive. Threads: any that may
/// block.
class Whereabouts {
 public:
  struct OfJob {
    std::string repo;
    std::string agent;
  };

  /// All outlive it; `index` may be null.
  Whereabouts(Sequencer& sequencer, Archive& archive, LogIndex* index)
      : sequencer_(sequencer), archive_(archive), index_(index) {}

  /// None if no task with that id was created, or it cannot be read.
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
  LogIndex* index_;
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

  // Whether the requester may know of it. These may block.
  bool has(TaskId task) const;
  bool has(JobId job) const;
  bool has_key(std::string_view key) const;
  /// Everything that the record names must be within the limits; a record that names none of these must be the
  /// requester's own.
  bool has(const fb::Record& record) const;

  // The same for rows, on the sequencer's thread.
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
