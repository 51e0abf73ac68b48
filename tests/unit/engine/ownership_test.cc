// The stories that pawl exists for: who may act, who is dead, and what happens only once. Each through the real engine
// and recovery, in virtual time; every test ends with a replay of its records to the same digests (story.h).
#include "tests/unit/engine/story.h"

namespace pawl {
namespace {

class Ownership : public Story {
 protected:
  static constexpr std::int64_t grace_s = 300;
  static constexpr std::int64_t ceiling_s = 5400;

  Reaped pass() { return reap_job(machine, world, task, job, streaks, requester("reaper"), 1); }
  std::vector<LeaseToReclaim> lease_pass() {
    auto found = leases_to_reclaim(machine.state(), machine.now(),
                                   [&](const Owner& owner, const Boot& boot) { return world.is_alive(owner, boot); });
    for (const LeaseToReclaim& lease : found) {
      fb::LeaseReclaimedT event;
      event.key = lease.key;
      event.token = raw(lease.token);
      event.reason = lease.reason;
      EXPECT_EQ(propose_as("reaper", event).outcome, Outcome::accepted);
    }
    return found;
  }

  /// The boot of a worker process on the same host.
  void worker(const std::string& id, std::int64_t pid, const std::string& name = "worker") {
    fb::BootStartedT event;
    event.name = name;
    event.boot_id = id;
    event.pid = pid;
    event.host = "host";
    event.version = "test";
    ASSERT_EQ(propose_as("worker", event).outcome, Outcome::accepted);
  }

  /// A monitor in its own process, which holds the task's lease.
  Token monitor_holds_lease(std::int64_t pid = 77) {
    worker("monitor-boot", pid, "monitor");
    fb::LeaseAcquiredT event;
    event.key = task_key(task);
    event.owner = std::make_unique<fb::OwnerT>();
    event.owner->boot_id = "monitor-boot";
    event.owner->pid = pid;
    event.owner->actor = "monitor";
    return *propose_as("monitor", event).granted(event.key);
  }

  template <class Event>
  Decision propose_as(const std::string& actor, const Event& event) {
    return machine.propose(propose_group(requester(actor), event));
  }

  void exit_with(std::int64_t code) {
    fb::RunExitedT event;
    event.job = raw(job);
    event.attempt = 1;
    event.exit_code = code;
    ASSERT_EQ(propose_as("monitor", event).outcome, Outcome::accepted);
  }
  void run_as(std::int64_t pid) {
    fb::RunStartedT event;
    event.job = raw(job);
    event.attempt = 1;
    event.pid = pid;
    ASSERT_EQ(propose_as("executor", event).outcome, Outcome::accepted);
  }
  void mark() {
    fb::FinalizerMarkedT event;
    event.job = raw(job);
    ASSERT_EQ(propose_as("monitor", event).outcome, Outcome::accepted);
  }
  Decision finish(std::uint64_t attempt, fb::JobResult result) {
    fb::JobFinishedT event;
    event.job = raw(job);
    event.attempt = attempt;
    event.result = result;
    return propose_as("monitor", event);
  }
  void wait(std::int64_t seconds) { machine.set_now(plus_s(machine.now(), seconds)); }
  std::size_t records() const { return machine.lines().size(); }

  /// Crashes the monitor in the middle of a step in its crossing, and restarts the daemon.
  void crash_during(const std::string& what) {
    struct Crash {};
    world.meanwhile = [&](const std::string& seen) {
      if (seen == what) throw Crash{};
    };
    EXPECT_THROW(go(), Crash);
    world.meanwhile = nullptr;
    world.ran.clear();
  }
  void restart() {
    EXPECT_TRUE(machine.replay());
    streaks.clear();
    boot("boot-" + std::to_string(++boots_));
  }
  /// A pass of the reconciler over the task.
  Reconciled reconcile_pass() { return reconcile(machine, world, task, requester("reconciler"), 1); }

