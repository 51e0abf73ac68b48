// From a log to the state that it stands for: the newest good checkpoint, and the records after it.
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
// @E: a checkpoint proves that its record was durable once. Every replayed record is proved twice: by the chain, and
// by deciding it again, outcome and digest compared. The chain and the structure are checked on a second thread.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/state/state.h"
#include "store/log.h"

namespace pawl {

struct OpenReport {
  Seq checkpoint{};                              // that was restored; 0: the whole log was replayed
  std::uint64_t replayed = 0;                    // records
  std::optional<Seq> torn_at;                    // the first seq of a dropped tail (Log::torn_at)
  std::vector<std::string> skipped_checkpoints;  // why each was bad, newest first
};

struct Opened {
  State state;
  Chain chain{};  // of the record state.last_seq; zero for an empty log
  OpenReport report;
};

/// The state after the last record. Changes nothing in the log. Threads: any, beside an append; it then ends with a
/// record that was durable meanwhile.
Result<Opened> open_state(Log& log);

/// The state after the last whole group that ends at or before `upto`.
Result<Opened> open_state_at(Log& log, Seq upto);

/// Stores a checkpoint of the last durable record, made by replaying: whoever owns the live state is not held up.
/// Nothing is stored if the newest checkpoint is already there. Answers its seq; 0 if the log is empty.
/// Threads: any, beside an append. Needs memory for a second state while it runs.
Result<Seq> take_checkpoint(Log& log);

}  // namespace pawl
