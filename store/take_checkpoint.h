// Takes a checkpoint of a log that is being written to (docs/adr/0004-checkpoints-by-recovery.md).
#pragma once

#include "store/log.h"

namespace pawl {

/// Stores a checkpoint at the last durable record. A replica of the log makes it, so the owner of the live state is not
/// delayed. Stores nothing if the newest checkpoint is already at that record. Returns its seq; 0 if the log is empty.
/// Threads: any, concurrently with an append. Needs memory for a second state while it runs.
Result<Seq> take_checkpoint(Journal& journal, CheckpointStore& checkpoints);
inline Result<Seq> take_checkpoint(Log& log) {
  return take_checkpoint(log, log);
}

}  // namespace pawl
