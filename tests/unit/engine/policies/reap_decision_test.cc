// The table of SPEC §6, row by row: the observations of one running job, and the action.
#include <gtest/gtest.h>

#include "engine/policies/reaper.h"

namespace pawl {
namespace {

constexpr std::int64_t grace_s = 300;
constexpr std::int64_t ceiling_s = 5400;

/// A healthy job, claimed at 0 and started.
ReapObservation sight_at(std::int64_t seconds) {
  ReapObservation observation;
  observation.job.attempts = 1;
  observation.job.run.emplace();
  observation.job.run->pid = 4242;
  observation.now = TimeUs{seconds * us_per_s};
  observation.life = Liveness::alive;
  return observation;
}

ReapObservation exited_at(std::int64_t exit_s, std::int64_t code, std::int64_t now_s) {
  ReapObservation observation = sight_at(now_s);
  observation.job.run->exited = TimeUs{exit_s * us_per_s};
  observation.job.run->exit_code = code;
  observation.life = Liveness::dead;
  return observation;
}

TEST(ReapDecision, what_runs_and_lives_is_left) {
  const ReapDecision decision = reap_decision(sight_at(ceiling_s - 1));
  EXPECT_EQ(decision.move, ReapMove::leave);
  EXPECT_FALSE(decision.deferred);
  EXPECT_EQ(decision.streak.passes, 0);
}

TEST(ReapDecision, exit_within_the_grace_is_left_whatever_the_process_looks_like) {
  ReapObservation observation = exited_at(10, 0, 10 + grace_s - 1);
  observation.owner_alive = false;
  EXPECT_EQ(reap_decision(observation).move, ReapMove::leave);
}

TEST(ReapDecision, exit_past_the_grace_is_deferred_to_a_live_finalizer) {
  ReapObservation observation = exited_at(10, 0, 10 + grace_s);
  observation.finalizer_alive = true;
  const ReapDecision decision = reap_decision(observation);
  EXPECT_EQ(decision.move, ReapMove::leave);
  EXPECT_TRUE(decision.deferred);
}

TEST(ReapDecision, exit_zero_past_the_grace_without_a_finalizer_is_tier_2_by_the_exit_zero_rule) {
  const ReapDecision decision = reap_decision(exited_at(10, 0, 10 + grace_s));
  EXPECT_EQ(decision.move, ReapMove::exit_zero);
  EXPECT_EQ(decision.tier, fb::Tier::finalizer_dead);
}

TEST(ReapDecision, another_exit_past_the_grace_without_a_finalizer_is_tier_2_by_the_retry_rule) {
  const ReapDecision decision = reap_decision(exited_at(10, 137, 10 + grace_s));
  EXPECT_EQ(decision.move, ReapMove::retry);
  EXPECT_EQ(decision.tier, fb::Tier::finalizer_dead);
}

TEST(ReapDecision, dead_owner_is_tier_1_at_once) {
  ReapObservation observation = sight_at(1);
  observation.owner_alive = false;
  const ReapDecision decision = reap_decision(observation);
  EXPECT_EQ(decision.move, ReapMove::retry);
  EXPECT_EQ(decision.tier, fb::Tier::pid_dead);
}

TEST(ReapDecision, dead_process_is_tier_1_after_as_many_passes_as_are_set) {
  ReapObservation observation = sight_at(60);
  observation.settings.reaper.dead_ticks = 3;
  observation.life = Liveness::dead;
  for (std::int64_t pass = 1; pass <= 3; ++pass) {
    observation.now = TimeUs{pass * 60 * us_per_s};
    const ReapDecision decision = reap_decision(observation);
    EXPECT_EQ(decision.streak.passes, pass);
    EXPECT_EQ(decision.streak.first_dead.us, 60 * us_per_s);
    EXPECT_EQ(decision.move, pass < 3 ? ReapMove::leave : ReapMove::retry);
    observation.streak = decision.streak;
  }
}

TEST(ReapDecision, streak_is_forgotten_by_a_live_look_an_exit_and_another_attempt) {
  ReapObservation observation = sight_at(60);
  observation.streak = {.attempt = 1, .passes = 1, .first_dead = TimeUs{1}};
  EXPECT_EQ(reap_decision(observation).streak.passes, 0) << "alive";
  observation.life = Liveness::unknown;
  EXPECT_EQ(reap_decision(observation).streak.passes, 0) << "its pid was never reported";
  observation.life = Liveness::dead;
  observation.job.attempts = 2;
  EXPECT_EQ(reap_decision(observation).streak.passes, 1) << "the earlier streak was of another attempt";
  EXPECT_EQ(reap_decision(observation).move, ReapMove::leave);
  ReapObservation exited = exited_at(10, 0, 20);
  exited.streak = observation.streak;
  EXPECT_EQ(reap_decision(exited).streak.passes, 0) << "its exit is known";
}

TEST(ReapDecision, ceiling_is_tier_3_whoever_lives_and_owns) {
  EXPECT_EQ(reap_decision(sight_at(ceiling_s)).tier, fb::Tier::ceiling);
  EXPECT_EQ(reap_decision(sight_at(ceiling_s)).move, ReapMove::retry);
  ReapObservation deferred = exited_at(10, 0, ceiling_s);
  deferred.finalizer_alive = true;
  const ReapDecision decision = reap_decision(deferred);
  EXPECT_TRUE(decision.deferred) << "counted";
  EXPECT_EQ(decision.move, ReapMove::retry);
  EXPECT_EQ(decision.tier, fb::Tier::ceiling);
  EXPECT_EQ(reap_decision(exited_at(ceiling_s - 1, 0, ceiling_s)).tier, fb::Tier::ceiling) << "within the grace too";
}

TEST(ReapDecision, ages_are_whole_seconds_rounded_down) {
  ReapObservation observation = exited_at(0, 1, 0);
  observation.now = TimeUs{grace_s * us_per_s - 1};
  EXPECT_EQ(reap_decision(observation).move, ReapMove::leave);
  ReapObservation old = sight_at(0);
  old.now = TimeUs{ceiling_s * us_per_s - 1};
  EXPECT_EQ(reap_decision(old).move, ReapMove::leave);
}

}  // namespace
}  // namespace pawl
