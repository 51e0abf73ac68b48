// The state of each origin: whether it answers, since when it does not, and when to try again.
//
// An unreachable origin is like the weather: work that needs it waits, and holds nothing meanwhile. The pause between
// two tries is 2 s, doubled up to a minute, shared by everything that waits for that repository.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>

#include "daemon/work/system.h"
#include "engine/policies/stuck.h"
#include "store/os/mutex.h"

namespace pawl {

class OriginWeather {
 public:
  /// `alert` is called without a lock when people should know: at once after a refusal, after ten minutes if an origin
  /// is unreachable; once per outage. May be empty.
  explicit OriginWeather(System& system, std::function<void(const std::string& repo, const OriginTrouble&)> alert = {})
      : system_(system), alert_(std::move(alert)) {}

  /// Fetches from origin, unless it is known not to answer and the next try is not due. Records the result. Blocks.
  Fetched fetch(const std::string& repo, std::chrono::steady_clock::duration within, const CancelToken* off);
  /// Forgets its state: its URL has changed.
  void forget(const std::string& repo);
  /// When the next try may begin; in the past if all is well.
  Deadline next_try(const std::string& repo) const;
  std::optional<OriginTrouble> trouble(const std::string& repo) const;
  std::map<std::string, OriginTrouble> troubles() const;

 private:
  struct Away {
    OriginTrouble trouble;
    Deadline since;
    Deadline next;
    unsigned tries = 0;
    bool is_told = false;
  };
  void note(const std::string& repo, const Fetched& fetched, Deadline began, TimeUs began_at);

  System& system_;
  const std::function<void(const std::string& repo, const OriginTrouble&)> alert_;
  mutable Mutex mutex_;
  std::map<std::string, Away> away_ PAWL_GUARDED_BY(mutex_);
};

}  // namespace pawl
