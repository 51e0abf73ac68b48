#include "store/commit/folding.h"

#include "schema/limits.h"

namespace pawl {
namespace {

constexpr std::size_t recorded_per_second_max = 32;
/// Streaks that are watched at once. Beyond it refusals are simply recorded, which is never wrong.
constexpr std::size_t streaks_max = 4096;

bool is_recent(TimeUs time, TimeUs now) {
  return now.us - time.us < us_per_s;
}

std::string task_target(std::uint64_t task) {
  return "task:" + std::to_string(task);
}
std::string job_target(std::uint64_t job) {
  return "job:" + std::to_string(job);
}

}  // namespace

std::string target_of(const fb::Record& record) {
  switch (record.event_type()) {
    case fb::Event::NONE:
    case fb::Event::RefusalsFolded:
      return {};
    case fb::Event::BootStarted:
      return record.event_as_BootStarted()->name()->str();
    case fb::Event::BootEnded:
      return record.event_as_BootEnded()->boot_id()->str();
    case fb::Event::PipelineDefined:
      return record.event_as_PipelineDefined()->name()->str();
    case fb::Event::SettingChanged:
      return record.event_as_SettingChanged()->key()->str();
    case fb::Event::TaskCreated:
      return record.event_as_TaskCreated()->repo()->str() + '\n' + record.event_as_TaskCreated()->work_item()->str();
    case fb::Event::StageTransition:
      return task_target(record.event_as_StageTransition()->task());
    case fb::Event::LeaseAcquired:
      return record.event_as_LeaseAcquired()->key()->str();
    case fb::Event::LeaseReleased:
      return record.event_as_LeaseReleased()->key()->str();
    case fb::Event::LeaseReclaimed:
      return record.event_as_LeaseReclaimed()->key()->str();
    case fb::Event::JobQueued:
      return task_target(record.event_as_JobQueued()->task());
    case fb::Event::JobClaimed:
      return job_target(record.event_as_JobClaimed()->job());
    case fb::Event::RunStarted:
      return job_target(record.event_as_RunStarted()->job());
    case fb::Event::RunExited:
      return job_target(record.event_as_RunExited()->job());
    case fb::Event::JobFinished:
      return job_target(record.event_as_JobFinished()->job());
    case fb::Event::JobReaped:
      return job_target(record.event_as_JobReaped()->job());
    case fb::Event::FinalizerMarked:
      return job_target(record.event_as_FinalizerMarked()->job());
    case fb::Event::FinalizerCleared:
      return job_target(record.event_as_FinalizerCleared()->job());
    case fb::Event::GateEvaluated:
      return task_target(record.event_as_GateEvaluated()->task());
    case fb::Event::StepStarted:
      return task_target(record.event_as_StepStarted()->task());
    case fb::Event::StepFinished:
      return task_target(record.event_as_StepFinished()->task());
    case fb::Event::TaskBlocked:
      return task_target(record.event_as_TaskBlocked()->task());
    case fb::Event::TaskUnblocked:
      return task_target(record.event_as_TaskUnblocked()->task());
    case fb::Event::CancelRequested:
      return task_target(record.event_as_CancelRequested()->task());
    case fb::Event::TaskCancelled:
      return task_target(record.event_as_TaskCancelled()->task());
    case fb::Event::TaskNote:
      return task_target(record.event_as_TaskNote()->task());
  }
  return {};
}

RefusalKey refusal_key(const fb::Record& record, Outcome outcome) {
  return {.boot = record.boot()->str(),
          .actor = record.actor()->str(),
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
  // After a second of silence, or with none of the last ones left, this is the first of a new streak.
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
