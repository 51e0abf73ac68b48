// Storage for the index of a log (store/log_index.h). It spares a reader the walk through log and archive, but is never
// required: everything in it follows from the records, so it may be removed and made again at any time.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "schema/result.h"

namespace pawl {

struct IndexEntry {
  std::string key;
  std::string value;
};

class IndexStore {
 public:
  virtual ~IndexStore() = default;

  /// Adds entries, all or none of them; an entry replaces the one with the same key. They are not durable yet: a crash
  /// may take additions back, but each as a whole, and none without all those after it. Threads: one at a time,
  /// concurrently with an append.
  virtual Result<void> add(std::span<const IndexEntry> entries) = 0;

  /// Calls `each` for every entry from this key on, in the order of the keys' bytes, until it returns false. The texts
  /// are valid for the call, in which the store may not be used. `damaged`: the entries are not those that were added.
  /// A log opened read-only has none. Threads: any, concurrently with add() and clear().
  virtual Result<void> scan(std::string_view from,
                            const std::function<bool(std::string_view key, std::string_view value)>& each) = 0;

  /// Removes all entries, damaged ones too. Threads: as add().
  virtual Result<void> clear() = 0;
};

}  // namespace pawl
