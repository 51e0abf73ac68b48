// The log as a contract: append, read, checkpoint, and nothing else. RocksDB is the embedded one; a log in memory
// obeys the same contract in tests; a replicated one could. One writer, and an expected next seq: whoever loses the
// race for a seq has lost the right to write.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "schema/ids.h"
#include "schema/record_view.h"
#include "schema/result.h"

namespace pawl {

/// SHA-256 over the one before and the canonical encoding of this record. All zero before the first.
using Chain = std::array<std::uint8_t, 32>;

/// A finished task on its way to the archive, as an fb::Archived buffer.
struct ArchivedBytes {
  TaskId task{};
  std::vector<std::uint8_t> bytes;
};

/// What is written at once: whole groups, in the order of their seqs, and the rows that they archived.
struct Batch {
  std::vector<RecordBytes> records;  // owned by the caller for as long as append() runs
  std::vector<ArchivedBytes> archived;
};

/// Bytes of one checkpoint, an fb::Checkpoint buffer.
struct StoredCheckpoint {
  Seq seq{};
  std::vector<std::uint8_t> bytes;
};

class Log {
 public:
  virtual ~Log() = default;

  /// Writes a batch and returns when it is durable: one write, one sync. After an error nothing may be appended any
  /// more: the process ends (a failed sync leaves the page cache in doubt) and a restart recovers.
  /// `busy`: the next seq is another than `expected_next`: somebody else has written.
  /// Threads: one at a time.
  virtual Result<void> append(const Batch& batch, Seq expected_next) = 0;

  /// Calls `each` for every record from `from` on, in order, with bytes that live for the call only; ends early
  /// when it returns false. Only durable records are seen. `damaged` names the first seq that cannot be read.
  /// Threads: any, beside an append.
  virtual Result<void> read(Seq from, const std::function<bool(RecordBytes)>& each) = 0;

  /// Stores a checkpoint, and forgets all but the newest few. Threads: any, beside an append.
  virtual Result<void> checkpoint(const StoredCheckpoint& checkpoint) = 0;

  // What recovery and queries ask.

  /// The first seq of a torn tail that was found when the log was opened, and dropped (store/tail.h).
  virtual std::optional<Seq> torn_at() const = 0;
  /// The seqs of the stored checkpoints, newest first.
  virtual std::vector<Seq> checkpoints() = 0;
  virtual Result<StoredCheckpoint> load_checkpoint(Seq seq) = 0;
  /// The archived task, as an fb::Archived buffer; `missing` if there is none of that id.
  virtual Result<std::vector<std::uint8_t>> archived(TaskId task) = 0;
  /// Calls `each` for every archived task by id, from `from` on, until it returns false.
  virtual Result<void> read_archive(TaskId from, const std::function<bool(TaskId, RecordBytes)>& each) = 0;
};

}  // namespace pawl
