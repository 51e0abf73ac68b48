// The archive: finished tasks, which left memory. It is read here alone; rows come into it with the records that
// finished them (store/journal.h: Batch).
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "schema/ids.h"
#include "schema/record_view.h"
#include "schema/result.h"

namespace pawl {

/// A finished task on its way to the archive, as an fb::Archived buffer (store/checkpoint.h).
struct ArchivedBytes {
  TaskId task{};
  std::vector<std::uint8_t> bytes;
};

class Archive {
 public:
  virtual ~Archive() = default;

  /// One archived task, as an fb::Archived buffer; `missing` if there is none of that id; `damaged` if its bytes are
  /// not those that were written. Threads: any, beside an append.
  virtual Result<std::vector<std::uint8_t>> find(TaskId task) = 0;

  /// Calls `each` for every archived task by id, from `from` on, until it returns false; the bytes live for the call.
  /// Threads: any, beside an append.
  virtual Result<void> walk(TaskId from, const std::function<bool(TaskId, RecordBytes)>& each) = 0;
};

}  // namespace pawl
