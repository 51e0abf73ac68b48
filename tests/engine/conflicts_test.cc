// What records make of each other: the incidents, told through the real engine, and what is found in their records.
#include "engine/conflicts.h"

#include "tests/engine/story.h"

namespace pawl {
namespace {

class ConflictsInAStory : public Story {
 protected:
  /// Everything that is found in the records so far, in words: "reaped_alive 12: job 1 …".
  Names found() const {
    State state;
    Conflicts conflicts;
    std::vector<const fb::Record*> group;
    for (std::size_t i = 0; i < machine.lines().size(); ++i) {
      group.push_back(&machine.lines()[i].record.record());
      const bool is_last = i + 1 == machine.lines().size() ||
                           machine.lines()[i + 1].record.record().stamp()->group() != group.front()->stamp()->group();
      if (!is_last) continue;
      conflicts.see(state, group);
      EXPECT_FALSE(reapply(state, group).divergence);
      group.clear();
    }
    Names names;
    for (const Finding& finding : conflicts.findings()) {
      names.push_back(std::string(name(finding.kind)) + " " + type_of(finding.seq) + ": " + finding.what);
      last_led_by = finding.kind == Finding::Kind::unchecked ? last_led_by : types_of(finding.led_by);
      last_followed_by = finding.kind == Finding::Kind::unchecked ? last_followed_by : types_of(finding.followed_by);
    }
    return names;
  }
  std::string type_of(Seq seq) const {
    const fb::Record& record = machine.lines()[raw(seq) - 1].record.record();
    return std::string(fb::EnumNameEvent(record.event_type())) + " by " + record.actor()->str();
  }
  Names types_of(const std::vector<Seq>& seqs) const {
    Names names;
    for (const Seq seq : seqs) names.push_back(type_of(seq));
    return names;
  }
  template <class Event>
  Decision ask(const std::string& actor, const Event& event) {
    return machine.propose(propose_group(asker(actor), event));
  }
  void exit_with(std::int64_t code) {
    fb::RunExitedT event;
    event.job = raw(job);
    event.attempt = 1;
    event.exit_code = code;
    ASSERT_EQ(ask("monitor", event).outcome, Outcome::accepted);
  }
  Reaped reaper_pass() { return reap_job(machine, world, task, job, streaks, asker("reaper"), 1); }
  void wait(std::int64_t seconds) { machine.set_now(plus_s(machine.now(), seconds)); }

