// The signals that end the daemon, and the one that may mean something else.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <optional>
#include <thread>

#include "store/os/mutex.h"

namespace pawl {

/// What SIGHUP means.
enum class Hangup {
  read_tokens,  // reread the token file
  end,          // the terminal was closed
  ignore,       // neither: the sender expects a reload, but there is nothing to reload
};
/// `has_tokens`: a token file was named. Without one, the answer depends on whether this process has a terminal now,
/// and whether it was started to outlive it (nohup).
Hangup hangup_of(bool has_tokens);

/// Blocks SIGTERM, SIGINT and SIGHUP in this thread and in all threads that it starts, so that EndSignals gets them,
/// and ignores SIGPIPE. Call after hangup_of() and before starting any thread.
void block_end_signals();

/// A thread that receives these signals. While the daemon starts, a signal ends it at once: nothing has begun that
/// would need a clean shutdown, and a replay may take minutes.
class EndSignals {
 public:
  struct Actions {
    /// Whether SIGHUP ends the daemon like the other signals; if not, it calls `hung_up`.
    bool hangup_ends = false;
    std::function<void()> hung_up;
    /// Called with the signal while the daemon starts. Must not return.
    std::function<void(int)> leave;
    /// Called repeatedly while the daemon starts, first after `start_patience`. May be empty.
    std::function<void()> still_starting = {};
    std::chrono::milliseconds start_patience = std::chrono::seconds(1);
  };

  /// Requires: block_end_signals(). No callback runs after this is destroyed.
  explicit EndSignals(Actions actions);
  ~EndSignals();

  /// From now on wait() receives the signals. When this returns, neither `leave` nor `still_starting` is running.
  void started();
  /// Waits for the signal that ends the daemon, and returns its number. A signal that arrived since started() counts.
  int wait();
  /// Sets the callback for each signal after the one that wait() returned. Null: stops the calls; when this returns,
  /// none is running.
  void set_again(std::function<void()> again);

 private:
  void run();
  int next_signal();

  const Actions actions_;
  Mutex mutex_;
  std::condition_variable changed_;
  bool starting_ PAWL_GUARDED_BY(mutex_) = true;
  bool destroyed_ PAWL_GUARDED_BY(mutex_) = false;
  std::optional<int> signal_ PAWL_GUARDED_BY(mutex_);
  std::function<void()> again_ PAWL_GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace pawl
