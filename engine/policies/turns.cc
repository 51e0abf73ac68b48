#include "engine/policies/turns.h"

#include <algorithm>

#include "engine/rules/claim.h"

namespace pawl {
namespace {

constexpr std::size_t named_max = 3;
constexpr std::size_t counted_max = 100;
constexpr std::size_t looked_at_max = 1000;  // most of them may wait for something else

/// Whether nothing but its turn keeps the job waiting.
bool is_in_line(Outcome outcome) {
  return outcome == Outcome::accepted || outcome == Outcome::limit || outcome == Outcome::serial_gate;
}

std::vector<std::string> all_agents(const State& state) {
  std::vector<std::string> agents;
  for (const auto& [agent, jobs] : state.indexes.jobs_of_agent) {
    if (jobs.queued > 0) agents.push_back(agent);
  }
  return agents;
}

}  // namespace

JobsAhead jobs_ahead_of(const State& state, const Job& job, TimeUs now,
                        const std::function<bool(const Job&)>& is_shown) {
  JobsAhead ahead;
  std::size_t looks = 0;
  // Whether to go on.
  const auto pass = [&](JobId id) {
    if (id == job.id) return false;
    ahead.is_more = ahead.count == counted_max || ++looks > looked_at_max;
    if (ahead.is_more) return false;
    if (!is_in_line(claim_outcome(state, id, now))) return true;
    ++ahead.count;
    const bool is_named = ahead.first.size() < named_max && (!is_shown || is_shown(*state.jobs.find(id)));
    if (is_named) ahead.first.push_back(id);
    return true;
  };
  const Outcome waits_for = claim_outcome(state, job.id, now);
  if (waits_for == Outcome::serial_gate) {
    state.indexes.claimable.each_in(state.tasks.find(job.task)->repo, pass);
    return ahead;
  }
  const std::vector<std::string> agents =
      waits_for == Outcome::limit ? all_agents(state) : std::vector<std::string>{job.agent};
  using Look = ClaimableJobs::Look;
  state.indexes.claimable.first(agents, {}, [&](JobId id) { return pass(id) ? Look::pass_over : Look::stop; });
  return ahead;
}

std::string in_words(const State& state, const JobsAhead& ahead) {
  if (ahead.count == 0 && !ahead.is_more) return "it is next";
  const bool is_one = ahead.count == 1 && !ahead.is_more;
  std::string out =
      (ahead.is_more ? "at least " : "") + std::to_string(ahead.count) + (is_one ? " job is ahead" : " jobs are ahead");
  for (const JobId id : ahead.first) {
    const Job& job = *state.jobs.find(id);
    const auto priority = state.tasks.find(job.task)->priority;
    out += (id == ahead.first.front() ? ": job " : ", job ") + std::to_string(raw(id)) + " of task " +
           std::to_string(raw(job.task)) + (priority ? " (priority " + std::to_string(*priority) + ")" : "");
  }
  return out + (!ahead.first.empty() && ahead.first.size() < ahead.count ? " and others" : "");
}

std::map<JobId, std::size_t> turns_of_jobs(const State& state, TimeUs now, std::size_t jobs_max) {
  std::map<JobId, std::size_t> turns;
  std::map<std::string, std::size_t> of_agent;
  std::size_t in_open = 0;
  std::size_t looks = 0;
  using Look = ClaimableJobs::Look;
  state.indexes.claimable.first(all_agents(state), {}, [&](JobId id) {
    if (++looks > jobs_max) return Look::stop;
    const Outcome outcome = claim_outcome(state, id, now);
    if (!is_in_line(outcome)) return Look::pass_over;
    std::size_t& of_its_agent = of_agent[state.jobs.find(id)->agent];
    turns.emplace(id, outcome == Outcome::limit ? in_open : of_its_agent);
    ++in_open;
    ++of_its_agent;
    return Look::pass_over;
  });
  if (!state.settings().queue.serial_per_repo) return turns;
  for (const auto& [repo, running] : state.indexes.running_by_repo) {
    std::size_t in_repo = 0;
    state.indexes.claimable.each_in(repo, [&](JobId id) {
      if (++looks > jobs_max) return false;
      if (is_in_line(claim_outcome(state, id, now))) turns.emplace(id, in_repo++);
      return true;
    });
  }
  return turns;
}

}  // namespace pawl
