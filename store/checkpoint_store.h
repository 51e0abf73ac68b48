// Storage for checkpoints. They spare a restart the replay from the first record, but are never required: the records
// alone determine the state.
#pragma once

#include <cstdint>
#include <vector>

#include "schema/ids.h"
#include "schema/result.h"

namespace pawl {

/// Bytes of one checkpoint, an fb::Checkpoint buffer (store/checkpoint.h).
struct StoredCheckpoint {
  Seq seq{};  // of the record after which it was taken
  std::vector<std::uint8_t> bytes;
};

class CheckpointStore {
 public:
  virtual ~CheckpointStore() = default;

  /// Stores a checkpoint durably, all or nothing, and deletes all but the newest few (`checkpoints_kept`). Threads:
  /// any, concurrently with an append.
  virtual Result<void> store(const StoredCheckpoint& checkpoint) = 0;

  /// The seqs of the stored checkpoints, newest first. Only loading and unpacking shows whether they are good. Threads:
  /// any.
  virtual std::vector<Seq> list() = 0;

  /// `missing` if there is none with that seq; `damaged` if its bytes are not those that were stored. Threads: any.
  virtual Result<StoredCheckpoint> load(Seq seq) = 0;
};

}  // namespace pawl
