#include "engine/state/claimable_jobs.h"

#include <queue>

#include "engine/state/rows.h"

namespace pawl {
namespace {

using Turns = std::set<ClaimTurn>;

/// Several sets of turns, read in order as if they were one.
class Merged {
 public:
  void add(Turns::const_iterator from, Turns::const_iterator end) {
    if (from != end) begun_.push({from, end});
  }
  bool empty() const { return begun_.empty(); }
  const ClaimTurn& first() const { return *begun_.top().next; }
  ClaimTurn take() {
    Rest rest = begun_.top();
    begun_.pop();
    const ClaimTurn turn = *rest.next;
    add(++rest.next, rest.end);
    return turn;
  }

 private:
  struct Rest {
    Turns::const_iterator next;
    Turns::const_iterator end;
    bool operator<(const Rest& other) const { return *other.next < *next; }  // the first on top
  };
  std::priority_queue<Rest> begun_;
};

}  // namespace

ClaimTurn turn_of(const Task& task, const Job& job, std::int64_t priority_s) {
  // A job that was tried before keeps its turn, though it has been queued again since.
  const TimeUs queued = job.attempts == 0 ? job.queued : task.entered;
  return {.time = plus_s(queued, -task.priority.value_or(0) * priority_s), .job = job.id};
}

void ClaimableJobs::add_head(const std::string& repo, const std::string& agent, ClaimTurn turn) {
  heads_[agent].emplace(turn, repo);
}

void ClaimableJobs::remove_head(const std::string& repo, const std::string& agent, ClaimTurn turn) {
  const auto heads = heads_.find(agent);
  if (heads == heads_.end()) return;
  heads->second.erase({turn, repo});
  if (heads->second.empty()) heads_.erase(heads);
}

void ClaimableJobs::insert(const std::string& repo, const std::string& agent, ClaimTurn turn) {
  const auto known = times_.find(turn.job);
  const bool is_new = known == times_.end();
  if (!is_new && known->second.us == turn.time.us) return;
  if (!is_new) erase(repo, agent, turn.job);
  times_[turn.job] = turn.time;
  Turns& jobs = by_repo_[repo][agent];
  const bool was_empty = jobs.empty();
  const ClaimTurn head = was_empty ? ClaimTurn{} : *jobs.begin();
  jobs.insert(turn);
  if (closed_.contains(repo)) return;
  if (is_new) freed_.insert(agent);
  if (!was_empty && *jobs.begin() == head) return;
  if (!was_empty) remove_head(repo, agent, head);
  add_head(repo, agent, turn);
}

void ClaimableJobs::erase(const std::string& repo, const std::string& agent, JobId job) {
  const auto time = times_.find(job);
  if (time == times_.end()) return;
  const ClaimTurn turn{.time = time->second, .job = job};
  times_.erase(time);
  const auto agents = by_repo_.find(repo);
  const auto jobs = agents->second.find(agent);
  const bool is_head = *jobs->second.begin() == turn;
  jobs->second.erase(turn);
  if (is_head && !closed_.contains(repo)) {
    remove_head(repo, agent, turn);
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

JobId ClaimableJobs::first(std::span<const std::string> agents, ClaimTurn from,
                           const std::function<Look(JobId)>& look) const {
  // The jobs of each repository are in order, and so are the heads: merged, they give all jobs in order.
  struct Heads {
    const std::string& agent;
    std::set<Head>::const_iterator next;
    std::set<Head>::const_iterator end;
  };
  Merged begun;
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
    if (first && (begun.empty() || first->next->first < begun.first())) {
      const Turns& jobs = by_repo_.at(first->next->second).at(first->agent);
      const bool is_before = first->next->first < from;
      ++first->next;
      begun.add(is_before ? jobs.lower_bound(from) : jobs.begin(), jobs.end());
      if (is_before) continue;
    }
    const JobId job = begun.take().job;
    const Look seen = look(job);
    if (seen == Look::take) return job;
    if (seen == Look::stop) return JobId{0};
  }
}

void ClaimableJobs::each_in(const std::string& repo, const std::function<bool(JobId)>& look) const {
  const auto agents = by_repo_.find(repo);
  if (agents == by_repo_.end()) return;
  Merged begun;
  for (const auto& [agent, jobs] : agents->second) begun.add(jobs.begin(), jobs.end());
  while (!begun.empty()) {
    if (!look(begun.take().job)) return;
  }
}

}  // namespace pawl
