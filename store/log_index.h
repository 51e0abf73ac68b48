// The index of a log: which records are about a task, and which finished tasks have a name or a job. It makes a history
// cost its answer and not the log (docs/adr/0015).
//
// It is derived from records and archive, always some records behind, and made while they are not waited for: nothing
// is added to an append. What it does not reach, the caller reads from the log. It names too much rather than too
// little (two names may have the same hash), so the caller also looks at what it finds.
//
//      | stored mark          | the log's record of its seq | result
//   ---|----------------------|-----------------------------|---------------------------------------------
//   @A | none                 |                             | made from the first record on
//   @B | good                 | has its chain               | goes on after it
//   @C | good                 | has another, or is missing  | of another log, or of one that was cut: removed
//   @D | of another version   |                             | removed
//   @E | cannot be read       |                             | damaged: removed
//
// @B: a record's chain covers all records before it, so they are those that were indexed.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "engine/state/rows.h"
#include "store/archive.h"
#include "store/index_entries.h"
#include "store/index_store.h"
#include "store/journal.h"
#include "store/os/mutex.h"

namespace pawl {

/// What identifies the records of a task.
struct TaskAndJobs {
  Task task;
  std::set<JobId> jobs;
};

/// Whether a record names the task, one of its jobs or its lease, accepted or not.
bool is_of(const fb::Record& record, const TaskAndJobs& traces);

class LogIndex {
 public:
  /// All outlive it. Until begin() it finds nothing.
  LogIndex(Journal& journal, Archive& archive, IndexStore& store)
      : journal_(journal), archive_(archive), store_(store) {}

  // One thread at a time, concurrently with an append and with all below.

  /// Takes up the stored index, or removes it and returns why: @C to @E. An error: it cannot be removed, or the log not
  /// be read.
  Result<std::optional<std::string>> begin();
  /// Indexes the next records, `records_max` at most; returns how many. 0: it reaches the last one.
  Result<std::size_t> extend(std::size_t records_max);
  /// Removes everything; as after a begin() without a stored index.
  Result<void> clear();
  /// Why a look at the index failed, if one did since begin(); it then finds nothing.
  std::optional<Error> fault() const;

  // Threads: any that may block. None: the index does not know; read the log, or walk the archive.

  /// The last record in the index; 0: none.
  Seq reach() const;

  struct Found {
    std::vector<Seq> seqs;  // rising
    Seq upto{};             // those up to here are complete
  };
  /// The records of a task from `from` on, about `count`.
  std::optional<Found> records_of(const TaskAndJobs& traces, Seq from, std::size_t count);

  struct Names {
    std::optional<std::string> work_item;
    std::optional<std::string> repo;
    std::optional<std::string> stage;
  };
  struct FoundTasks {
    std::set<TaskId> tasks;
    std::optional<TaskId> upto;  // those up to here are complete; none: all are
  };
  /// The tasks that may have all of these names, from `first` on. Not all of them need be in the archive. Looks at
  /// some `count` entries. None also if no name is given.
  std::optional<FoundTasks> archived_with(const Names& names, TaskId first, std::size_t count);

  /// The tasks that may have this job: the one that has it, or those that the index may not know yet.
  std::optional<std::set<TaskId>> archived_with(JobId job);

 private:
  /// What a look needs to be consistent.
  struct Look {
    IndexMark mark;
    std::uint64_t clears = 0;
  };
  std::optional<Look> look() const;
  bool is_still(const Look& look) const;
  void fail(const Error& error);
  void set(IndexMark mark);

  Result<void> read_seqs(IndexKind kind, std::uint64_t number, Seq from, std::size_t count, Found& found);
  Result<void> read_tasks(const Names& names, TaskId first, std::size_t count, FoundTasks& found);
  std::optional<std::set<TaskId>> not_indexed_yet(const Look& look);

  Journal& journal_;
  Archive& archive_;
  IndexStore& store_;
  /// What was read of the tail, so that a look reads only what is new.
  struct Tail {
    std::uint64_t clears = 0;
    Seq from{};  // the index ended here
    Seq upto{};
    std::set<TaskId> ended;
  };
  Mutex tail_mutex_;
  Tail tail_ PAWL_GUARDED_BY(tail_mutex_);
  mutable Mutex mutex_;
  IndexMark mark_ PAWL_GUARDED_BY(mutex_);
  std::uint64_t clears_ PAWL_GUARDED_BY(mutex_) = 0;
  std::optional<Error> fault_ PAWL_GUARDED_BY(mutex_);
};

/// Calls `each` for the archived tasks that may have this job until it returns false; without an index (null), for all.
Result<void> walk_for_job(Archive& archive, LogIndex* index, JobId job,
                          const std::function<bool(TaskId, RecordBytes)>& each);

/// Calls `each` for the records with these seqs, in order, until it returns false. Requires: the seqs rise.
Result<void> read_these(Journal& journal, const std::vector<Seq>& seqs, const std::function<bool(RecordBytes)>& each);

}  // namespace pawl
