#include "engine/state/claimable_jobs.h"

#include <gtest/gtest.h>

#include <optional>
#include <random>
#include <vector>

namespace pawl {
namespace {

using Look = ClaimableJobs::Look;

/// A job that was queued as the ids go.
ClaimTurn queued(std::uint64_t id) {
  return {.time = {static_cast<std::int64_t>(id)}, .job = JobId{id}};
}

JobId first_of(const ClaimableJobs& jobs, const std::vector<std::string>& agents, ClaimTurn from = {}) {
  return jobs.first(agents, from, [](JobId) { return Look::take; });
}

TEST(ClaimableJobs, jobs_are_looked_at_in_the_order_of_their_turns_across_repositories_and_agents) {
  ClaimableJobs jobs;
  jobs.insert("shop", "tester", queued(1));
  jobs.insert("shop", "tester", queued(7));
  jobs.insert("web", "tester", queued(2));
  jobs.insert("web", "developer", queued(3));
  jobs.insert("web", "developer", queued(9));
  jobs.insert("web", "reviewer", queued(4));
  std::vector<JobId> seen;
  const auto look = [&](JobId id) {
    seen.push_back(id);
    return Look::pass_over;
  };
  EXPECT_EQ(jobs.first(std::vector<std::string>{"developer", "tester"}, {}, look), JobId{0});
  EXPECT_EQ(seen, (std::vector{JobId{1}, JobId{2}, JobId{3}, JobId{7}, JobId{9}}));
  seen.clear();
  jobs.first(std::vector<std::string>{"developer", "tester"}, queued(3), look);
  EXPECT_EQ(seen, (std::vector{JobId{3}, JobId{7}, JobId{9}}));
}

TEST(ClaimableJobs, a_search_looks_at_nothing_of_other_agents_or_of_closed_repositories) {
  ClaimableJobs jobs;
  for (std::uint64_t id = 1; id <= 1000; ++id) {
    jobs.insert("repo-" + std::to_string(id % 100), id % 2 == 0 ? "tester" : "developer", queued(id));
  }
  jobs.insert("busy", "reviewer", queued(1001));
  jobs.insert("free", "reviewer", queued(1002));
  jobs.close("busy");
  int looks = 0;
  const auto look = [&](JobId) {
    ++looks;
    return Look::take;
  };
  EXPECT_EQ(jobs.first(std::vector<std::string>{"reviewer"}, {}, look), JobId{1002});
  EXPECT_EQ(jobs.first(std::vector<std::string>{"analyst"}, {}, look), JobId{0});
  EXPECT_EQ(looks, 1);
}

TEST(ClaimableJobs, freed_are_the_agents_with_a_new_job_in_an_open_repository) {
  ClaimableJobs jobs;
  jobs.close("shop");
  jobs.insert("shop", "tester", queued(1));
  EXPECT_EQ(jobs.take_freed(), std::set<std::string>{});
  jobs.insert("web", "developer", queued(2));
  EXPECT_EQ(jobs.take_freed(), std::set<std::string>{"developer"});
  jobs.open("shop");
  EXPECT_EQ(jobs.take_freed(), std::set<std::string>{"tester"});
  jobs.erase("web", "developer", JobId{2});
  jobs.close("shop");
  EXPECT_EQ(jobs.take_freed(), std::set<std::string>{});
}

TEST(ClaimableJobs, a_job_that_gets_another_turn_frees_no_claim) {
  ClaimableJobs jobs;
  for (std::uint64_t id = 1; id <= 3; ++id) jobs.insert("shop", "tester", queued(id));
  EXPECT_EQ(jobs.take_freed(), std::set<std::string>{"tester"});
  jobs.insert("shop", "tester", {.time = {-5}, .job = JobId{3}});
  EXPECT_EQ(first_of(jobs, {"tester"}), JobId{3});
  EXPECT_EQ(jobs.take_freed(), std::set<std::string>{});
  jobs.insert("shop", "tester", queued(3));
  EXPECT_EQ(first_of(jobs, {"tester"}), JobId{1});
  jobs.erase("shop", "tester", JobId{3});
  EXPECT_EQ(first_of(jobs, {"tester"}, queued(3)), JobId{0});
}

TEST(ClaimableJobs, the_jobs_of_a_closed_repository_are_shown_in_order) {
  ClaimableJobs jobs;
  jobs.insert("shop", "tester", queued(2));
  jobs.insert("shop", "developer", queued(1));
  jobs.insert("shop", "developer", queued(3));
  jobs.insert("web", "developer", queued(4));
  jobs.close("shop");
  std::vector<JobId> seen;
  jobs.each_in("shop", [&](JobId id) {
    seen.push_back(id);
    return seen.size() < 2;
  });
  EXPECT_EQ(seen, (std::vector{JobId{1}, JobId{2}}));
  jobs.each_in("nowhere", [&](JobId) { return ADD_FAILURE(), false; });
}

/// Any order of changes leaves what the naive form has: a list of all jobs.
TEST(ClaimableJobs, any_changes_leave_what_a_list_would_have) {
  std::mt19937 dice(7);
  const auto number = [&](int least, int most) { return std::uniform_int_distribution(least, most)(dice); };
  const std::vector<std::string> names = {"a", "b", "c"};
  ClaimableJobs jobs;
  struct Where {
    std::string repo;
    std::string agent;
    ClaimTurn turn;
  };
  std::map<JobId, Where> all;
  std::set<std::string> closed;
  for (int round = 0; round < 5000; ++round) {
    const std::string repo = names[static_cast<std::size_t>(number(0, 2))];
    const JobId id{static_cast<std::uint64_t>(number(1, 30))};
    const std::string agent = names[raw(id) % 3];
    switch (number(0, 4)) {
      case 0:
        jobs.close(repo);
        closed.insert(repo);
        break;
      case 1:
        jobs.open(repo);
        closed.erase(repo);
        break;
      case 2:
        // A job that is there gets another turn.
        all.emplace(id, Where{.repo = repo, .agent = agent, .turn = {}});
        all.at(id).turn = {.time = {number(0, 20)}, .job = id};
        jobs.insert(all.at(id).repo, agent, all.at(id).turn);
        break;
      case 3:
        if (all.contains(id)) jobs.erase(all.at(id).repo, agent, id);
        all.erase(id);
        break;
      default:
        closed = number(0, 1) == 0 ? std::set<std::string>{repo} : std::set<std::string>{};
        jobs.close_only(closed);
    }
    const std::vector<std::string> asked = number(0, 1) == 0 ? std::vector{agent} : std::vector<std::string>{"c", "a"};
    const ClaimTurn from{.time = {5}, .job = JobId{10}};
    std::optional<ClaimTurn> expected;
    for (const auto& [job, where] : all) {
      const bool is_asked = std::find(asked.begin(), asked.end(), where.agent) != asked.end();
      if (!is_asked || closed.contains(where.repo) || where.turn < from) continue;
      if (!expected || where.turn < *expected) expected = where.turn;
    }
    ASSERT_EQ(first_of(jobs, asked, from), expected ? expected->job : JobId{0}) << "round " << round;
  }
}

}  // namespace
}  // namespace pawl
