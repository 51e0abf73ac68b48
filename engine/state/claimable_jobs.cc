#include "engine/state/claimable_jobs.h"

#include <queue>
#include <vector>

namespace pawl {

void ClaimableJobs::add_head(const std::string& repo, const std::string& agent, JobId job) {
  heads_[agent].emplace(job, repo);
}

void ClaimableJobs::remove_head(const std::string& repo, const std::string& agent, JobId job) {
  const auto heads = heads_.find(agent);
  if (heads == heads_.end()) return;
  heads->second.erase({job, repo});
  if (heads->second.empty()) heads_.erase(heads);
}

void ClaimableJobs::insert(const std::string& repo, const std::string& agent, JobId job) {
  std::set<JobId>& jobs = by_repo_[repo][agent];
  const JobId head = jobs.empty() ? JobId{0} : *jobs.begin();
  if (!jobs.insert(job).second || closed_.contains(repo)) return;
  freed_.insert(agent);
  if (*jobs.begin() == head) return;
  if (head != JobId{0}) remove_head(repo, agent, head);
  add_head(repo, agent, job);
}

void ClaimableJobs::erase(const std::string& repo, const std::string& agent, JobId job) {
  const auto agents = by_repo_.find(repo);
  if (agents == by_repo_.end()) return;
  const auto jobs = agents->second.find(agent);
  if (jobs == agents->second.end() || !jobs->second.contains(job)) return;
  const bool is_head = *jobs->second.begin() == job;
  jobs->second.erase(job);
  if (is_head && !closed_.contains(repo)) {
    remove_head(repo, agent, job);
    if (!jobs->second.empty()) add_head(repo, agent, *jobs->second.begin());
  }
  if (!jobs->second.empty()) return;
  agents->second.erase(jobs);
  if (agents->second.empty()) by_repo_.erase(agents);
}

void ClaimableJobs::close(const std::string& repo) {
  if (!closed_.insert(repo).second) return;
  const auto agents = by_repo_.find(repo);
  if (agents == by_repo_.end()) return;
  for (const auto& [agent, jobs] : agents->second) remove_head(repo, agent, *jobs.begin());
}

void ClaimableJobs::open(const std::string& repo) {
  if (closed_.erase(repo) == 0) return;
  const auto agents = by_repo_.find(repo);
  if (agents == by_repo_.end()) return;
  for (const auto& [agent, jobs] : agents->second) {
    add_head(repo, agent, *jobs.begin());
    freed_.insert(agent);
  }
}

void ClaimableJobs::close_only(const std::set<std::string>& repos) {
  const std::set<std::string> were = closed_;
  for (const std::string& repo : were) {
    if (!repos.contains(repo)) open(repo);
  }
  for (const std::string& repo : repos) close(repo);
}

JobId ClaimableJobs::first(std::span<const std::string> agents, JobId from,
                           const std::function<Look(JobId)>& look) const {
  // The jobs of each repository are in order, and so are the heads: merged, they give all jobs in order.
  struct Rest {
    std::set<JobId>::const_iterator next;
    std::set<JobId>::const_iterator end;
    bool operator<(const Rest& other) const { return *other.next < *next; }  // the first job on top
  };
  struct Heads {
    const std::string& agent;
    std::set<Head>::const_iterator next;
    std::set<Head>::const_iterator end;
  };
  std::priority_queue<Rest> begun;
  std::vector<Heads> heads;
  for (const std::string& agent : agents) {
    const auto of_agent = heads_.find(agent);
    if (of_agent != heads_.end()) heads.push_back({agent, of_agent->second.begin(), of_agent->second.end()});
  }
  while (true) {
    Heads* first = nullptr;
    for (Heads& each : heads) {
      if (each.next != each.end && (!first || each.next->first < first->next->first)) first = &each;
    }
    if (!first && begun.empty()) return JobId{0};
    Rest rest;
    if (first && (begun.empty() || first->next->first < *begun.top().next)) {
      const std::set<JobId>& jobs = by_repo_.at(first->next->second).at(first->agent);
      const JobId head = first->next->first;
      ++first->next;
      rest = {head < from ? jobs.lower_bound(from) : jobs.begin(), jobs.end()};
      if (head < from) {
        if (rest.next != rest.end) begun.push(rest);
        continue;
      }
    } else {
      rest = begun.top();
      begun.pop();
    }
    const JobId job = *rest.next;
    const Look seen = look(job);
    if (seen == Look::take) return job;
    if (seen == Look::stop) return JobId{0};
    if (++rest.next != rest.end) begun.push(rest);
  }
}

}  // namespace pawl
