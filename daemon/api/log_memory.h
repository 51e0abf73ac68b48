// Facts that are not in any row: when something was last recorded, and who requested it. Reads the log backwards from
// its end, on threads that may block, and remembers what it has read.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "schema/ids.h"
#include "schema/time.h"
#include "store/journal.h"
#include "store/os/mutex.h"

namespace pawl {

/// A record's summary.
struct LastRecord {
  Seq seq{};
  TimeUs time;
  std::string actor;
  std::string principal;  // the authenticated requester; empty: the daemon, or from before principals
};

class LogMemory {
 public:
  explicit LogMemory(Journal& journal) : journal_(journal) {}

  /// The last change of a setting; none if not found. The search is bounded.
  std::optional<LastRecord> setting_changed(const std::string& key);
  /// The last record after `after` that may have blocked the task: one that says so, or one that ended `job`.
  std::optional<LastRecord> blocked(TaskId task, JobId job, Seq after);
  /// The last request to cancel the task.
  std::optional<LastRecord> cancel_requested(TaskId task);
  /// The last restore.
  std::optional<LastRecord> restored();
  /// The record itself.
  std::optional<LastRecord> at(Seq seq);

 private:
  enum class Kind { setting, blocked, job_ended, cancel_requested, restored };
  struct Key {
    Kind kind;
    std::uint64_t id = 0;
    std::string name = {};
    friend auto operator<=>(const Key&, const Key&) = default;
  };
  std::optional<LastRecord> last(const Key& key, Seq after);
  void read(Seq from, Seq to) PAWL_REQUIRES(mutex_);
  void note(const Key& key, const fb::Record& record) PAWL_REQUIRES(mutex_);

  Journal& journal_;
  Mutex mutex_;
  Seq from_ PAWL_GUARDED_BY(mutex_){};  // the range read: from here
  Seq to_ PAWL_GUARDED_BY(mutex_){};    // to here, inclusive; 0: nothing yet
  std::map<Key, LastRecord> last_ PAWL_GUARDED_BY(mutex_);
};

}  // namespace pawl
