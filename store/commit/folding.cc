#include "store/commit/folding.h"

#include "schema/limits.h"
#include "schema/subject.h"

namespace pawl {
namespace {

constexpr std::size_t recorded_per_second_max = 32;
/// How many streaks are tracked at once. Beyond this, refusals are simply recorded, which is never wrong.
constexpr std::size_t streaks_max = 4096;

bool is_recent(TimeUs time, TimeUs now) {
  return now.us - time.us < us_per_s;
}

}  // namespace

std::string target_of(const fb::Record& record) {
  const Subject subject = subject_of(record);
  if (subject.task) return task_key(*subject.task);
  if (subject.job) return "job:" + std::to_string(raw(*subject.job));
  if (subject.lease) return std::string(*subject.lease);
  if (subject.work_item) return std::string(subject.repo.value_or("")) + '\n' + std::string(*subject.work_item);
  for (const auto& name : {subject.boot, subject.setting, subject.pipeline}) {
    if (name) return std::string(*name);
  }
  return {};
}

RefusalKey refusal_key(const fb::Record& record, Outcome outcome) {
  return {.boot = record.boot()->str(),
          .actor = record.actor()->str(),
          .principal = principal_of(record),
          .type = record.event_type(),
          .target = target_of(record),
          .outcome = outcome};
}

std::optional<Seq> Folding::fold(const RefusalKey& key, TimeUs now) {
  const auto found = streaks_.find(key);
  if (found == streaks_.end()) return std::nullopt;
  Streak& streak = found->second;
  while (!streak.times.empty() && !is_recent(streak.times.front(), now)) streak.times.pop_front();
  if (streak.times.size() < recorded_per_second_max) return std::nullopt;

  streak.times.pop_front();
  streak.times.push_back(now);
  if (streak.folded++ == 0) {
    streak.folded_since = now;
    ++folded_keys_;
  }
  return streak.first;
}

void Folding::recorded(const RefusalKey& key, Seq seq, TimeUs now) {
  if (streaks_.size() >= streaks_max) prune(now);
  const auto found = streaks_.find(key);
  if (found == streaks_.end()) {
    if (streaks_.size() < streaks_max) streaks_.emplace(key, Streak{.first = seq, .times = {now}, .folded_since = {}});
    return;
  }
  Streak& streak = found->second;
  // After a quiet second, or if none of the last refusals is left, this is the first of a new streak.
  if (streak.folded == 0 && (streak.times.empty() || !is_recent(streak.times.back(), now))) {
    streak.first = seq;
    streak.times.clear();
  }
  streak.times.push_back(now);
}

std::vector<Folding::Folded> Folding::due(TimeUs now) {
  std::vector<Folded> folded;
  for (auto& [key, streak] : streaks_) {
    if (streak.folded == 0 || is_recent(streak.folded_since, now)) continue;
    folded.push_back({.seq = streak.first, .count = streak.folded});
    streak.folded = 0;
    --folded_keys_;
  }
  prune(now);
  return folded;
}

std::vector<Folding::Folded> Folding::all() {
  std::vector<Folded> folded;
  for (const auto& [key, streak] : streaks_) {
    if (streak.folded > 0) folded.push_back({.seq = streak.first, .count = streak.folded});
  }
  streaks_.clear();
  folded_keys_ = 0;
  return folded;
}

void Folding::prune(TimeUs now) {
  std::erase_if(streaks_, [now](const auto& entry) {
    const Streak& streak = entry.second;
    return streak.folded == 0 && (streak.times.empty() || !is_recent(streak.times.back(), now));
  });
}

}  // namespace pawl