  Streaks streaks;
  mutable Names last_led_by;
  mutable Names last_followed_by;
};

TEST_F(ConflictsInAStory, a_delivery_under_ownership_has_none) {
  exit_with(0);
  EXPECT_EQ(go().result, AdvanceResult::advanced);
  EXPECT_TRUE(found().empty());
}

TEST_F(ConflictsInAStory, the_founding_incident_begins_with_the_reap_of_a_live_monitor) {
  set("ownership.enabled", false);
  set("reaper.finalizer_liveness", false);
  exit_with(0);
  bool is_first = true;
  world.meanwhile = [&](const std::string& what) {
    if (what != "gate deploy-staging" || !std::exchange(is_first, false)) return;
    wait(360);
    world.step_exit["retest"] = {.how = CommandExit::How::exited, .code = 1};
    reaper_pass();
    world.step_exit.erase("retest");
  };
  go();
  const Names names = found();
  ASSERT_EQ(names.size(), 3u);
  EXPECT_TRUE(names[0].starts_with("unchecked LeaseAcquired by monitor")) << names[0];
  EXPECT_EQ(names[1],
            "reaped_alive JobReaped by reaper: job 1 of task 1 was reaped as finalizer_dead; but monitor (boot boot-1) "
            "was alive, and went on with it");
  EXPECT_EQ(names[2],
            "contradiction StepStarted by monitor: task 1 is rolled back and delivered at once: monitor starts the "
            "irreversible 'merge' of the crossing to 'deploy' at version 1, which reaper had left for 'development' by "
            "record 16");
  EXPECT_EQ(last_led_by, (Names{"SettingChanged by operator", "SettingChanged by operator", "LeaseAcquired by monitor",
                                "LeaseAcquired by reaper", "JobReaped by reaper", "StageTransition by reaper"}));
}

TEST_F(ConflictsInAStory, a_decision_about_a_version_that_was_left_goes_two_ways) {
  set("ownership.enabled", false);
  ASSERT_EQ(go().result, AdvanceResult::advanced);
  fb::StageTransitionT back;
  back.task = raw(task);
  back.to = "development";
  back.expected_version = 1;
  ASSERT_EQ(ask("webhook", back).outcome, Outcome::accepted) << "deploy rolls back, and the version is not looked at";
  const Names names = found();
  ASSERT_EQ(names.size(), 2u);
  EXPECT_TRUE(
      names[1].starts_with("contradiction StageTransition by webhook: task 1 is delivered and rolled back at "
                           "once: webhook moves it to 'development' by what it knew of version 1, which "
                           "monitor had left for 'deploy'"))
      << names[1];
}

TEST_F(ConflictsInAStory, a_rollback_by_who_knows_the_version_is_none) {
  ASSERT_EQ(go().result, AdvanceResult::advanced);
  fb::StageTransitionT back;
  back.task = raw(task);
  back.to = "development";
  back.expected_version = 2;
  ASSERT_EQ(ask("operator", back).outcome, Outcome::accepted);
  EXPECT_TRUE(found().empty());
}

TEST_F(ConflictsInAStory, two_paths_in_one_crossing_are_a_double_entry) {
  set("ownership.enabled", false);
  world.meanwhile = [&](const std::string& what) {
    if (what != "step retest") return;
    world.previous_alive["retest"] = true;
    EXPECT_EQ(go(AdvanceOrder::OnRed::report, "webhook").result, AdvanceResult::blocked)
        << "nobody can say what becomes of a step that runs";
  };
  EXPECT_EQ(go().result, AdvanceResult::blocked);
  const Names names = found();
  ASSERT_EQ(names.size(), 2u);
  EXPECT_EQ(names[1],
            "double_entry LeaseAcquired by webhook: task 1: webhook enters the crossing at version 1, in which monitor "
            "is since record 6");
  EXPECT_EQ(last_followed_by, (Names{"StepFinished by monitor"}));
}

TEST_F(ConflictsInAStory, an_owner_whose_process_was_taken_for_dead_shows_that_it_lives) {
  fb::BootStartedT boot;
  boot.name = "worker";
  boot.boot_id = "worker-1";
  boot.pid = 500;
  boot.host = "host";
  boot.version = "test";
  ask("operator", boot);
  fb::JobFinishedT again;
  again.job = raw(job);
  again.attempt = 1;
  again.result = fb::JobResult::retry;
  ask("monitor", again);
  fb::JobClaimedT claim;
  claim.job = raw(job);
  claim.owner = owner("worker");
  claim.owner->boot_id = "worker-1";
  claim.owner->pid = 500;
  ASSERT_EQ(ask("worker", claim).outcome, Outcome::accepted);
  world.pid_alive[500] = false;
  ASSERT_TRUE(reaper_pass().reaped);
  EXPECT_TRUE(found().empty());

  boot_id = "worker-1";
  fb::JobFinishedT late;
  late.job = raw(job);
  late.attempt = 2;
  late.result = fb::JobResult::done;
  EXPECT_NE(ask("worker", late).outcome, Outcome::accepted);
  const Names names = found();
  ASSERT_EQ(names.size(), 1u);
  EXPECT_EQ(names[0],
            "reaped_alive JobReaped by reaper: job 1 of task 1 was reaped as process_dead; its owner's process was "
            "taken for dead, but worker of that boot (worker-1) was alive");
}

TEST_F(ConflictsInAStory, a_reaped_owner_that_asks_anew_is_none) {
  exit_with(0);
  wait(300);
  world.gate_green[task] = false;
  ASSERT_TRUE(reaper_pass().reaped) << "red: the job goes back to the queue";
  world.gate_green[task] = true;
  EXPECT_EQ(go().result, AdvanceResult::advanced);
  EXPECT_TRUE(found().empty());
}

TEST_F(ConflictsInAStory, a_job_that_nobody_will_end_is_overdue) {
  wait(5400);
  ask("operator", fb::TaskNoteT());
  EXPECT_TRUE(found().empty()) << "the next pass of the reaper will come";
  set("reaper.enabled", false);
  EXPECT_TRUE(found().empty());
  ask("operator", fb::TaskNoteT());
  EXPECT_EQ(found(), (Names{"overdue JobClaimed by executor: job 1 of task 1 runs past max_running_s, and the reaper, "
                            "which would end it, is switched off"}));
  EXPECT_EQ(last_led_by, (Names{"SettingChanged by operator"}));
}

TEST_F(ConflictsInAStory, a_lease_that_nobody_will_reclaim_is_overdue) {
  fb::LeaseAcquiredT event;
  event.key = "repo:shop";
  event.owner = owner("worker");
  event.ttl = 60;
  ask("worker", event);
  set("lease.reclaim_enabled", false);
  wait(60);
  ask("operator", fb::TaskNoteT());
  EXPECT_EQ(found(), (Names{"overdue LeaseAcquired by worker: lease 'repo:shop' is held past its ttl, and what would "
                            "reclaim it is switched off"}));
}

TEST_F(ConflictsInAStory, the_monitor_of_a_new_attempt_is_none) {
  set("queue.max_concurrency", std::int64_t{2});
  set("queue.serial_per_repo", false);
  stand_on("testing");
  fb::JobClaimedT claim;
  claim.job = raw(job);
  claim.owner = owner("executor");
  exit_with(0);
  wait(300);
  world.gate_green[task] = false;
  ASSERT_TRUE(reaper_pass().reaped) << "red: the job goes back to the queue";
  world.gate_green[task] = true;
  ASSERT_EQ(ask("executor", claim).outcome, Outcome::accepted);
  EXPECT_EQ(go().result, AdvanceResult::advanced) << "over an edge without a lease";
  EXPECT_TRUE(found().empty());
}

TEST_F(ConflictsInAStory, the_holder_of_a_reclaimed_lease_shows_that_it_lives) {
  fb::BootStartedT boot;
  boot.name = "worker";
  boot.boot_id = "worker-1";
  boot.pid = 500;
  boot.host = "host";
  boot.version = "test";
  ask("operator", boot);
  fb::LeaseAcquiredT event;
  event.key = "repo:shop";
  event.owner = owner("worker");
  event.owner->boot_id = "worker-1";
  const Token token = *ask("worker", event).granted("repo:shop");
  fb::LeaseReclaimedT reclaim;
  reclaim.key = "repo:shop";
  reclaim.token = raw(token);
  reclaim.reason = fb::ReclaimReason::owner_dead;
  ASSERT_EQ(ask("reaper", reclaim).outcome, Outcome::accepted);
  EXPECT_TRUE(found().empty());

  boot_id = "worker-1";
  fb::LeaseReleasedT release;
  release.key = "repo:shop";
  release.token = raw(token);
  EXPECT_EQ(ask("worker", release).outcome, Outcome::not_held);
  EXPECT_EQ(found(), (Names{"reaped_alive LeaseReclaimed by reaper: lease 'repo:shop' was reclaimed as owner_dead; its "
                            "owner's process was taken for dead, but worker of that boot (worker-1) was alive"}));
}

TEST_F(ConflictsInAStory, a_step_that_the_log_says_was_started_twice_is_a_double_effect) {
  struct Crash {};
  world.meanwhile = [](const std::string& what) {
    if (what == "step merge") throw Crash{};
  };
  EXPECT_THROW(go(), Crash);
  Proposal again = [&] {
    fb::StepStartedT event;
    event.task = raw(task);
    event.version = 1;
    event.to = "deploy";
    event.step = "merge";
    return propose(asker("reaper"), event);
  }();
  again.stamp().mutate_seq(raw(machine.state().last_seq) + 1);
  const fb::Record* record = &again.record();
  Conflicts conflicts;
  conflicts.see(machine.state(), {&record, 1});
  const Findings findings = conflicts.findings();
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].kind, Finding::Kind::double_effect);
  EXPECT_EQ(types_of(findings[0].led_by), (Names{"StepStarted by monitor"}));
}

}  // namespace
}  // namespace pawl
