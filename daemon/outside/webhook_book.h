// What the daemon keeps of deliveries between two of them: counts, and what later ones are understood by. All of it is
// gone with the process; nothing that is decided depends on it alone.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "daemon/outside/webhooks.h"
#include "schema/ids.h"
#include "schema/time.h"
#include "store/os/mutex.h"

namespace pawl {

/// Which branch a commit was last seen at the head of, or a pull request ("#17") is of. Gitea's status event names the
/// commit and no branch, GitHub's comment on a pull request its number and no branch; pushes and pull request events
/// name both. Threads: any.
class CommitBranches {
 public:
  void learn(const std::string& repo, const std::string& commit, const std::string& branch);
  /// Empty: not known.
  std::string find(const std::string& repo, const std::string& commit) const;

  static constexpr std::size_t remembered_max = 1024;

 private:
  using Commit = std::pair<std::string, std::string>;  // repo, commit

  mutable Mutex mutex_;
  std::map<Commit, std::string> branches_ PAWL_GUARDED_BY(mutex_);
  std::deque<Commit> order_ PAWL_GUARDED_BY(mutex_);  // oldest first
};

/// The tasks that a webhook's advance is under way for: one at a time each, or a flood of pushes would be a flood of
/// gates. Threads: any.
class UnderWay {
 public:
  /// False if one is under way already.
  bool begin(TaskId task);
  void end(TaskId task);

 private:
  Mutex mutex_;
  std::set<TaskId> tasks_ PAWL_GUARDED_BY(mutex_);
};

/// What became of the deliveries since the daemon's start.
struct WebhookTotals {
  std::atomic<std::uint64_t> received{0};
  std::atomic<std::uint64_t> bad_signatures{0};  // wrong or missing
  std::atomic<std::uint64_t> not_configured{0};
  std::atomic<std::uint64_t> refused{0};  // signed right
  std::atomic<std::uint64_t> ignored{0};
  std::atomic<std::uint64_t> deferred{0};  // a live lease was met
  std::atomic<std::uint64_t> calls{0};     // passed on
};

/// The deliveries that were signed right and refused: how many for which reason, and which of them somebody is to be
/// told of. Threads: any.
class WebhookRefusals {
 public:
  void count(std::string_view reason);
  /// By reason.
  std::vector<std::pair<std::string, std::uint64_t>> counts() const;

  /// Whether a refusal of this kind is to be told now, and then how many others were folded into the one before it:
  /// one every alert_every_s of each kind, so that a storm is one alert, and no stop is hidden by another's.
  std::optional<std::uint64_t> alert_due(const std::string& kind, TimeUs now);

  static constexpr std::int64_t alert_every_s = 300;
  static constexpr std::size_t kinds_max = 1024;  // beyond it kinds that are not remembered count as one

 private:
  struct Told {
    TimeUs at;
    std::uint64_t folded = 0;
  };

  mutable Mutex mutex_;
  std::map<std::string, std::uint64_t, std::less<>> by_reason_ PAWL_GUARDED_BY(mutex_);
  std::map<std::string, Told> told_ PAWL_GUARDED_BY(mutex_);
};

/// What the webhook routes own.
class Webhooks {
 public:
  explicit Webhooks(WebhookConfig config_) : config(std::move(config_)) {}

  const WebhookConfig config;
  CommitBranches branches;
  UnderWay under_way;
  WebhookRefusals refusals;

  WebhookTotals& totals(WebhookSource source) { return totals_[static_cast<std::size_t>(source)]; }
  const WebhookTotals& totals(WebhookSource source) const { return totals_[static_cast<std::size_t>(source)]; }

 private:
  std::array<WebhookTotals, webhook_sources.size()> totals_;
};

}  // namespace pawl
