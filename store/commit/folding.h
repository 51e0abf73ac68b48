// Folds repeated refusals (SPEC §12), so that a client in a tight loop cannot fill the log with the same refusal.
#pragma once

#include <compare>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "record_generated.h"
#include "schema/ids.h"
#include "schema/outcome.h"
#include "schema/time.h"

namespace pawl {

/// What makes two refusals equal.
struct RefusalKey {
  std::string boot;
  std::string actor;
  std::string principal;
  fb::Event type = fb::Event::NONE;
  std::string target;  // the task, job or key
  Outcome outcome = Outcome::accepted;
  friend auto operator<=>(const RefusalKey&, const RefusalKey&) = default;
};

/// What a record is about: "task:12", "job:7", a lease's key, a boot, a setting, a pipeline.
std::string target_of(const fb::Record& record);
RefusalKey refusal_key(const fb::Record& record, Outcome outcome);

/// Counts equal refusals over a sliding window of one second. Threads: one.
class Folding {
 public:
  /// If a refusal at `now` is to be folded, counts it and returns the seq of the first like it.
  std::optional<Seq> fold(const RefusalKey& key, TimeUs now);
  /// Notes a refusal that was recorded.
  void recorded(const RefusalKey& key, Seq seq, TimeUs now);

  struct Folded {
    Seq seq{};
    std::uint64_t count = 0;
  };
  /// The refusals that were folded at least a second ago and not yet reported; forgets those that have been quiet for
  /// as long.
  std::vector<Folded> due(TimeUs now);
  /// The same without the delay, for the end.
  std::vector<Folded> all();
  bool any_folded() const { return folded_keys_ > 0; }

 private:
  struct Streak {
    Seq first{};
    std::deque<TimeUs> times;  // from the last second, at most as many as make the next one fold
    std::uint64_t folded = 0;
    TimeUs folded_since;
  };

  void prune(TimeUs now);

  std::map<RefusalKey, Streak> streaks_;
  std::size_t folded_keys_ = 0;
};

}  // namespace pawl
