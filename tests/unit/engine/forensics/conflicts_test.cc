// Conflicts between records: the incidents, replayed through the real engine, and the findings in their records.
#include "engine/forensics/conflicts.h"

#include "tests/unit/engine/story.h"

namespace pawl {
namespace {

class ConflictsInAStory : public Story {
 protected:
  /// All findings in the records so far, as text: "reaped_alive 12: job 1 …".
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
    return machine.propose(propose_group(requester(actor), event));
  }
  /// An outside process, pid 500, under the boot worker-1.
  void start_worker() {
    fb::BootStartedT event;
    event.name = "worker";
    event.boot_id = "worker-1";
    event.pid = 500;
    event.host = "host";
    event.version = "test";
    ASSERT_EQ(ask("operator", event).outcome, Outcome::accepted);
  }
  void exit_with(std::int64_t code) {
    fb::RunExitedT event;
    event.job = raw(job);
    event.attempt = 1;
    event.exit_code = code;
    ASSERT_EQ(ask("monitor", event).outcome, Outcome::accepted);
  }
  Reaped reaper_pass() { return reap_job(machine, world, task, job, streaks, requester("reaper"), 1); }
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
            "was alive and continued it");
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
  ASSERT_EQ(ask("webhook", back).outcome, Outcome::accepted) << "deploy rolls back, and does not check the version";
  const Names names = found();
  ASSERT_EQ(names.size(), 2u);
  EXPECT_TRUE(
      names[1].starts_with("contradiction StageTransition by webhook: task 1 is delivered and rolled back at "
                           "once: webhook moves it to 'development' based on version 1, which "
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
  exited();
  set("ownership.enabled", false);
  world.meanwhile = [&](const std::string& what) {
    if (what != "step retest") return;
    world.previous_alive["retest"] = true;
    EXPECT_EQ(go(AdvanceRequest::OnRed::report, "webhook").result, AdvanceResult::blocked)
        << "the outcome of a running step is unknown";
  };
  EXPECT_EQ(go().result, AdvanceResult::blocked);
  const Names names = found();
  ASSERT_EQ(names.size(), 2u);
  EXPECT_EQ(names[1],
            "double_entry LeaseAcquired by webhook: task 1: webhook entered the crossing at version 1, which monitor "
            "had entered by record 7");
  EXPECT_EQ(last_followed_by, (Names{"StepFinished by monitor"}));
}

TEST_F(ConflictsInAStory, an_owner_whose_process_was_taken_for_dead_shows_that_it_lives) {
  start_worker();
  fb::JobFinishedT again;
  again.job = raw(job);
  again.attempt = 1;
  again.result = fb::JobResult::retry;
  ask("monitor", again);
  wait_for_retry();
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
            "considered dead, but worker of that boot (worker-1) was alive");
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
  EXPECT_EQ(found(), (Names{"overdue JobClaimed by executor: job 1 of task 1 has been running for longer than "
                            "reaper.max_running_s, and the reaper, which would end it, is switched off"}));
  EXPECT_EQ(last_led_by, (Names{"SettingChanged by operator"}));
}

TEST_F(ConflictsInAStory, nothing_is_overdue_for_a_time_in_which_nobody_could_act) {
  set("reaper.enabled", false);
  wait(7200);
  fb::TimeGapT gap;
  gap.us = 7200 * us_per_s;
  ask("sequencer", gap);
  ask("operator", fb::TaskNoteT());
  EXPECT_TRUE(found().empty());
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
  EXPECT_EQ(
      found(),
      (Names{"overdue LeaseAcquired by worker: lease 'repo:shop' is held past its ttl, and the setting that would "
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
  wait_for_retry();
  ASSERT_EQ(ask("executor", claim).outcome, Outcome::accepted);
  EXPECT_EQ(go().result, AdvanceResult::advanced) << "over an edge that needs no lease";
  EXPECT_TRUE(found().empty());
}

TEST_F(ConflictsInAStory, the_holder_of_a_reclaimed_lease_shows_that_it_lives) {
  start_worker();
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
                            "owner's process was considered dead, but worker of that boot (worker-1) was alive"}));
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
    return propose(requester("reaper"), event);
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

/// Hand-made records, as in a log that starts midway, or whose rules were broken.
class ConflictsByHand : public ConflictsInAStory {
 protected:
  template <class Event>
  void record(const std::string& actor, const Event& event) {
    records_.push_back(propose(requester(actor), event));
    records_.back().stamp().mutate_seq(raw(machine.state().last_seq) + ++seq_);
    records_.back().stamp().mutate_time_us(machine.now().us);
  }
  /// Makes the records so far one group, applied to the current state.
  void end_group() {
    std::vector<const fb::Record*> group;
    for (const Proposal& each : records_) group.push_back(&each.record());
    conflicts.see(machine.state(), group);
    records_.clear();
  }
  Names whats() const {
    Names names;
    for (const Finding& finding : conflicts.findings()) names.push_back(finding.what);
    return names;
  }
  fb::StageTransitionT move_to(const std::string& to, std::optional<std::uint64_t> expected = std::nullopt) const {
    fb::StageTransitionT event;
    event.task = raw(task);
    event.to = to;
    if (expected) event.expected_version = *expected;
    return event;
  }
  fb::StepStartedT start_merge(std::uint64_t version) const {
    fb::StepStartedT event;
    event.task = raw(task);
    event.version = version;
    event.to = "deploy";
    event.step = "merge";
    return event;
  }

  Conflicts conflicts;

 private:
  std::vector<Proposal> records_;
  std::uint64_t seq_ = 0;
};

TEST_F(ConflictsByHand, how_a_version_was_left_is_told_as_far_as_it_is_known) {
  record("webhook", move_to("development", 0));
  end_group();
  record("monitor", start_merge(0));
  end_group();
  record("monitor", move_to("deploy"));
  record("webhook", start_merge(1));
  record("webhook", move_to("development", 1));
  end_group();
  const Names names = whats();
  ASSERT_EQ(names.size(), 4u);
  EXPECT_EQ(names[0],
            "task 1 goes two ways at once: webhook moves it to 'development' based on version 0, which "
            "had already been left");
  EXPECT_EQ(names[1],
            "task 1 goes two ways at once: monitor starts the irreversible 'merge' of the crossing to 'deploy' at "
            "version 0, which it had already left");
  EXPECT_TRUE(names[2].starts_with("task 1 goes two ways at once: webhook starts the irreversible 'merge'"));
  EXPECT_NE(names[2].find("which monitor had left for 'deploy' by record"), std::string::npos) << names[2];
  EXPECT_TRUE(names[3].starts_with("task 1 goes two ways at once: webhook moves it to 'development'")) << names[3];
}

TEST_F(ConflictsByHand, what_speaks_of_nobody_is_no_conflict) {
  fb::JobReapedT reaped;
  reaped.job = 99;
  reaped.attempt = 1;
  record("reaper", reaped);
  fb::LeaseReclaimedT reclaimed;
  reclaimed.key = "nobody's";
  reclaimed.reason = fb::ReclaimReason::owner_dead;
  record("reaper", reclaimed);
  fb::StepStartedT started = start_merge(1);
  started.task = 99;
  record("monitor", started);
  fb::StageTransitionT moved = move_to("deploy", 1);
  moved.task = 99;
  record("monitor", moved);
  fb::TaskCancelledT cancelled;
  cancelled.task = 99;
  record("operator", cancelled);
  fb::JobClaimedT claim;
  claim.job = 99;
  claim.owner = owner("executor");
  record("executor", claim);
  end_group();
  EXPECT_EQ(whats(), Names());
}

TEST_F(ConflictsByHand, lease_that_was_given_up_by_its_own_boot_or_ran_out_claims_no_death) {
  acquire("repo:shop", "worker");
  fb::LeaseReclaimedT reclaimed;
  reclaimed.key = "repo:shop";
  reclaimed.reason = fb::ReclaimReason::ttl_expired;
  record("reaper", reclaimed);
  reclaimed.reason = fb::ReclaimReason::owner_dead;
  record("reaper", reclaimed);
  end_group();
  record("worker", fb::TaskNoteT());
  end_group();
  EXPECT_EQ(whats(), Names()) << "the worker belongs to the reaper's own boot";
}

TEST_F(ConflictsByHand, reap_whose_evidence_and_claim_are_not_in_the_log_is_told_with_what_is_there) {
  fb::JobReapedT reaped;
  reaped.job = raw(job);
  reaped.attempt = 1;
  reaped.tier = fb::Tier::pid_dead;
  record("reaper", reaped);
  end_group();
  fb::TaskBlockedT blocked;
  blocked.task = raw(task);
  blocked.version = 1;
  record("executor", blocked);
  record("executor", blocked);
  end_group();
  EXPECT_EQ(whats(), (Names{"job 1 of task 1 was reaped; but executor (boot boot-1) was alive and continued it"}));
  EXPECT_EQ(conflicts.findings()[0].followed_by.size(), 2u);
}

TEST_F(ConflictsByHand, only_the_first_acts_of_who_was_reaped_are_named) {
  fb::JobReapedT reaped;
  reaped.job = raw(job);
  reaped.attempt = 1;
  reaped.tier = fb::Tier::ceiling;
  reaped.reason = "max_running";
  record("reaper", reaped);
  end_group();
  fb::TaskBlockedT blocked;
  blocked.task = raw(task);
  blocked.version = 1;
  for (int i = 0; i < 20; ++i) {
    record("executor", blocked);
    end_group();
  }
  blocked.version = 2;
  record("executor", blocked);
  end_group();
  ASSERT_EQ(conflicts.findings().size(), 1u);
  EXPECT_EQ(conflicts.findings()[0].followed_by.size(), 16u);
}

TEST_F(ConflictsByHand, act_of_the_group_that_reaped_is_no_sign_of_life) {
  fb::JobReapedT reaped;
  reaped.job = raw(job);
  reaped.attempt = 1;
  reaped.tier = fb::Tier::ceiling;
  record("reaper", reaped);
  fb::TaskBlockedT blocked;
  blocked.task = raw(task);
  blocked.version = 1;
  record("executor", blocked);
  end_group();
  EXPECT_EQ(whats(), Names());
}

TEST_F(ConflictsByHand, what_is_overdue_since_before_the_log_begins_is_told_once) {
  acquire("without a ttl", "worker");
  fb::LeaseAcquiredT lease;
  lease.key = "young";
  lease.owner = owner("worker");
  lease.ttl = 60'000;
  machine.propose(propose_group(requester("worker"), lease));
  set("reaper.enabled", false);
  wait(5400);
  for (int i = 0; i < 2; ++i) {
    record("operator", fb::TaskNoteT());
    end_group();
  }
  EXPECT_EQ(whats(), (Names{"job 1 of task 1 has been running for longer than reaper.max_running_s, and the "
                            "reaper, which would end it, is switched off"}));
}

TEST_F(ConflictsByHand, what_is_young_or_of_no_definition_is_not_told_of) {
  set("reaper.enabled", false);
  fb::StepStartedT started = start_merge(0);
  started.step = "unknown";
  record("monitor", started);
  record("monitor", move_to("deploy"));
  record("webhook", move_to("done", 1));
  end_group();
  EXPECT_EQ(whats().size(), 1u) << "only the move by an old version";
  fb::LeaseAcquiredT lease;
  lease.key = "old";
  lease.owner = owner("worker");
  lease.ttl = 1;
  machine.propose(propose_group(requester("worker"), lease));
  wait(1);
  record("operator", fb::TaskNoteT());
  end_group();
  EXPECT_EQ(whats().front(), "lease 'old' is held past its ttl, and the setting that would reclaim it is switched off");
}

TEST_F(ConflictsByHand, whoever_is_taken_for_dead_as_finalizer_shows_more_than_once_that_he_lives) {
  start_worker();
  fb::LeaseAcquiredT lease;
  lease.key = task_key(task);
  lease.owner = owner("worker");
  lease.owner->boot_id = "worker-1";
  ASSERT_EQ(ask("worker", lease).outcome, Outcome::accepted);
  fb::JobReapedT reaped;
  reaped.job = raw(job);
  reaped.attempt = 1;
  reaped.tier = fb::Tier::finalizer_dead;
  reaped.evidence = std::make_unique<fb::EvidenceT>();
  reaped.evidence->lease_owner_alive = false;
  record("reaper", reaped);
  const std::string daemon = std::exchange(boot_id, "worker-1");
  record("worker", fb::TaskNoteT());
  end_group();
  EXPECT_EQ(whats(), Names()) << "the group that took the owner for dead does not count";
  for (int i = 0; i < 2; ++i) {
    record("worker", fb::TaskNoteT());
    end_group();
  }
  boot_id = daemon;
  ASSERT_EQ(conflicts.findings().size(), 1u);
  EXPECT_EQ(conflicts.findings()[0].followed_by.size(), 2u);
}

TEST_F(ConflictsByHand, merge_that_is_under_way_is_not_delivered_yet) {
  struct Crash {};
  world.meanwhile = [](const std::string& what) {
    if (what == "step merge") throw Crash{};
  };
  EXPECT_THROW(go(), Crash);
  record("monitor", move_to("deploy"));
  record("webhook", move_to("development", 1));
  end_group();
  ASSERT_EQ(whats().size(), 1u);
  EXPECT_TRUE(whats()[0].starts_with("task 1 goes two ways at once: webhook moves it to 'development'")) << whats()[0];
}

TEST_F(ConflictsByHand, act_by_which_somebody_shows_that_he_lives_is_named_once) {
  fb::JobReapedT reaped;
  reaped.job = raw(job);
  reaped.attempt = 1;
  reaped.tier = fb::Tier::pid_dead;
  const std::string daemon = std::exchange(boot_id, "worker-1");
  record("reaper", reaped);
  end_group();
  boot_id = daemon;
  fb::TaskBlockedT blocked;
  blocked.task = raw(task);
  blocked.version = 1;
  record("executor", blocked);
  end_group();
  ASSERT_EQ(conflicts.findings().size(), 1u);
  EXPECT_EQ(conflicts.findings()[0].followed_by.size(), 1u);
}

TEST_F(ConflictsByHand, job_that_waits_was_taken_from_nobody) {
  set("queue.serial_per_repo", false);
  fb::TaskCreatedT event;
  event.work_item = "waits";
  event.repo = "other";
  const Decision created = ask("operator", event);
  fb::JobReapedT reaped;
  reaped.job = created.effects.back().id;
  reaped.attempt = 1;
  record("reaper", reaped);
  end_group();
  record("executor", fb::TaskNoteT());
  end_group();
  EXPECT_EQ(whats(), Names());
}

TEST_F(ConflictsInAStory, each_time_that_ownership_was_off_is_told_for_itself) {
  const auto decide_something = [&] {
    acquire(task_key(task), "worker");
    acquire(task_key(task), "worker");
  };
  set("ownership.enabled", false);
  decide_something();
  set("ownership.enabled", true);
  decide_something();
  set("ownership.enabled", false);
  decide_something();
  EXPECT_EQ(found().size(), 2u);
}

TEST_F(ConflictsInAStory, three_in_one_crossing_are_told_two_by_two_and_only_if_they_went_on) {
  set("ownership.enabled", false);
  acquire(task_key(task), "monitor");
  acquire(task_key(task), "webhook");
  acquire(task_key(task), "reconciler");
  EXPECT_EQ(found().size(), 1u) << "neither has acted yet";
  fb::TaskBlockedT blocked;
  blocked.task = raw(task);
  blocked.version = 1;
  ASSERT_EQ(ask("webhook", blocked).outcome, Outcome::accepted);
  const Names names = found();
  ASSERT_EQ(names.size(), 2u);
  EXPECT_EQ(names[1],
            "double_entry LeaseAcquired by reconciler: task 1: reconciler entered the crossing at version 1, which "
            "webhook had entered by record " +
                std::to_string(machine.lines().size() - 2));

  fb::TaskUnblockedT unblocked;
  unblocked.task = raw(task);
  ASSERT_EQ(ask("operator", unblocked).outcome, Outcome::accepted);
  fb::StageTransitionT moved;
  moved.task = raw(task);
  moved.to = "development";
  ASSERT_EQ(ask("operator", moved).outcome, Outcome::accepted);
  acquire(task_key(task), "webhook");
  blocked.version = 2;
  ask("webhook", blocked);
  EXPECT_EQ(found().size(), 2u) << "at another version it does not concern them";
  ask("operator", unblocked);
  fb::StepStartedT late;
  late.task = raw(task);
  late.version = 1;
  late.to = "deploy";
  late.step = "merge";
  ask("monitor", late);
  EXPECT_TRUE(found().back().starts_with("contradiction")) << found().back();
}

}  // namespace
}  // namespace pawl
