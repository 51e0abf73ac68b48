// The archive: finished tasks that have left memory. This interface only reads it; rows are added together with the
// records that finished the tasks (store/journal.h: Batch).
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

  /// One archived task, as an fb::Archived buffer; `missing` if there is none with that id; `damaged` if its bytes are
  /// not those that were written. Threads: any, concurrently with an append.
  virtual Result<std::vector<std::uint8_t>> find(TaskId task) = 0;

  /// Calls `each` for every archived task by id, starting at `from`, until it returns false. The bytes are valid for
  /// the call. Threads: any, concurrently with an append.
  virtual Result<void> walk(TaskId from, const std::function<bool(TaskId, RecordBytes)>& each) = 0;
};

}  // namespace pawl
