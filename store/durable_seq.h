// The last durable seq of a journal, which readers may wait on: what both logs follow by.
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

  /// What was appended up to `seq` is durable.
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
  std::condition_variable_any changed_;  // of the kind that a stop token can end
  Seq last_ PAWL_GUARDED_BY(mutex_){};
};

}  // namespace pawl
