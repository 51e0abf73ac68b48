// Makes the index of a log, on a thread of its own that looks at the log from time to time: an append does not even
// tell it that there is more.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <string>
#include <thread>

#include "store/journal.h"
#include "store/log_index.h"
#include "store/os/mutex.h"

namespace pawl {

class Indexer {
 public:
  struct Options {
    std::chrono::milliseconds look_every{1000};
    /// How many records are left for later: each chunk has an entry for each task in it, so small ones waste space.
    std::uint64_t records_behind = 4'096;
    /// After a failure, how many records to wait for.
    std::uint64_t records_after_failure = 100'000;
    /// Told what was wrong with an index that is made again, or why it cannot be made. On the thread. May be empty.
    std::function<void(const std::string&)> warn = {};
  };

  /// Both outlive it.
  Indexer(Journal& journal, LogIndex& index, Options options)
      : journal_(journal), index_(index), options_(std::move(options)) {}
  ~Indexer() { stop(); }

  void start();
  void stop();

 private:
  void run();
  void look();
  void warn(const std::string& what) const;
  bool ends();

  Journal& journal_;
  LogIndex& index_;
  const Options options_;
  bool has_begun_ = false;  // the thread's, as the next
  Seq rests_until_{};
  Mutex mutex_;
  std::condition_variable wake_;
  bool ends_ PAWL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace pawl
