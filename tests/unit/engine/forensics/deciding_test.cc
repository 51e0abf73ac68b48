// By which value a record was decided, and which record set it: stories told by the real engine.
#include "engine/forensics/deciding.h"

#include "tests/unit/engine/story.h"

namespace pawl {
namespace {

class DecidingInAStory : public Story {
 protected:
  /// What decided the last record of that type.
  std::vector<std::string> decided(fb::Event type) const {
    State state;
    DecidingValues values;
    std::vector<std::string> words;
    const auto& lines = machine.lines();
    for (std::size_t first = 0; first < lines.size();) {
      std::size_t end = first;
      std::vector<const fb::Record*> group;
      while (end < lines.size() && group_of(end) == group_of(first)) group.push_back(&lines[end++].record.record());
      EXPECT_FALSE(reapply(state, group).divergence);
      for (; first < end; ++first) {
        const fb::Record& record = lines[first].record.record();
        if (record.event_type() == type) {
          words.clear();
          for (const DecidedBy& each : values.of(record, lines[first].applied, state)) words.push_back(in_words(each));
        }
        values.see(record, lines[first].applied, state);
      }
    }
    return words;
  }
  std::uint64_t group_of(std::size_t index) const { return machine.lines()[index].record.record().stamp()->group(); }
  /// "set by 7", for the last record.
  std::string set_by_last() const { return "set by " + std::to_string(machine.lines().size()); }

  template <class Event>
  Outcome ask(const std::string& actor, const Event& event) {
    return machine.propose(propose_group(requester(actor), event)).outcome;
  }
  void wait(std::int64_t seconds) { machine.set_now(plus_s(machine.now(), seconds)); }
  Reaped pass() { return reap_job(machine, world, task, job, streaks, requester("reaper"), 1, ReapMode::all, {}); }
  void claim(std::optional<std::int64_t> ttl_s = {}) {
    fb::JobClaimedT event;
    event.job = raw(job);
    event.owner = owner("executor");
    if (ttl_s) event.ttl = *ttl_s;
    ASSERT_EQ(ask("executor", event), Outcome::accepted);
  }
  void finish() {
    fb::JobFinishedT event;
    event.job = raw(job);
    event.attempt = machine.state().jobs.find(job)->attempts;
    event.result = fb::JobResult::retry;
    ASSERT_EQ(ask("executor", event), Outcome::accepted);
  }

