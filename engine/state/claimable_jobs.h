// The queued jobs that only a pause, the serial gate or the concurrency limit can keep from being claimed, so that a
// claim finds its job without a walk over the queue. Derived from the rows: not in the digest.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "schema/ids.h"

namespace pawl {

/// Which waiting claims may be granted now that were refused before.
struct FreedClaims {
  bool all = false;              // those of every agent
  std::set<std::string> agents;  // those of these agents

  bool any() const { return all || !agents.empty(); }
};

class ClaimableJobs {
 public:
  void insert(const std::string& repo, const std::string& agent, JobId job);
  /// Does nothing if the job is not there.
  void erase(const std::string& repo, const std::string& agent, JobId job);
  /// A repository is closed while a job runs in it and the serial gate is on. All are open at first.
  void close(const std::string& repo);
  void open(const std::string& repo);
  /// Closes these, and opens all others.
  void close_only(const std::set<std::string>& repos);

  /// What a search says about a job that it was shown.
  enum class Look { take, pass_over, stop };
  /// The first job of those agents, by id and from `from` on, in an open repository, that `look` takes; 0 if there is
  /// none, or if `look` stopped the search. `look` is called in the order of the ids. The cost grows with the jobs that
  /// are passed over, and with the repositories whose first job is before `from`. Requires: the agents differ.
  JobId first(std::span<const std::string> agents, JobId from, const std::function<Look(JobId)>& look) const;

  /// The agents that have got a job in an open repository since the last call.
  std::set<std::string> take_freed() { return std::exchange(freed_, {}); }

  friend bool operator==(const ClaimableJobs& left, const ClaimableJobs& right) {
    return left.by_repo_ == right.by_repo_ && left.heads_ == right.heads_ && left.closed_ == right.closed_;
  }

 private:
  using Head = std::pair<JobId, std::string>;  // the first job of a repository, and the repository

  void add_head(const std::string& repo, const std::string& agent, JobId job);
  void remove_head(const std::string& repo, const std::string& agent, JobId job);

  std::map<std::string, std::map<std::string, std::set<JobId>>> by_repo_;  // then by agent; no set is empty
  std::map<std::string, std::set<Head>> heads_;                            // by agent: those of open repositories
  std::set<std::string> closed_;
  std::set<std::string> freed_;
};

}  // namespace pawl
