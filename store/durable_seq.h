// The last durable seq of a journal, which readers can wait on. Both logs implement follow() with it.
#pragma once

#include <condition_variable>
#include <functional>
#include <stop_token>

#include "schema/ids.h"
#include "store/journal.h"
#include "store/os/mutex.h"

namespace pawl {

class DurableSeq {
 public:
  Seq last() const {
    const MutexLock lock(mutex_);
    return last_;
  }

  /// Everything appended up to `seq` is durable.
  void advance(Seq seq) {
    const MutexLock lock(mutex_);
    last_ = seq;
    changed_.notify_all();
  }

  /// Journal::follow() on top of Journal::read().
  Result<void> follow(Journal& journal, Seq from, const std::function<bool(RecordBytes)>& each,
                      const std::stop_token& stop);

 private:
  mutable Mutex mutex_;
  std::condition_variable_any changed_;  // the kind that supports stop tokens
  Seq last_ PAWL_GUARDED_BY(mutex_){};
};

}  // namespace pawl
