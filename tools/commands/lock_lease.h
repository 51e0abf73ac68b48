// The lease of a `pawl lock`, from its boot to its release. A separate thread talks to the daemon, so that the one that
// watches the clock and the command never waits for an answer.
//
// The lease belongs to a boot of the process that creates this. So it is held for as long as that process lives, and
// the reaper frees it if the process dies without releasing it.
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

/// Milliseconds since the machine started, including the time that it slept.
std::int64_t boottime_ms();

/// What follows from a ttl, in milliseconds since the last granted renewal was requested. The daemon granted it later,
/// so the lease lasts at least until the ttl ends by this clock.
struct LeaseTimes {
  std::int64_t renew;  // request the next renewal
  std::int64_t end;    // not renewed: ask the command's processes to end
  std::int64_t kill;   // kill what is left of them
  std::int64_t late;   // the guard itself failed to do so
};
LeaseTimes lease_times(std::uint64_t ttl_s);

struct LeaseWish {
  std::string key;
  std::optional<std::uint64_t> ttl_s;  // none: no ttl on the daemon's host, `far_ttl_s` elsewhere
  std::uint64_t wait_s = 0;
};

constexpr std::uint64_t far_ttl_s = 60;

class HeldLease {
 public:
  enum class Phase {
    waiting,  // for the daemon, or for the holder
    held,
    refused,  // it was never granted; `error` says why
    lost,     // it was taken away; `error` says how
  };
  struct Look {
    Phase phase = Phase::waiting;
    std::uint64_t token = 0;
    std::optional<std::uint64_t> ttl_s;
    std::int64_t renewed_at_ms = 0;  // boottime at which the last granted renewal was requested
    std::optional<Error> error;      // why it was refused or lost; while held, why the last renewal failed
    bool is_over = false;            // the lease is released and the boot ended, or `error` says why not
  };

  /// Starts the thread. Throws std::system_error if that fails. Each change of what look() shows makes the eventfd
  /// `changed` readable.
  HeldLease(Caller caller, LeaseWish wish, int changed);
  ~HeldLease() = delete;  // Its process ends, whether or not the daemon answers.

  Look look() const;
  /// Releases the lease, if it is held, and ends the boot; look() shows when that is done.
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
  /// False once give_back() was called.
  bool pause(std::int64_t ms);
  template <class Change>
  void note(Change change);

  Caller caller_;
  const LeaseWish wish_;
  const int changed_;
  std::string boot_id_;
  bool is_asked_ = false;         // the boot may be registered
  bool is_registered_ = false;    // the boot is registered
  std::optional<Error> trouble_;  // of the last try
  std::optional<std::uint64_t> ttl_s_;

  mutable Mutex mutex_;
  std::condition_variable called_;
  Look look_ PAWL_GUARDED_BY(mutex_);
  bool is_to_end_ PAWL_GUARDED_BY(mutex_) = false;
};

}  // namespace pawl
