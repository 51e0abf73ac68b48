// What a record ends, and how long that took: for metrics. Derived from the rows as they were before the record. It is
// not stored, and nothing is decided by it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "engine/state/state.h"
#include "record_generated.h"

namespace pawl {

/// The times are those of the records. A gap of time, in which nothing could act, shifts the rows (SPEC §5), so it does
/// not count.
struct Span {
  enum class Of {
    nothing,
    queue_wait,  // from being queued, or from the end of the pause after an attempt, to the claim
    run,         // from the claim to the exit or, if none is recorded, to the end of the attempt
    gate,        // from taking the task's lease to the gate's answer: the worktree is made ready in between
    crossing,    // from taking the task's lease to the transition forward over a guarded edge
    rollback,    // takes no time
  };
  Of of = Of::nothing;
  std::int64_t us = 0;
  /// The agent of a wait or a run, else the stage, as the pipeline's definition has it, of which it keeps a part. Null:
  /// the definition does not have it.
  std::shared_ptr<const std::string> name = nullptr;
};

/// What the record ends if it is accepted. Constant work, but for the search for the name in its definition. Requires:
/// `record` is stamped with its time, and was not applied to `state` yet.
Span span_ended_by(const State& state, const fb::Record& record);

}  // namespace pawl
