#include "daemon/work/origin_weather.h"

#include <algorithm>
#include <utility>

namespace pawl {
namespace {

using std::chrono::seconds;

constexpr seconds pause_first{2};
constexpr seconds pause_max{60};
constexpr seconds told_after{600};

}  // namespace

Fetched OriginWeather::fetch(const std::string& repo, std::chrono::steady_clock::duration within,
                             const CancelToken* off) {
  const Deadline began = system_.now();
  const TimeUs began_at = system_.wall_time();
  {
    const MutexLock lock(mutex_);
    if (const auto found = away_.find(repo); found != away_.end() && began < found->second.next) {
      const OriginTrouble& trouble = found->second.trouble;
      return {.end = trouble.is_refused ? FetchEnd::refused : FetchEnd::unreachable, .words = trouble.words};
    }
  }
  Fetched fetched = system_.fetch_origin(repo, began + within, off);
  if (fetched.end != FetchEnd::called_off) note(repo, fetched, began, began_at);
  return fetched;
}

void OriginWeather::note(const std::string& repo, const Fetched& fetched, Deadline began, TimeUs began_at) {
  std::optional<OriginTrouble> told;
  {
    const MutexLock lock(mutex_);
    if (fetched.end == FetchEnd::fetched) {
      away_.erase(repo);
      return;
    }
    const auto [entry, is_new] = away_.try_emplace(repo);
    Away& away = entry->second;
    const Deadline now = system_.now();
    if (is_new) {
      away.since = began;
      away.trouble.since = began_at;
    }
    const bool is_refused = fetched.end == FetchEnd::refused;
    if (is_refused != away.trouble.is_refused) away.is_told = false;
    away.trouble.is_refused = is_refused;
    away.trouble.words = fetched.words;
    // Waiters that shared a failed fetch count as one try.
    if (is_new || now >= away.next) {
      away.next = now + std::min(pause_max, pause_first * (1 << std::min(away.tries, 5U)));
      ++away.tries;
    }
    if (!away.is_told && (is_refused || now - away.since >= told_after)) {
      away.is_told = true;
      told = away.trouble;
    }
  }
  if (told && alert_) alert_(repo, *told);
}

void OriginWeather::forget(const std::string& repo) {
  const MutexLock lock(mutex_);
  away_.erase(repo);
}

Deadline OriginWeather::next_try(const std::string& repo) const {
  const MutexLock lock(mutex_);
  const auto found = away_.find(repo);
  return found == away_.end() ? Deadline::min() : found->second.next;
}

std::optional<OriginTrouble> OriginWeather::trouble(const std::string& repo) const {
  const MutexLock lock(mutex_);
  const auto found = away_.find(repo);
  return found == away_.end() ? std::nullopt : std::optional(found->second.trouble);
}

std::map<std::string, OriginTrouble> OriginWeather::troubles() const {
  const MutexLock lock(mutex_);
  std::map<std::string, OriginTrouble> all;
  for (const auto& [repo, away] : away_) all.emplace(repo, away.trouble);
  return all;
}

}  // namespace pawl
