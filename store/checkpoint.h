// Packs the state into one buffer (schema/checkpoint.fbs), and finished tasks into the archive's format.
#pragma once

#include "engine/state/state.h"
#include "store/archive.h"
#include "store/chain.h"
#include "store/checkpoint_store.h"

namespace pawl {

/// Copies the whole state, so it is for a thread that owns the state and can take the time. `chain` is that of the
/// record state.last_seq.
StoredCheckpoint pack_checkpoint(const State& state, const Chain& chain);

/// The state after a record, and that record's chain.
struct Restored {
  State state;
  Chain chain{};
};

/// `damaged` if the bytes are not a checkpoint, if the rows contradict each other, or if the digest recomputed from the
/// rows differs from the stored one; `unsupported` if a newer version is needed.
Result<Restored> unpack_checkpoint(const std::vector<std::uint8_t>& bytes);

/// `seq` is that of the record that finished the task.
ArchivedBytes pack_archived(const ArchivedTask& archived, Seq seq);

struct Unarchived {
  ArchivedTask rows;  // including their hashes
  Seq seq{};
};

/// Unpacks the bytes from Archive::find() and Archive::walk().
Result<Unarchived> unpack_archived(RecordBytes bytes);

}  // namespace pawl
