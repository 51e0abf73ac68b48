// The lease of a `pawl lock`, from its boot to its release: what is said to the daemon, on a thread of its own, so that
// whoever minds the clock and the command never waits for an answer.
//
// The lease belongs to a boot of the process that makes this. So it is held for as long as that process lives, and the
// reaper frees it after a death without a release.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <optional>
#include <string>
#include <thread>

#include "store/os/descriptor.h"
#include "store/os/mutex.h"
#include "tools/commands/answers.h"

namespace pawl {

/// Milliseconds since the machine started; it goes on while the machine sleeps.
std::int64_t boottime_ms();

/// What follows from a ttl: times in milliseconds after the last renewal that was granted was asked for. The daemon
/// granted it later, so the lease lasts at least until the ttl is over by this clock.
struct LeaseTimes {
  std::int64_t renew;  // the next one is asked for
  std::int64_t end;    // not renewed since: the command's processes are asked to end
  std::int64_t kill;   // what is left of them is killed
  std::int64_t late;   // the guard itself did not keep to that
};
LeaseTimes lease_times(std::uint64_t ttl_s);

struct LeaseWish {
  std::string key;
  std::optional<std::uint64_t> ttl_s;  // none: the daemon's host needs none, elsewhere `far_ttl_s`
  std::uint64_t wait_s = 0;
};

constexpr std::uint64_t far_ttl_s = 60;

class HeldLease {
 public:
  enum class Phase {
    waiting,  // for the daemon, or for whoever holds it
    held,
    refused,  // it was never had; `error` says why
    lost,     // somebody took it away; `error` says how
  };
  struct Look {
    Phase phase = Phase::waiting;
    std::uint64_t token = 0;
    std::optional<std::uint64_t> ttl_s;
    std::int64_t renewed_at_ms = 0;  // boottime at which the last granted renewal was asked for
    std::optional<Error> error;      // why it is refused or lost; while it is held, why the last renewal failed
    bool is_over = false;            // the lease is given back and the boot ended, or it was said that they are not
  };

  /// Begins. `io` if the system has no thread to give. Each change of what look() shows makes the eventfd `changed`
  /// readable.
  HeldLease(Caller caller, LeaseWish wish, int changed);
  ~HeldLease() = delete;  // Its process ends, whether or not the daemon answers.

  Look look() const;
  /// Gives the lease back, if it is held, and ends the boot; look() shows when that is over.
  void give_back();

 private:
  enum class Tried { got, again, refused };

  void run();
  void acquire();
  Tried try_once();
  Result<void> start_boot();
  Result<bool> is_daemon_here();
  Request lease_request(std::optional<std::uint64_t> token) const;
  void keep();
  void renew();
  void see_whether_it_is_still_there();
  void lose(std::string why);
  void leave();
  /// False when it is to be given back.
  bool pause(std::int64_t ms);
  template <class Change>
  void note(Change change);

  Caller caller_;
  const LeaseWish wish_;
  const int changed_;
  std::string boot_id_;
  bool is_asked_ = false;         // the boot may be registered
  bool is_registered_ = false;    // it is
  std::optional<Error> trouble_;  // of the last try
  std::optional<std::uint64_t> ttl_s_;

  mutable Mutex mutex_;
  std::condition_variable called_;
  Look look_ PAWL_GUARDED_BY(mutex_);
  bool is_to_end_ PAWL_GUARDED_BY(mutex_) = false;
};

}  // namespace pawl
