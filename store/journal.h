// The journal: records in the order of their seqs, durable when they are told of. One writer, and an expected next
// seq: who loses the race for a seq has lost the right to write.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <stop_token>
#include <vector>

#include "schema/ids.h"
#include "schema/record_view.h"
#include "schema/result.h"
#include "store/archive.h"

namespace pawl {

/// What is written at once: whole groups, in the order of their seqs, and the rows that they archived.
///
/// The rows go with the records, and not through the archive (store/archive.h), because a task is in exactly one place:
/// the record that finishes it takes it out of the state, so a crash between two writes would lose it or show it twice.
struct Batch {
  std::vector<RecordBytes> records;  // owned by the caller for as long as append() runs
  std::vector<ArchivedBytes> archived;
};

class Journal {
 public:
  virtual ~Journal() = default;

  /// Writes a batch and returns when it is durable: one write, one sync.
  ///
  /// `superseded`: the next seq (schema/record_view.h: seq_after) is not `expected_next`: another writer was first.
  /// Nothing was written, and what is there is whole; the caller has to step down. After any other error nothing more
  /// can be appended: a page cache after a failed sync cannot be trusted, so the process ends and a restart recovers.
  /// An append that fails, or that the process does not survive, leaves nothing of its batch, or all of it, or a torn
  /// tail: a beginning that the next opening drops and tells of (torn_at()). It never leaves some of its records
  /// (store/tail.h is the judgement). Nothing that was durable before is touched.
  ///
  /// Requires: `batch.records` is not empty; its first record bears `expected_next`. Threads: one at a time.
  virtual Result<void> append(const Batch& batch, Seq expected_next) = 0;

  /// Calls `each` for every durable record from `from` on, in order, with bytes that live for the call; ends early when
  /// it returns false. `damaged` names the first seq that cannot be read.
  /// Threads: any, beside an append.
  virtual Result<void> read(Seq from, const std::function<bool(RecordBytes)>& each) = 0;

  /// As read(), but at the end waits for more: each record that becomes durable follows, in order and once. Ends when
  /// `each` returns false or `stop` is requested, also while it waits. A log that is opened for reading only shows what
  /// was durable then, so nothing follows.
  ///
  /// A whole batch becomes durable at once, and a batch is whole groups: where the record at hand is last_seq(), its
  /// group is complete.
  ///
  /// Requires: the journal outlives the call. Threads: any, several at a time; an append never waits for them.
  virtual Result<void> follow(Seq from, const std::function<bool(RecordBytes)>& each, std::stop_token stop) = 0;

  /// The last durable record; 0 if there is none. Threads: any.
  virtual Seq last_seq() const = 0;

  /// Says, durably and apart from the records, that all up to last_seq() is durable: damage to the last records is then
  /// never taken for a torn tail. For when the log falls idle, and at its end. Threads: as append().
  virtual Result<void> seal() = 0;

  /// The first seq of a torn tail that was found when the log was opened, and dropped (store/tail.h). Threads: any.
  virtual std::optional<Seq> torn_at() const = 0;
};

}  // namespace pawl
