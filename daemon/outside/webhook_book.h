// What the daemon remembers from one webhook delivery to the next: counts, and what it needs to interpret later ones.
// All of it is lost with the process; no decision depends on it alone.
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

/// The branch that a commit was last seen at the head of, or that a pull request ("#17") merges. Gitea's status event
/// names the commit but not the branch, GitHub's comment on a pull request the number but not the branch; pushes and
/// pull request events name both. Threads: any.
class CommitBranches {
 public:
  void learn(const std::string& repo, const std::string& commit, const std::string& branch);
  /// Empty: unknown.
  std::string find(const std::string& repo, const std::string& commit) const;

  static constexpr std::size_t remembered_max = 1024;

 private:
  using Commit = std::pair<std::string, std::string>;  // repo, commit

  mutable Mutex mutex_;
  std::map<Commit, std::string> branches_ PAWL_GUARDED_BY(mutex_);
  std::deque<Commit> order_ PAWL_GUARDED_BY(mutex_);  // oldest first
};

/// The tasks for which a webhook's advance is in progress: one at a time per task, otherwise a flood of pushes would
/// start a flood of gates. Threads: any.
class UnderWay {
 public:
  /// False if one is already in progress.
  bool begin(TaskId task);
  void end(TaskId task);

 private:
  Mutex mutex_;
  std::set<TaskId> tasks_ PAWL_GUARDED_BY(mutex_);
};

/// Deliveries since the daemon's start, by outcome.
struct WebhookTotals {
  std::atomic<std::uint64_t> received{0};
  std::atomic<std::uint64_t> bad_signatures{0};  // wrong or missing
  std::atomic<std::uint64_t> too_long{0};        // not read, so not among those received
  std::atomic<std::uint64_t> not_configured{0};
  std::atomic<std::uint64_t> refused{0};  // correctly signed
  std::atomic<std::uint64_t> ignored{0};
  std::atomic<std::uint64_t> deferred{0};  // to the holder of a live lease
  std::atomic<std::uint64_t> calls{0};     // passed on
};

/// The deliveries that were correctly signed but refused: counts by reason, and which of them raise an alert. Threads:
/// any.
class WebhookRefusals {
 public:
  void count(std::string_view reason);
  /// By reason.
  std::vector<std::pair<std::string, std::uint64_t>> counts() const;

  /// If a refusal of this kind should raise an alert now: how many refusals were folded into the one before it. Each
  /// kind alerts once every alert_every_s, so a storm is one alert, and one refused stop cannot hide another.
  std::optional<std::uint64_t> alert_due(const std::string& kind, TimeUs now);

  static constexpr std::int64_t alert_every_s = 300;
  static constexpr std::size_t kinds_max = 1024;  // beyond this, all further kinds count as one

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
