// A checkpoint of a log that is being written to (docs/adr/0004-checkpoints-by-recovery.md).
#pragma once

#include "store/log.h"

namespace pawl {

/// Stores a checkpoint of the last durable record, made by a replica of the log: the owner of the live state is not
/// held up. Nothing is stored if the newest checkpoint is already there. Answers its seq; 0 if the log is empty.
/// Threads: any, beside an append. Needs memory for a second state while it runs.
Result<Seq> take_checkpoint(Journal& journal, CheckpointStore& checkpoints);
inline Result<Seq> take_checkpoint(Log& log) {
  return take_checkpoint(log, log);
}

}  // namespace pawl
