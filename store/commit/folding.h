// Refusals that repeat (SPEC §12): a client that asks in a tight loop shall not fill the log with the same no.
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

/// Counts equal refusals over a sliding second. Threads: one.
class Folding {
 public:
  /// The seq of the first of its like, if a refusal at `now` is to be folded into it. It is then counted.
  std::optional<Seq> fold(const RefusalKey& key, TimeUs now);
  /// A refusal that was recorded.
  void recorded(const RefusalKey& key, Seq seq, TimeUs now);

  struct Folded {
    Seq seq{};
    std::uint64_t count = 0;
  };
  /// What was folded up to a second ago or earlier and has not been told yet; forgets what has been silent as long.
  std::vector<Folded> due(TimeUs now);
  /// The same, but without waiting: at the end.
  std::vector<Folded> all();
  bool any_folded() const { return folded_keys_ > 0; }

 private:
  struct Streak {
    Seq first{};
    std::deque<TimeUs> times;  // of the last second, at most as many as make the next one fold
    std::uint64_t folded = 0;
    TimeUs folded_since;
  };

  void prune(TimeUs now);

  std::map<RefusalKey, Streak> streaks_;
  std::size_t folded_keys_ = 0;
};

}  // namespace pawl
