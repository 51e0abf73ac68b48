#include "daemon/outside/webhook_book.h"

namespace pawl {

void CommitBranches::learn(const std::string& repo, const std::string& commit, const std::string& branch) {
  if (commit.empty() || branch.empty()) return;
  const MutexLock lock(mutex_);
  const Commit key{repo, commit};
  const auto [at, is_new] = branches_.insert_or_assign(key, branch);
  if (!is_new) return;
  order_.push_back(key);
  if (order_.size() <= remembered_max) return;
  branches_.erase(order_.front());
  order_.pop_front();
}

std::string CommitBranches::find(const std::string& repo, const std::string& commit) const {
  const MutexLock lock(mutex_);
  const auto found = branches_.find({repo, commit});
  return found == branches_.end() ? std::string() : found->second;
}

bool UnderWay::begin(TaskId task) {
  const MutexLock lock(mutex_);
  return tasks_.insert(task).second;
}

void UnderWay::end(TaskId task) {
  const MutexLock lock(mutex_);
  tasks_.erase(task);
}

void WebhookRefusals::count(std::string_view reason) {
  const MutexLock lock(mutex_);
  ++by_reason_.try_emplace(std::string(reason)).first->second;
}

std::vector<std::pair<std::string, std::uint64_t>> WebhookRefusals::counts() const {
  const MutexLock lock(mutex_);
  return {by_reason_.begin(), by_reason_.end()};
}

std::optional<std::uint64_t> WebhookRefusals::alert_due(const std::string& kind, TimeUs now) {
  const MutexLock lock(mutex_);
  const auto is_over = [&](const Told& told) { return now.us - told.at.us >= alert_every_s * us_per_s; };
  if (!told_.contains(kind) && told_.size() >= kinds_max) {
    std::erase_if(told_, [&](const auto& entry) { return is_over(entry.second); });
  }
  const bool has_room = told_.contains(kind) || told_.size() < kinds_max;
  const auto [at, is_new] = told_.try_emplace(has_room ? kind : std::string(), Told{.at = now});
  Told& told = at->second;
  if (is_new) return 0;
  if (!is_over(told)) {
    ++told.folded;
    return std::nullopt;
  }
  const std::uint64_t folded = std::exchange(told.folded, 0);
  told.at = now;
  return folded;
}

}  // namespace pawl
