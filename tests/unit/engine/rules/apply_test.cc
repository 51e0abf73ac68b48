#include "engine/rules/claim.h"
#include "engine/rules/rules.h"
#include "tests/unit/engine/rules.h"

namespace pawl {
namespace {

class Apply : public Rules {};

TEST_F(Apply, a_rule_knows_the_rules_version_of_its_record) {
  Proposal proposal = propose(requester({}), task_note(create()));
  Applied applied;
  const auto rules_of = [&] { return context_of(state, proposal.record(), IsLastSetting::yes, applied).rules; };
  for (const std::uint32_t rules : {1U, 7U}) {
    proposal.stamp().mutate_rules(rules);
    EXPECT_EQ(rules_of(), rules);
  }
}

TEST_F(Apply, what_is_new_is_decided_under_the_rules_of_the_program) {
  const Decided& decided = must(task_note(create()));
  EXPECT_EQ(decided.records.front().record().stamp()->rules(), rules_version);
}

TEST_F(Apply, what_may_let_a_claim_through_says_so) {
  set("queue.max_concurrency", std::int64_t{1});
  const TaskId first = create();
  const TaskId second = create();
  const JobId running = claim(first);
  refuses(Outcome::limit, job_claimed(job_of(second), worker), worker);

  EXPECT_TRUE(must(job_finished(running, 1, fb::JobResult::done)).applied.front().frees.any()) << "a place is free";
  EXPECT_TRUE(must(job_queued(first)).applied.front().frees.any());
  block(first);
  EXPECT_TRUE(must(task_unblocked(first)).applied.front().frees.any());
  EXPECT_TRUE(must(setting_changed("queue.max_concurrency", std::int64_t{2})).applied.front().frees.any());

  EXPECT_FALSE(must(task_note(first)).applied.front().frees.any());
  EXPECT_FALSE(must(task_blocked(first, version(first))).applied.front().frees.any());
  EXPECT_FALSE(must(job_claimed(job_of(second), worker), worker).applied.front().frees.any());
}

TEST_F(Apply, what_is_queued_behind_a_taken_repository_wakes_no_claim) {
  set("queue.serial_per_repo", true);
  const TaskId first = create();
  const JobId running = claim(first);
  const Decided& behind = must(task_created("behind"));
  for (const Applied& applied : behind.applied) EXPECT_FALSE(applied.frees.any());

  const std::string agent = state.jobs.find(running)->agent;
  const auto take = [](JobId) { return ClaimableJobs::Look::take; };
  EXPECT_EQ(first_claimable(state, std::vector{agent}, {}, now, take), JobId{0});
  EXPECT_TRUE(must(job_finished(running, 1, fb::JobResult::failed)).applied.front().frees.any());
  EXPECT_NE(first_claimable(state, std::vector{agent}, {}, now, take), JobId{0});
}

TEST_F(Apply, a_job_wakes_only_the_claims_of_its_agent) {
  const Applied& created = must(task_created("first")).applied.front();
  EXPECT_FALSE(created.frees.all);
  EXPECT_EQ(created.frees.agents, std::set<std::string>{state.jobs.rows().begin()->second.agent});
}

TEST_F(Apply, job_that_is_passed_over_leaves_the_next_to_be_found) {
  const JobId first = job_of(create());
  const JobId second = job_of(create());
  const std::vector<std::string> agents{state.jobs.find(first)->agent};
  using Look = ClaimableJobs::Look;
  const auto found_without = [&](JobId other) {
    return first_claimable(state, agents, {}, now,
                           [&](JobId id) { return id == other ? Look::pass_over : Look::take; });
  };
  EXPECT_EQ(found_without(first), second);
  EXPECT_EQ(found_without(second), first);
  EXPECT_EQ(
      first_claimable(state, agents, turn_of(state, *state.jobs.find(second)), now, [](JobId) { return Look::take; }),
      second);
  EXPECT_EQ(first_claimable(state, agents, {}, now, [](JobId) { return Look::stop; }), JobId{0});
}

}  // namespace
}  // namespace pawl
