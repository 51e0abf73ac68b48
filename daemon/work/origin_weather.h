// What is known of each origin: whether it answers, since when it does not, and when it is asked again.
//
// An origin that is away is weather: whoever needs it waits, and holds nothing meanwhile. Between two tries lie 2 s,
// doubled up to a minute, for all who wait for that repository together.
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
  /// `alert` is called, without a lock, when people should know: at once of a refusal, after ten minutes of an origin
  /// that is away; once for each time that it was. May be empty.
  explicit OriginWeather(System& system, std::function<void(const std::string& repo, const OriginTrouble&)> alert = {})
      : system_(system), alert_(std::move(alert)) {}

  /// Asks origin, unless it is known not to answer and the next try is not due. Notes what came of it. Blocks.
  Fetched fetch(const std::string& repo, std::chrono::steady_clock::duration within, const CallOff* off);
  /// It is somewhere else by now.
  void forget(const std::string& repo);
  /// When it may be asked again; long ago, if all is well.
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