  Streaks streaks;
};

TEST_F(DecidingInAStory, restart_counts_against_the_interruptions_that_were_set) {
  set("recovery.max_interruptions", std::int64_t{1});
  const std::string set_by = set_by_last();
  boot("boot-2");
  EXPECT_EQ(decided(fb::Event::JobReaped)[1], "1 interruption <= 1 (recovery.max_interruptions, " + set_by + ")");
  claim();
  boot("boot-3");
  const Names last = decided(fb::Event::JobReaped);
  ASSERT_EQ(last.size(), 2u);
  EXPECT_EQ(last[0], "2 interruptions > 1 (recovery.max_interruptions, " + set_by + ")");
  EXPECT_TRUE(last[1].starts_with("the owner's boot had ended with record ")) << last[1];
  EXPECT_EQ(row()->blocked, "job_failed");
}

TEST_F(DecidingInAStory, attempts_count_against_the_number_in_force_when_the_job_was_queued) {
  set("job.max_attempts", std::int64_t{3});  // for later jobs
  finish();
  EXPECT_EQ(decided(fb::Event::JobFinished),
            (Names{"1 attempt < 2 (job.max_attempts, the default)",
                   "the next attempt waits 10 s (job.retry_delay_s 10, the default)"}));
  wait_for_retry();
  claim();
  finish();
  EXPECT_EQ(decided(fb::Event::JobFinished), (Names{"2 attempts >= 2 (job.max_attempts, the default)"}));
}

TEST_F(DecidingInAStory, later_job_has_the_number_that_was_set_and_the_longest_pause) {
  set("job.max_attempts", std::int64_t{3});
  const std::string tries = set_by_last();
  set("job.retry_delay_max_s", std::int64_t{15});
  const std::string longest = set_by_last();
  set("queue.max_concurrency", std::int64_t{2});
  set("queue.serial_per_repo", false);
  stand_on("deploy-staging");
  finish();
  wait_for_retry();
  claim();
  finish();
  EXPECT_EQ(decided(fb::Event::JobFinished),
            (Names{"2 attempts < 3 (job.max_attempts, " + tries + ")",
                   "the next attempt waits 15 s (job.retry_delay_max_s 15, " + longest + ")"}));
}

TEST_F(DecidingInAStory, ceiling_does_not_count_the_time_of_a_gap) {
  set("reaper.max_running_s", std::int64_t{3600});
  const std::string set_by = set_by_last();
  wait(600);
  fb::TimeGapT gap;
  gap.us = 500 * us_per_s;
  ASSERT_EQ(ask("pawld", gap), Outcome::accepted);
  const std::string seq = std::to_string(machine.lines().size());
  wait(3500);
  ASSERT_TRUE(pass().reaped);
  const Names last = decided(fb::Event::JobReaped);
  ASSERT_GE(last.size(), 2u);
  EXPECT_EQ(last[0], "claimed 3600 s ago >= 3600 (reaper.max_running_s, " + set_by + ")");
  EXPECT_EQ(last[1], "500 s of it do not count: no one could act (the clock gap of record " + seq + ")");
}

TEST_F(DecidingInAStory, grace_of_a_finalizer_and_its_default) {
  exited(1);
  wait(300);
  ASSERT_TRUE(pass().reaped);
  EXPECT_EQ(decided(fb::Event::JobReaped)[0], "exited 300 s ago >= 300 (reaper.finalize_grace_s, the default)");
}

TEST_F(DecidingInAStory, claim_is_held_to_the_ttl_that_its_claimer_chose) {
  finish();
  wait_for_retry();
  claim(60);
  const std::string seq = std::to_string(machine.lines().size());
  wait(61);
  ASSERT_TRUE(pass().reaped);
  EXPECT_EQ(decided(fb::Event::JobReaped)[0],
            "the claim was not renewed for 61 s >= 60 (its ttl, chosen in " + seq + ")");
}

TEST_F(DecidingInAStory, dead_process_is_counted_in_passes) {
  set("reaper.dead_ticks", std::int64_t{1});
  const std::string set_by = set_by_last();
  fb::RunStartedT started;
  started.job = raw(job);
  started.attempt = 1;
  started.pid = 4242;
  ASSERT_EQ(ask("executor", started), Outcome::accepted);
  world.pid_alive[4242] = false;
  ASSERT_TRUE(pass().reaped);
  EXPECT_EQ(decided(fb::Event::JobReaped)[0], "seen dead in 1 pass >= 1 (reaper.dead_ticks, " + set_by + ")");
}

TEST_F(DecidingInAStory, lease_on_a_repository_has_the_ttl_that_was_set_or_that_its_holder_chose) {
  set("lease.merge_ttl_s", std::int64_t{1700});
  const std::string set_by = set_by_last();
  const auto lose = [&](const std::string& key, std::int64_t ttl_s) {
    fb::LeaseAcquiredT taken;
    taken.key = key;
    taken.owner = owner("worker");
    taken.ttl = ttl_s;
    EXPECT_EQ(ask("worker", taken), Outcome::accepted);
    const std::string seq = std::to_string(machine.lines().size());
    wait(ttl_s + 5);
    fb::LeaseReclaimedT reclaimed;
    reclaimed.key = key;
    reclaimed.token = raw(machine.state().lease(key)->token);
    reclaimed.reason = fb::ReclaimReason::ttl_expired;
    EXPECT_EQ(ask("reaper", reclaimed), Outcome::accepted);
    return seq;
  };
  lose("repo:shop", 1700);  // the daemon's boot: it requests what the setting says
  EXPECT_EQ(decided(fb::Event::LeaseReclaimed),
            (Names{"the lease was not renewed for 1705 s >= 1700 (lease.merge_ttl_s, " + set_by + ")"}));
  const std::string seq = lose("task:" + std::to_string(raw(task)), 90);
  EXPECT_EQ(decided(fb::Event::LeaseReclaimed),
            (Names{"the lease was not renewed for 95 s >= 90 (its ttl, chosen in " + seq + ")"}));
}

TEST_F(DecidingInAStory, rollbacks_and_refused_claims) {
  set("pipeline.max_rollbacks", std::int64_t{0});
  const std::string set_by = set_by_last();
  fb::StageTransitionT back;
  back.task = raw(task);
  back.to = "development";
  back.expected_version = raw(version());
  ASSERT_EQ(ask("monitor", back), Outcome::accepted);
  EXPECT_EQ(decided(fb::Event::StageTransition), (Names{"1 rollback > 0 (pipeline.max_rollbacks, " + set_by + ")"}));
  EXPECT_EQ(row()->blocked, "max_rollbacks");
}

TEST_F(DecidingInAStory, claim_refused_by_a_limit) {
  fb::TaskCreatedT created;
  created.work_item = "other";
  created.repo = "till";
  created.stage = "deploy-staging";
  const Decision decision = machine.propose(propose_group(requester("operator"), created));
  ASSERT_EQ(decision.outcome, Outcome::accepted);
  fb::JobClaimedT claimed;
  claimed.job = decision.effects.back().id;
  claimed.owner = owner("executor");
  ASSERT_EQ(ask("executor", claimed), Outcome::limit);
  EXPECT_EQ(decided(fb::Event::JobClaimed), (Names{"1 running >= 1 (queue.max_concurrency, the default)"}));
}

}  // namespace
}  // namespace pawl
