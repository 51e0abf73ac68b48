// The queued jobs that only time, the serial gate or the concurrency limit can keep from being claimed, in the order in
// which they are served, so that a claim finds its job without a walk over the queue. Derived from the rows: not in the
// digest.
#pragma once

#include <compare>
#include <functional>
#include <limits>
#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "schema/ids.h"
#include "schema/time.h"

namespace pawl {

struct Job;
struct Task;

/// Which waiting claims may be granted now that were refused before.
struct FreedClaims {
  bool all = false;              // those of every agent
  std::set<std::string> agents;  // those of these agents

  bool any() const { return all || !agents.empty(); }
};

/// A job's turn: those with lower ones are served before it. It does not change while the job waits,
/// unless its task's priority or the setting does: an aged job is overtaken only by those that were queued less than
/// its lead in priority after it.
struct ClaimTurn {
  TimeUs time{std::numeric_limits<std::int64_t>::min()};  // when it was queued, less what its priority is worth
  JobId job{};

  friend constexpr auto operator<=>(const ClaimTurn&, const ClaimTurn&) = default;
};

/// That of a queued job. `priority_s`: the setting.
ClaimTurn turn_of(const Task& task, const Job& job, std::int64_t priority_s);

class ClaimableJobs {
 public:
  /// A job that is there gets another turn.
  void insert(const std::string& repo, const std::string& agent, ClaimTurn turn);
  /// Does nothing if the job is not there.
  void erase(const std::string& repo, const std::string& agent, JobId job);
  /// A repository is closed while a job runs in it and the serial gate is on. All are open at first.
  void close(const std::string& repo);
  void open(const std::string& repo);
  /// Closes these, and opens all others.
  void close_only(const std::set<std::string>& repos);

  /// What a search says about a job that it was shown.
  enum class Look { take, pass_over, stop };
  /// The first job of those agents, in the order of their turns and from `from` on, in an open repository, that `look`
  /// takes; 0 if there is none, or if `look` stopped the search. `look` is called in that order. The cost grows with
  /// the jobs that are passed over, and with the repositories whose first job is before `from`. Requires: the agents
  /// differ.
  JobId first(std::span<const std::string> agents, ClaimTurn from, const std::function<Look(JobId)>& look) const;
  /// Calls `look` with the jobs of one repository, open or closed, in the order of their turns, until it returns false.
  void each_in(const std::string& repo, const std::function<bool(JobId)>& look) const;

  /// The agents that have got a job in an open repository since the last call.
  std::set<std::string> take_freed() { return std::exchange(freed_, {}); }

  friend bool operator==(const ClaimableJobs& left, const ClaimableJobs& right) {
    return left.by_repo_ == right.by_repo_ && left.heads_ == right.heads_ && left.closed_ == right.closed_;
  }

 private:
  using Head = std::pair<ClaimTurn, std::string>;  // the first job of a repository, and the repository

  void add_head(const std::string& repo, const std::string& agent, ClaimTurn turn);
  void remove_head(const std::string& repo, const std::string& agent, ClaimTurn turn);

  std::map<std::string, std::map<std::string, std::set<ClaimTurn>>> by_repo_;  // then by agent; no set is empty
  std::map<std::string, std::set<Head>> heads_;                                // by agent: those of open repositories
  std::map<JobId, TimeUs> times_;                                              // of the turns
  std::set<std::string> closed_;
  std::set<std::string> freed_;
};

}  // namespace pawl