  Streaks streaks;
  int boots_ = 1;
};

TEST_F(Ownership, LiveFinalizerIsNotReaped) {
  exit_with(0);
  monitor_holds_lease();
  wait(grace_s + 1);
  const Reaped seen = pass();
  EXPECT_TRUE(seen.deferred);
  EXPECT_EQ(job_status(), JobStatus::running);
}

TEST_F(Ownership, NonOwnerRunsNoSideEffect) {
  exit_with(0);
  monitor_holds_lease();
  wait(grace_s);
  const std::size_t before = records();
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(pass().deferred);
    wait(60);
  }
  EXPECT_EQ(records(), before);
  EXPECT_TRUE(world.ran.empty());
}

TEST_F(Ownership, DeadFinalizerIsReapedOnce) {
  exit_with(0);
  monitor_holds_lease(77);
  world.pid_alive[77] = false;
  wait(grace_s);
  EXPECT_TRUE(pass().reaped);
  EXPECT_EQ(stage(), "deploy") << "exit 0, green, and no live owner: the reaper finishes what the monitor began";
  EXPECT_EQ(count("step merge"), 1u);
  const std::size_t before = records();
  EXPECT_FALSE(pass().reaped);
  EXPECT_EQ(records(), before);
}

TEST_F(Ownership, LeaseOfTheReaperEndsWithItsTry) {
  exit_with(0);
  wait(grace_s);
  world.gate_green[task] = false;
  // Cancelled while the reaper asks the gate: the monitor ends the job, and the reaper's claim comes too late.
  world.meanwhile = [&](const std::string&) {
    world.meanwhile = nullptr;
    request_cancel();
    fb::JobFinishedT event;
    event.job = raw(job);
    event.attempt = 1;
    event.result = fb::JobResult::cancelled;
    EXPECT_EQ(propose_as("monitor", event).outcome, Outcome::accepted);
  };
  EXPECT_FALSE(pass().reaped);
  EXPECT_FALSE(held(task_key(task)));
  EXPECT_EQ(stage(), "archived") << "nothing holds the cancellation back any more";
}

TEST_F(Ownership, StepOfTheNextOwnerIsNotTakenForALeftover) {
  // While the gate runs, the lease is freed by force, and another owner starts a step.
  world.meanwhile = [&](const std::string&) {
    world.meanwhile = nullptr;
    fb::LeaseReclaimedT freed;
    freed.key = task_key(task);
    freed.token = raw(machine.state().lease(freed.key)->token);
    freed.reason = fb::ReclaimReason::forced;
    ASSERT_EQ(propose_as("operator", freed).outcome, Outcome::accepted);
    fb::StepStartedT start;
    start.task = raw(task);
    start.version = raw(version());
    start.to = "deploy";
    start.step = "retest";
    start.token = raw(*acquire(task_key(task), "webhook").granted(task_key(task)));
    ASSERT_EQ(propose_as("webhook", start).outcome, Outcome::accepted);
  };
  EXPECT_EQ(go().result, AdvanceResult::deferred);
  EXPECT_EQ(world.ran, Names{"gate deploy-staging"});
  EXPECT_NE(open_step(*row()), nullptr) << "only its starter or the lease holder may report its outcome";
}

TEST_F(Ownership, BackstopIgnoresMarkers) {
  exit_with(0);
  mark();
  monitor_holds_lease();
  wait(ceiling_s);
  EXPECT_TRUE(pass().reaped);
  EXPECT_EQ(job_status(), JobStatus::done) << "work that exited with 0 is not redone";
  EXPECT_FALSE(held(task_key(task)));
  EXPECT_TRUE(world.ran.empty());
}

TEST_F(Ownership, NoSecondAdvanceUnderRace) {
  exit_with(0);
  world.meanwhile = [&](const std::string&) {
    const auto once = std::exchange(world.meanwhile, nullptr);
    for (int i = 0; i < 5; ++i) {
      wait(grace_s);
      EXPECT_TRUE(pass().deferred);
    }
    world.meanwhile = once;
  };
  EXPECT_EQ(go().result, AdvanceResult::advanced);
  EXPECT_EQ(world.ran, (Names{"gate deploy-staging", "step retest", "step merge"}));
}

/// The incident: the monitor's heavy checks outlast the grace, the reaper takes it for dead and advances on its own,
/// and the second re-test is red.
class FoundingIncident : public Ownership {
 protected:
  void happen() {
    exit_with(0);
    if (machine.state().settings().reaper.finalizer_liveness) mark();
    int gates = 0;
    world.meanwhile = [&](const std::string& what) {
      if (what == "gate deploy-staging" && gates++ == 0) {
        wait(grace_s + 60);
        world.step_exit["retest"] = {.how = CommandExit::How::exited, .code = 1};
        pass();
        world.step_exit.erase("retest");
      }
    };
    go();
  }
  bool rolled_back() const {
    for (const auto& line : machine.lines()) {
      const auto* event = line.record.record().event_as_StageTransition();
      if (event && event->to()->string_view() == "development" && line.applied.outcome == Outcome::accepted) {
        return true;
      }
    }
    return false;
  }
};

TEST_F(FoundingIncident, happens_with_both_defences_off) {
  set("ownership.enabled", false);
  set("reaper.finalizer_liveness", false);
  happen();
  EXPECT_TRUE(rolled_back());
  EXPECT_EQ(count("step merge"), 1u) << "rolled back, and merged: the item is both";
  EXPECT_EQ(stage(), "development");
}

TEST_F(FoundingIncident, closed_by_ownership) {
  set("reaper.finalizer_liveness", false);
  happen();
  EXPECT_FALSE(rolled_back());
  EXPECT_EQ(count("step merge"), 1u);
  EXPECT_EQ(stage(), "deploy");
  EXPECT_EQ(machine.state().jobs.find(job)->attempts, 1u) << "no retry is counted";
}

TEST_F(FoundingIncident, closed_by_finalizer_marks) {
  set("ownership.enabled", false);
  happen();
  EXPECT_FALSE(rolled_back());
  EXPECT_EQ(count("step merge"), 1u);
  EXPECT_EQ(stage(), "deploy");
  EXPECT_EQ(machine.state().jobs.find(job)->attempts, 1u);
}

TEST_F(Ownership, KillSwitchOffIsThePriorBehaviour) {
  monitor_holds_lease();
  set("ownership.enabled", false);
  fb::StageTransitionT back;
  back.task = raw(task);
  back.to = "development";
  back.expected_version = 99;
  back.token = 1;
  EXPECT_EQ(propose_as("webhook", back).outcome, Outcome::accepted);
  EXPECT_TRUE(machine.lines().back().applied.unchecked);
  EXPECT_TRUE(held(task_key(task))) << "the held lease stays recorded";
  set("ownership.enabled", true);
  EXPECT_EQ(acquire(task_key(task), "webhook").outcome, Outcome::lease_held) << "and binds again";
}

TEST_F(Ownership, OtherStagesAreNotConsulted) {
  set("ownership.enabled", false);
  set("queue.serial_per_repo", false);
  set("queue.max_concurrency", std::int64_t{2});
  stand_on("testing");
  exit_with(1);
  mark();
  wait(grace_s);
  EXPECT_TRUE(pass().reaped) << "the mark covers deploy-staging only";
}

TEST_F(Ownership, WithinGraceIsUntouched) {
  exit_with(0);
  wait(grace_s - 1);
  const std::size_t before = records();
  EXPECT_EQ(pass().move, ReapMove::leave);
  EXPECT_EQ(records(), before);
}

TEST_F(Ownership, BudgetInvariant) {
  // deploy-staging: agent 1800 + gate 300 + retest 900 + merge 60 + its probe 60, twice, with 30 between + grace 300 =
  // 3510.
  fb::SettingChangedT event;
  event.key = "reaper.max_running_s";
  event.value = std::make_unique<fb::SettingValueT>(setting_value_event(std::int64_t{3510}));
  EXPECT_EQ(propose_as("operator", event).outcome, Outcome::bad_value);
  event.value = std::make_unique<fb::SettingValueT>(setting_value_event(std::int64_t{3511}));
  EXPECT_EQ(propose_as("operator", event).outcome, Outcome::accepted);
  Pipeline slower = pipeline_with_probe();
  for (Stage& stage : slower.stages) {
    for (PipelineStep& step : stage.steps) {
      if (step.name == "retest") step.timeout_s = 901;
    }
  }
  EXPECT_EQ(propose_as("operator", pipeline_event(slower)).outcome, Outcome::bad_pipeline);
}

TEST_F(Ownership, WhatCannotBeSeenCountsAsAliveUntilTheCeiling) {
  exit_with(1);
  monitor_holds_lease(77);
  world.liveness_fails.insert(77);
  wait(grace_s);
  EXPECT_FALSE(pass().reaped);
  wait(5400);
  EXPECT_TRUE(pass().reaped) << "nothing stays stuck forever";
}

TEST_F(Ownership, LostClaimHasNoSideEffects) {
  exit_with(0);
  wait(grace_s);
  world.meanwhile = [&](const std::string& what) {
    if (what != "gate deploy-staging") return;
    EXPECT_EQ(finish(1, fb::JobResult::cancelled).outcome, Outcome::accepted);
  };
  EXPECT_FALSE(pass().reaped);
  EXPECT_EQ(world.ran, (Names{"gate deploy-staging"})) << "the gate is read-only; nothing else was begun";
  EXPECT_FALSE(held(task_key(task)));
}

TEST_F(Ownership, AlreadyAdvancedIsCleanDone) {
  exit_with(0);
  fb::StageTransitionT back;
  back.task = raw(task);
  back.to = "development";
  back.expected_version = raw(version());
  ASSERT_EQ(propose_as("webhook", back).outcome, Outcome::accepted);
  wait(grace_s);
  EXPECT_TRUE(pass().reaped);
  EXPECT_EQ(job_status(), JobStatus::done);
  EXPECT_EQ(stage(), "development");
  EXPECT_TRUE(world.ran.empty());
}

TEST_F(Ownership, StaleBootIsReclaimedOnRestart) {
  ASSERT_EQ(acquire(task_key(task), "monitor").outcome, Outcome::accepted);
  restart();
  EXPECT_EQ(last_records(3), (Names{"BootStarted:accepted", "LeaseReclaimed:accepted", "JobReaped:accepted"}));
  EXPECT_EQ(job_status(), JobStatus::queued);
  EXPECT_EQ(machine.state().jobs.find(job)->interruptions, 1u) << "a restart is not the job's fault";
}

TEST_F(Ownership, LiveWorkerSurvivesDaemonRestart) {
  finish(1, fb::JobResult::retry);
  wait_for_retry();
  worker("worker-1", 500);
  fb::JobClaimedT claim;
  claim.job = raw(job);
  claim.owner = std::make_unique<fb::OwnerT>();
  claim.owner->boot_id = "worker-1";
  claim.owner->pid = 500;
  claim.owner->actor = "worker";
  ASSERT_EQ(propose_as("worker", claim).outcome, Outcome::accepted);
  restart();
  EXPECT_EQ(job_status(), JobStatus::running);
  EXPECT_EQ(pass().move, ReapMove::leave);
  world.pid_alive[500] = false;
  EXPECT_TRUE(pass().reaped) << "a dead worker loses its job at once";
}

TEST_F(Ownership, StopDuringDeployIsDeferred) {
  world.meanwhile = [&](const std::string& what) {
    if (what != "step merge") return;
    request_cancel();
    EXPECT_EQ(stage(), "deploy-staging") << "it stays and waits";
  };
  EXPECT_EQ(go().result, AdvanceResult::advanced);
  ASSERT_EQ(machine.archive().size(), 1u);
  EXPECT_EQ(machine.archive()[0].task.stage, "cancelled");
  EXPECT_EQ(count("step merge"), 1u);
}

TEST_F(Ownership, StopNeverRevives) {
  request_cancel();
  EXPECT_EQ(stage(), "deploy-staging") << "a running job stays until its process is gone";
  ASSERT_EQ(finish(1, fb::JobResult::retry).outcome, Outcome::accepted);
  EXPECT_EQ(stage(), "archived");
  EXPECT_EQ(machine.archive()[0].task.stage, "cancelled");
  EXPECT_EQ(machine.archive()[0].jobs[0].status, JobStatus::cancelled) << "retry does not bring it back";
  fb::JobQueuedT again;
  again.task = raw(task);
  EXPECT_EQ(propose_as("operator", again).outcome, Outcome::terminal);
}

TEST_F(Ownership, StopOfAJobThatNobodyFinishesFreesItsSlot) {
  // An outside worker's job: its monitor left the steps to the worker, which can no longer take them.
  exit_with(0);
  request_cancel();
  wait(grace_s);
  EXPECT_TRUE(pass().reaped) << "exit 0 would claim the edge, which a standing request refuses";
  ASSERT_EQ(stage(), "archived");
  EXPECT_EQ(machine.archive()[0].task.stage, "cancelled");
  EXPECT_EQ(machine.archive()[0].jobs[0].status, JobStatus::cancelled);
  EXPECT_TRUE(world.ran.empty());
}

TEST_F(Ownership, BlockedTaskOfAJobThatNobodyFinishesFreesItsSlot) {
  exit_with(0);
  fb::TaskBlockedT event;
  event.task = raw(task);
  event.version = raw(version());
  ASSERT_EQ(propose_as("operator", event).outcome, Outcome::accepted);
  wait(grace_s);
  EXPECT_TRUE(pass().reaped);
  EXPECT_EQ(job_status(), JobStatus::done) << "its gate is asked once it is unblocked";
  EXPECT_TRUE(world.ran.empty());
}

TEST_F(Ownership, TombstonedKeyCanBeCreatedAgain) {
  const std::string work_item = row()->work_item;
  request_cancel();
  finish(1, fb::JobResult::cancelled);
  fb::TaskCreatedT again;
  again.work_item = work_item;
  again.repo = "shop";
  const Decision created = propose_as("operator", again);
  EXPECT_EQ(created.outcome, Outcome::accepted);
  EXPECT_GT(created.effects.front().id, raw(task));
}

TEST_F(Ownership, MergeLeaseOfDeadPidIsReclaimed) {
  worker("worker-1", 500);
  fb::LeaseAcquiredT event;
  event.key = "repo:shop";
  event.owner = std::make_unique<fb::OwnerT>();
  event.owner->boot_id = "worker-1";
  event.owner->pid = 500;
  event.owner->actor = "worker";
  event.ttl = 1800;
  ASSERT_EQ(propose_as("worker", event).outcome, Outcome::accepted);
  EXPECT_TRUE(lease_pass().empty());
  world.pid_alive[500] = false;
  const auto reclaimed = lease_pass();
  ASSERT_EQ(reclaimed.size(), 1u);
  EXPECT_EQ(reclaimed[0].reason, fb::ReclaimReason::owner_dead);
  EXPECT_FALSE(held("repo:shop"));
}

TEST_F(Ownership, MergeLeaseIsReclaimedWhenItsTtlRanOut) {
  fb::LeaseAcquiredT event;
  event.key = "repo:shop";
  event.owner = owner("monitor");
  event.ttl = 1800;
  ASSERT_EQ(propose_as("monitor", event).outcome, Outcome::accepted);
  wait(1799);
  EXPECT_TRUE(lease_pass().empty());
  wait(1);
  ASSERT_EQ(lease_pass().size(), 1u) << "on the pass, not only when someone else wants it";
}

TEST_F(Ownership, StepFinishedIsNeverRunAgain) {
  crash_during("step merge");
  restart();
  world.probe_exit["merge"] = 0;
  EXPECT_EQ(reconcile_pass().answer->result, AdvanceResult::advanced);
  EXPECT_EQ(count("step retest"), 0u);
  EXPECT_EQ(count("step merge"), 0u);
}

TEST_F(Ownership, UnknownIrreversibleStepBlocks) {
  crash_during("step merge");
  restart();
  world.probe_exit["merge"] = 2;
  EXPECT_EQ(reconcile_pass().answer->result, AdvanceResult::blocked);
  EXPECT_EQ(row()->blocked, "outcome_unknown");
  EXPECT_EQ(reconcile_pass().move, ReconcileMove::none) << "until an operator says which it was";
}

TEST_F(Ownership, TimedOutMergeIsUnknownNotFailed) {
  world.step_exit["merge"] = {.how = CommandExit::How::timed_out};
  world.probe_exit["merge"] = 2;
  EXPECT_EQ(go().result, AdvanceResult::blocked);
  ASSERT_NE(open_step(*row()), nullptr);
  EXPECT_EQ(open_step(*row())->step, "merge");
}

TEST_F(Ownership, CommittedCrossingIsNeverRolledBack) {
  crash_during("step merge");
  fb::StageTransitionT back;
  back.task = raw(task);
  back.to = "development";
  back.expected_version = raw(version());
  EXPECT_EQ(propose_as("reaper", back).outcome, Outcome::committed);
  set("ownership.enabled", false);
  EXPECT_EQ(propose_as("reaper", back).outcome, Outcome::committed) << "whether the kill switch is on or off";
}

TEST_F(Ownership, CommittedCrossingIsNeverRequeued) {
  crash_during("step merge");
  restart();
  EXPECT_EQ(job_status(), JobStatus::done);
  EXPECT_EQ(machine.state().open_job(*row()), nullptr);
}

TEST_F(Ownership, OrphanStepIsEndedBeforeProbe) {
  crash_during("step merge");
  restart();
  reconcile_pass();
  ASSERT_GE(world.ran.size(), 2u);
  EXPECT_EQ(world.ran[0], "end merge run-2");
  EXPECT_EQ(world.ran[1], "probe merge");
}

/// An owner outside the daemon starts the merge, and its boot ends before the outcome is known.
class OutsidersStep : public Ownership {
 protected:
  OutsidersStep() {
    const Token token = monitor_holds_lease();
    fb::LeaseAcquiredT repo;
    repo.key = repo_key("shop");
    repo.owner = std::make_unique<fb::OwnerT>();
    repo.owner->boot_id = "monitor-boot";
    repo.owner->pid = 77;
    repo.owner->actor = "monitor";
    fb::StepStartedT start;
    start.task = raw(task);
    start.version = raw(version());
    start.to = "deploy";
    start.step = "merge";
    start.token = raw(token);
    start.repo_token = raw(*propose_as("monitor", repo).granted(repo.key));
    Requester outsider = requester("monitor");
    outsider.boot = "monitor-boot";
    EXPECT_EQ(machine.propose(propose_group(outsider, start)).outcome, Outcome::accepted);
    finish(1, fb::JobResult::done);
    fb::BootEndedT ended;
    ended.boot_id = "monitor-boot";
    ended.reason = fb::BootEndReason::owner_dead;
    EXPECT_EQ(propose_as("reaper", ended).outcome, Outcome::accepted);
  }
};

TEST_F(OutsidersStep, no_of_a_probe_is_worth_nothing_while_its_process_may_live) {
  world.unseen_boots.insert("monitor-boot");
  world.probe_exit["merge"] = 1;
  EXPECT_EQ(reconcile_pass().answer->result, AdvanceResult::blocked);
  EXPECT_EQ(row()->blocked, "outcome_unknown");
  EXPECT_EQ(count("step merge"), 0u);
}

TEST_F(OutsidersStep, yes_of_a_probe_always_counts) {
  world.unseen_boots.insert("monitor-boot");
  world.probe_exit["merge"] = 0;
  reconcile_pass();
  ASSERT_FALSE(row()->steps.empty());
  EXPECT_EQ(row()->steps.front().state, StepState::done);
  EXPECT_EQ(count("step merge"), 0u);
}

TEST_F(OutsidersStep, no_of_a_probe_counts_once_its_process_is_shown_to_be_gone) {
  world.probe_exit["merge"] = 1;
  EXPECT_EQ(reconcile_pass().answer->reason, "did_not_happen: merge");
  EXPECT_EQ(count("step merge"), 0u) << "begun before its turn, it is not begun again while it may happen yet";
  reconcile_pass();
  EXPECT_EQ(count("step merge"), 1u);
}

TEST_F(Ownership, ReapedOwnerIsFencedAtItsNextStep) {
  world.meanwhile = [&](const std::string& what) {
    if (what != "step retest") return;
    wait(ceiling_s);
    EXPECT_TRUE(pass().reaped);
  };
  EXPECT_EQ(go().result, AdvanceResult::deferred);
  EXPECT_EQ(count("step merge"), 0u);
}

TEST_F(Ownership, ReapedOwnersFactIsStillTaken) {
  world.meanwhile = [&](const std::string& what) {
    if (what != "step merge") return;
    wait(ceiling_s);
    EXPECT_TRUE(pass().reaped);
  };
  go();
  ASSERT_EQ(row()->steps.size(), 2u);
  EXPECT_EQ(row()->steps[1].state, StepState::done) << "the merge happened, although its owner had lost the lease";
}

TEST_F(Ownership, LateReaperDoesNotTakeANewOwnersLease) {
  const Token old = monitor_holds_lease(77);
  fb::LeaseReclaimedT reclaim;
  reclaim.key = task_key(task);
  reclaim.token = raw(old);
  reclaim.reason = fb::ReclaimReason::owner_dead;
  ASSERT_EQ(propose_as("reaper", reclaim).outcome, Outcome::accepted);
  const Token fresh = *acquire(task_key(task), "webhook").granted(task_key(task));
  fb::JobReapedT late;
  late.job = raw(job);
  late.attempt = 1;
  late.tier = fb::Tier::pid_dead;
  late.outcome = fb::JobResult::retry;
  late.lease_token = raw(old);
  EXPECT_EQ(propose_as("reaper", late).outcome, Outcome::lease_held);
  EXPECT_EQ(machine.state().lease(task_key(task))->token, fresh);
}

TEST_F(Ownership, OldAttemptCannotFinishANewOne) {
  finish(1, fb::JobResult::retry);
  wait_for_retry();
  fb::JobClaimedT claim;
  claim.job = raw(job);
  claim.owner = owner("executor");
  ASSERT_EQ(propose_as("executor", claim).outcome, Outcome::accepted);
  EXPECT_EQ(finish(1, fb::JobResult::done).outcome, Outcome::stale_attempt);
  EXPECT_EQ(job_status(), JobStatus::running);
}

TEST_F(Ownership, JobOfALeftStageIsNotRequeued) {
  fb::StageTransitionT back;
  back.task = raw(task);
  back.to = "development";
  back.expected_version = raw(version());
  ASSERT_EQ(propose_as("webhook", back).outcome, Outcome::accepted);
  ASSERT_EQ(finish(1, fb::JobResult::retry).outcome, Outcome::accepted);
  EXPECT_EQ(job_status(), JobStatus::done);
}

TEST_F(Ownership, RefusedGroupLeavesNothingBehind) {
  const std::uint64_t digest = machine.state().digest();
  fb::StageTransitionT back;
  back.task = raw(task);
  back.to = "development";
  back.expected_version = raw(version());
  fb::LeaseReleasedT release;
  release.key = "repo:nobody";
  release.token = 5;
  EXPECT_EQ(machine.propose(propose_group(requester("webhook"), back, release)).outcome, Outcome::not_held);
  EXPECT_EQ(last_records(2), (Names{"StageTransition:skipped", "LeaseReleased:not_held"}));
  EXPECT_EQ(machine.state().digest(), digest);
  EXPECT_EQ(stage(), "deploy-staging");
}

TEST_F(Ownership, TaskLeaseWithoutAJobIsReapedInTheEnd) {
  finish(1, fb::JobResult::done);
  ASSERT_EQ(acquire(task_key(task), "webhook").outcome, Outcome::accepted);
  set("lease.reclaim_enabled", false);
  wait(ceiling_s - 1);
  EXPECT_TRUE(lease_pass().empty());
  wait(1);
  ASSERT_EQ(lease_pass().size(), 1u);
  EXPECT_FALSE(held(task_key(task)));
}

TEST_F(Ownership, KillSwitchFlippedInMidFlight) {
  // On → off: what is held stays, the path goes on, and releases what it took.
  world.meanwhile = [&](const std::string& what) {
    if (what == "step retest") set("ownership.enabled", false);
  };
  EXPECT_EQ(go().result, AdvanceResult::advanced);
  EXPECT_FALSE(held("repo:shop"));
  EXPECT_FALSE(held(task_key(task)));
  // Off → on: a token that was never granted is stale.
  stand_on("deploy-staging");
  world.meanwhile = [&](const std::string& what) {
    if (what == "step retest") set("ownership.enabled", true);
  };
  world.ran.clear();
  EXPECT_EQ(go().result, AdvanceResult::deferred);
  EXPECT_EQ(count("step merge"), 0u);
}

TEST_F(Ownership, WorkerThatReRegistersLosesItsLeases) {
  worker("worker-1", 500);
  fb::LeaseAcquiredT event;
  event.key = "db:migrate";
  event.owner = std::make_unique<fb::OwnerT>();
  event.owner->boot_id = "worker-1";
  event.owner->pid = 500;
  event.owner->actor = "worker";
  ASSERT_EQ(propose_as("worker", event).outcome, Outcome::accepted);
  worker("worker-2", 501);
  EXPECT_FALSE(held("db:migrate"));
  EXPECT_EQ(propose_as("worker", event).outcome, Outcome::stale_boot);
}

TEST_F(Ownership, TwoThreadsOfOneProcessAreTwoOwners) {
  ASSERT_EQ(acquire(task_key(task), "monitor").outcome, Outcome::accepted);
  EXPECT_EQ(acquire(task_key(task), "monitor").outcome, Outcome::lease_held)
      << "same boot, same pid, same actor: without the token, still another owner";
}

TEST_F(Ownership, CancelStandsAcrossRestart) {
  request_cancel();
  EXPECT_EQ(stage(), "deploy-staging");
  restart();
  EXPECT_EQ(stage(), "archived") << "the job's process died with the daemon, so nothing delays the request";
  EXPECT_EQ(machine.archive()[0].task.stage, "cancelled");
}

TEST_F(Ownership, DeadProcessIsReapedAfterAStreak) {
  run_as(900);
  world.pid_alive[900] = false;
  EXPECT_FALSE(pass().reaped);
  world.pid_alive[900] = true;
  EXPECT_FALSE(pass().reaped) << "alive again: the streak is forgotten";
  world.pid_alive[900] = false;
  EXPECT_FALSE(pass().reaped);
  EXPECT_TRUE(pass().reaped);
  EXPECT_EQ(job_status(), JobStatus::queued);
  const auto* event = machine.lines().back().record.record().event_as_JobReaped();
  ASSERT_NE(event, nullptr);
  EXPECT_EQ(event->evidence()->streak(), 2);
}

}  // namespace
}  // namespace pawl
