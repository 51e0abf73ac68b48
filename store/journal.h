// The journal: records in seq order, made durable before they are reported. It has one writer, which states the next
// seq it expects: a writer that loses the race for a seq has lost the right to write.
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

/// One write: whole groups, in seq order, and the rows that they archived.
///
/// The rows are written with the records, not through the archive (store/archive.h), because a task must be in exactly
/// one place: the record that finishes it removes it from the state, so a crash between two writes would lose it or
/// show it twice.
struct Batch {
  std::vector<RecordBytes> records;  // owned by the caller while append() runs
  std::vector<ArchivedBytes> archived;
};

class Journal {
 public:
  virtual ~Journal() = default;

  /// Writes a batch and returns once it is durable: one write, one sync.
  ///
  /// `superseded`: the next seq (schema/record_view.h: seq_after) is not `expected_next`, because another writer was
  /// first. Nothing was written and the log is intact; the caller must step down. After any other error nothing more
  /// can be appended: a page cache cannot be trusted after a failed sync, so the process ends and a restart recovers.
  /// An append that fails, or that the process does not survive, leaves either nothing of its batch, all of it, or a
  /// torn tail: a partial batch that the next opening drops and reports (torn_at()). It never leaves only some of the
  /// records (store/tail.h decides). Nothing that was already durable is touched.
  ///
  /// Requires: `batch.records` is not empty; its first record has the seq `expected_next`. Threads: one at a time.
  virtual Result<void> append(const Batch& batch, Seq expected_next) = 0;

  /// Calls `each` for every durable record from `from` on, in order; the bytes are valid for the call. Stops early if
  /// `each` returns false. `damaged` names the first seq that cannot be read. Threads: any, concurrently with an
  /// append.
  virtual Result<void> read(Seq from, const std::function<bool(RecordBytes)>& each) = 0;

  /// Like read(), but at the end waits for more: each record that becomes durable follows, in order and exactly once.
  /// Ends when `each` returns false or `stop` is requested, even while waiting. A log opened read-only shows only what
  /// was durable at that time, so nothing follows.
  ///
  /// A batch becomes durable as a whole and consists of whole groups: if the current record is last_seq(), its group is
  /// complete.
  ///
  /// Requires: the journal outlives the call. Threads: any, several at a time; an append never waits for them.
  virtual Result<void> follow(Seq from, const std::function<bool(RecordBytes)>& each, std::stop_token stop) = 0;

  /// The last durable record; 0 if there is none. Threads: any.
  virtual Seq last_seq() const = 0;

  /// Records durably, separately from the records, that everything up to last_seq() is durable: damage to the last
  /// records can then never be mistaken for a torn tail. Call it when the log becomes idle and before closing it.
  /// Threads: as append().
  virtual Result<void> seal() = 0;

  /// The first seq of the torn tail that was found and dropped when the log was opened (store/tail.h). Threads: any.
  virtual std::optional<Seq> torn_at() const = 0;
};

}  // namespace pawl
