// Where checkpoints are kept. They save a restart the way from the first record and are never needed: what a log stands
// for is its records.
#pragma once

#include <cstdint>
#include <vector>

#include "schema/ids.h"
#include "schema/result.h"

namespace pawl {

/// Bytes of one checkpoint, an fb::Checkpoint buffer (store/checkpoint.h).
struct StoredCheckpoint {
  Seq seq{};  // of the record after which it was made
  std::vector<std::uint8_t> bytes;
};

class CheckpointStore {
 public:
  virtual ~CheckpointStore() = default;

  /// Stores a checkpoint durably, all or nothing, and forgets all but the newest few (`checkpoints_kept`).
  /// Threads: any, beside an append.
  virtual Result<void> store(const StoredCheckpoint& checkpoint) = 0;

  /// The seqs of the stored checkpoints, newest first. Whether they are good shows when they are loaded and unpacked.
  /// Threads: any.
  virtual std::vector<Seq> list() = 0;

  /// `missing` if there is none of that seq; `damaged` if its bytes are not those that were stored. Threads: any.
  virtual Result<StoredCheckpoint> load(Seq seq) = 0;
};

}  // namespace pawl
