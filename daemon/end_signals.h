// The signals that end the daemon, and the one that may mean something else.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <optional>
#include <thread>

#include "store/os/mutex.h"

namespace pawl {

/// What SIGHUP is taken for.
enum class Hangup {
  read_tokens,  // there is a file of tokens
  end,          // a terminal is closed
  ignore,       // neither: whoever sends it hopes for something to be read again, and nothing is
};
/// `has_tokens`: a file of them was named. Without, it depends on whether this process has a terminal now, and on
/// whether it was started to outlive it (nohup).
Hangup hangup_of(bool has_tokens);

/// Keeps SIGTERM, SIGINT and SIGHUP from this thread and from all that it starts, for EndSignals, and ignores SIGPIPE.
/// To be called before any thread is started, and after hangup_of().
void block_end_signals();

/// A thread that takes them. While the daemon starts a signal ends it at once: nothing was begun yet that would have to
/// be brought to an end, and a replay may take minutes.
class EndSignals {
 public:
  struct Actions {
    /// Whether a SIGHUP ends the daemon, as the others do; if not, `hung_up` is called.
    bool hangup_ends = false;
    std::function<void()> hung_up;
    /// Called with the signal while the daemon starts. Must not return.
    std::function<void(int)> leave;
    /// Called again and again while the daemon starts, at first after `start_patience`. May be empty.
    std::function<void()> still_starting = {};
    std::chrono::milliseconds start_patience = std::chrono::seconds(1);
  };

  /// Requires: block_end_signals(). Nothing is called any more once this is destroyed.
  explicit EndSignals(Actions actions);
  ~EndSignals();

  /// From now on a signal is for wait(). When it returns, neither `leave` nor `still_starting` is running.
  void started();
  /// The number of the signal that is to end the daemon; waits for it. One that has come since started() counts.
  int wait();
  /// Calls `again` for each signal after the one that wait() returned; null: for none any more, and when this returns
  /// it is not running.
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
