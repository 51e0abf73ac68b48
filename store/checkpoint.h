// The state as one buffer (schema/checkpoint.fbs), and finished tasks as they lie in the archive.
#pragma once

#include "engine/state/state.h"
#include "store/archive.h"
#include "store/chain.h"
#include "store/checkpoint_store.h"

namespace pawl {

/// Copies the whole state: for a thread that owns it, and has the time. `chain`: of the record state.last_seq.
StoredCheckpoint pack_checkpoint(const State& state, const Chain& chain);

/// A state as it was at a record, and that record's chain.
struct Restored {
  State state;
  Chain chain{};
};

/// `damaged` if the bytes are no checkpoint, if their rows contradict each other, or if the digest made afresh over
/// the rows is not the one stored with them; `unsupported` if they need a newer version.
Result<Restored> unpack_checkpoint(const std::vector<std::uint8_t>& bytes);

/// `seq`: of the record after which the task was finished.
ArchivedBytes pack_archived(const ArchivedTask& archived, Seq seq);

struct Unarchived {
  ArchivedTask rows;  // with their hashes
  Seq seq{};
};

/// Of the bytes that Archive::find() and Archive::walk() give.
Result<Unarchived> unpack_archived(RecordBytes bytes);

}  // namespace pawl
