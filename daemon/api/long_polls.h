// Requests that wait for an event: a job to claim, a new record. They do not hold a thread.
//
// Those that wait for anything are woken together, and the more of them there are, the less often: what a thousand
// followers of the log cost is bounded by their number, not by how much is written.
//
// A wait may be for keys, such as the agents whose jobs a claim wants. It is then woken only by what concerns one of
// them, and one wait at a time: the first that waits gets its turn and, unless there was nothing for it, passes it on
// (pass_on). So a job that is queued wakes one of a thousand idle workers, and none of those that wait for other
// agents.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "store/os/mutex.h"

namespace pawl {

class LongPolls {
 public:
  using Time = std::chrono::steady_clock::time_point;
  /// Why a wait ended.
  enum class Wake {
    again,     // something happened: look again
    deadline,  // nothing happened
    stopped,   // the daemon is shutting down: answer now what can be answered
  };
  /// How many events there have been.
  using Turn = std::uint64_t;
  /// Set once the waiting client is gone; null if this is unknown.
  using Gone = std::shared_ptr<const std::atomic<bool>>;

  struct Wait {
    /// The turn before the request looked for what it wants: an event since then ends the wait at once.
    Turn seen = 0;
    Time deadline;
    /// If set, the wait is dropped within a second, without a call.
    Gone gone = nullptr;
    /// Called once, on this object's thread; `turn` is that of the event, for pass_on().
    std::function<void(Wake why, Turn turn)> wake;
    /// Empty: it is woken by notify() alone.
    std::vector<std::string> keys = {};
  };

  using Pause = std::chrono::steady_clock::duration;
  /// `pause_each`: after an event for all, the next wakes no one for so long for each that was woken, up to a second.
  explicit LongPolls(Pause pause_each = Pause::zero());
  ~LongPolls();

  /// Read it before looking.
  Turn turn() const;
  /// How many wait now. Threads: any.
  std::size_t waiting() const;
  /// Threads: any.
  void wait(Wait wait);
  /// An event for all: wakes everything that waits, once the pause is over.
  void notify();
  /// An event for those who wait for that key: wakes the first of them.
  void notify(const std::string& key);
  /// Has notify(key) called at that time, unless an earlier call is due: for an event that no one reports.
  void notify_at(const std::string& key, Time time);
  /// From a request that was woken in that turn and waited for those keys: there may be something for the next. Wakes
  /// the first of those that wait for one of the keys since before that turn.
  void pass_on(const std::vector<std::string>& keys, Turn turn);
  /// Wakes all waits with `stopped`, and later ones at once.
  void stop();

 private:
  using Order = std::uint64_t;
  struct Waiting {
    Wait wait;
    Turn since = 0;
  };
  struct Due {
    std::function<void(Wake, Turn)> wake;
    Wake why;
    Turn turn;
  };
  using Waits = std::map<Order, Waiting>;

  bool has_news_of_its_keys(const Wait& wait) const PAWL_REQUIRES(mutex_);
  void wake_all(Time now) PAWL_REQUIRES(mutex_);
  Wait take_out(Waits::iterator at) PAWL_REQUIRES(mutex_);
  void end(Waits::iterator at, Wake why, Turn turn) PAWL_REQUIRES(mutex_);
  /// Whether one was woken.
  bool wake_first(const std::string& key, Turn turn) PAWL_REQUIRES(mutex_);
  void drop_gone() PAWL_REQUIRES(mutex_);
  void ring_alarms(Time now) PAWL_REQUIRES(mutex_);
  /// When there is something to do although no one calls.
  Time next_time() const PAWL_REQUIRES(mutex_);
  void run();

  const Pause pause_each_;
  mutable Mutex mutex_;
  std::condition_variable changed_;
  Waits waiting_ PAWL_GUARDED_BY(mutex_);  // in the order in which they began
  std::map<std::string, std::set<Order>> by_key_ PAWL_GUARDED_BY(mutex_);
  std::set<std::pair<Time, Order>> deadlines_ PAWL_GUARDED_BY(mutex_);
  std::vector<Due> due_ PAWL_GUARDED_BY(mutex_);
  // Freed on this object's thread: one may hold the last reference to its connection.
  std::vector<Wait> dropped_ PAWL_GUARDED_BY(mutex_);
  Order next_order_ PAWL_GUARDED_BY(mutex_) = 1;
  Turn turn_ PAWL_GUARDED_BY(mutex_) = 0;
  Turn last_for_all_ PAWL_GUARDED_BY(mutex_) = 0;
  bool is_news_for_all_ PAWL_GUARDED_BY(mutex_) = false;  // some that wait have not been woken for it
  Time pause_end_ PAWL_GUARDED_BY(mutex_);
  std::map<std::string, Turn> last_for_key_ PAWL_GUARDED_BY(mutex_);
  std::map<std::string, Time> alarms_ PAWL_GUARDED_BY(mutex_);  // by key
  Time next_look_ PAWL_GUARDED_BY(mutex_);                      // for clients that are gone
  bool stopping_ PAWL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace pawl
