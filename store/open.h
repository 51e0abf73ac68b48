// Computes a log's state: the newest good checkpoint, and the records after it.
//
//      | checkpoint     | the record of its seq    | records after it        | result
//   ---|----------------|--------------------------|-------------------------|------------------------------------
//   @A | none is left   |                          | all good                | the whole log, replayed
//   @B | good           | has its digest and chain | all good                | restored, and the tail replayed
//   @C | bad            |                          |                         | skipped for the next older one
//   @D | good           | is another               |                         | skipped for the next older one
//   @E | good           | is beyond the log's end  |                         | damaged at the first seq missing
//   @F | good, or none  |                          | one cannot be read      | damaged at its seq
//   @G | good, or none  |                          | one breaks the chain    | damaged at its seq
//   @H | good, or none  |                          | one is decided otherwise| damaged at its seq
//   @I | good, or none  |                          | one is of newer rules   | unsupported
//
// @E: a checkpoint proves that its record was once durable. Every replayed record is verified twice: by the chain, and
// by deciding it again and comparing outcome and digest (store/replica.h).
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "engine/state/state.h"
#include "store/chain.h"
#include "store/log.h"
#include "store/replica.h"

namespace pawl {

struct OpenReport {
  Seq checkpoint{};                              // the one restored; 0: the whole log was replayed
  std::uint64_t replayed = 0;                    // records
  std::optional<Seq> torn_at;                    // the first seq of a dropped tail (Journal::torn_at)
  std::vector<std::string> skipped_checkpoints;  // why each was skipped, newest first
};

struct Opened {
  State state;
  Chain chain{};  // of record state.last_seq; zero for an empty log
  OpenReport report;
};

/// The state after the last record. Does not change the log. Threads: any, concurrently with an append; the result then
/// ends with some record that became durable meanwhile.
Result<Opened> open_state(Journal& journal, CheckpointStore& checkpoints);
inline Result<Opened> open_state(Log& log) {
  return open_state(log, log);
}

/// The state after the last whole group that ends at or before `upto`.
Result<Opened> open_state_at(Journal& journal, CheckpointStore& checkpoints, Seq upto);
inline Result<Opened> open_state_at(Log& log, Seq upto) {
  return open_state_at(log, log, upto);
}

/// The two halves of open_state_at(), for those who already have a state to begin with. The first gives that of the
/// newest good checkpoint at or before `upto`, or the one before the first record; nothing is replayed yet.
Result<Opened> newest_checkpoint(Journal& journal, CheckpointStore& checkpoints, Seq upto);
/// Goes on from `from`, and calls `each` for every group that it applied. May be empty.
Result<Opened> replay(Journal& journal, Opened from, Seq upto, std::function<void(const AppliedGroup&)> each = {});

}  // namespace pawl
