// What ended badly and why: stories told by the real engine, and the cause that is found in their records.
#include "engine/forensics/incidents.h"

#include "tests/unit/engine/story.h"

namespace pawl {
namespace {

constexpr std::int64_t hour_s = 3600;

class IncidentsInAStory : public Story {
 protected:
  Incidents found() const {
    State state;
    History history;
    std::vector<const fb::Record*> group;
    std::vector<const Effects*> effects;
    for (std::size_t i = 0; i < machine.lines().size(); ++i) {
      group.push_back(&machine.lines()[i].record.record());
      effects.push_back(&machine.lines()[i].applied.effects);
      const bool is_last = i + 1 == machine.lines().size() ||
                           machine.lines()[i + 1].record.record().stamp()->group() != group.front()->stamp()->group();
      if (!is_last) continue;
      history.see(state, group);
      const Reapplied reapplied = reapply(state, group);
      EXPECT_FALSE(reapplied.divergence);
      history.settle(state, group, effects, reapplied.archived);
      group.clear();
      effects.clear();
    }
    return incidents(history, state, {});
  }
  /// The one incident, as text: "SettingChanged: reaper.max_running_s was set …"; empty if there is none.
  std::string incident() const {
    const Incidents all = found();
    if (all.findings.empty()) return "";
    EXPECT_EQ(all.findings.size(), 1u) << all.findings.back().what;
    const Finding& finding = all.findings.front();
    return std::string(fb::EnumNameEvent(record(finding.seq).event_type())) + ": " + finding.what;
  }
  const fb::Record& record(Seq seq) const { return machine.lines()[raw(seq) - 1].record.record(); }

  template <class Event>
  Outcome ask(const std::string& actor, const Event& event) {
    return machine.propose(propose_group(requester(actor), event)).outcome;
  }
  void wait(std::int64_t seconds) { machine.set_now(plus_s(machine.now(), seconds)); }
  /// A pass of the reaper, so long after the one before by the clock that never leaps.
  Reaped pass(std::optional<std::int64_t> since_s) {
    SincePass since;
    if (since_s) since = [since_s] { return since_s; };
    return reap_job(machine, world, task, job, streaks, requester("reaper"), 1, ReapMode::all, since);
  }
  void claim(std::optional<std::int64_t> ttl_s = {}) {
    fb::JobClaimedT event;
    event.job = raw(job);
    event.owner = owner("executor");
    if (ttl_s) event.ttl = *ttl_s;
    ASSERT_EQ(ask("executor", event), Outcome::accepted);
  }
  void finish(fb::JobResult result) {
    fb::JobFinishedT event;
    event.job = raw(job);
    event.attempt = machine.state().jobs.find(job)->attempts;
    event.result = result;
    ASSERT_EQ(ask("executor", event), Outcome::accepted);
  }
  /// Time is that of the last record.
  void note() {
    fb::TaskNoteT event;
    event.task = raw(task);
    event.text = "still here";
    ASSERT_EQ(ask("operator", event), Outcome::accepted);
  }
  /// The job's next loss is its last.
  void spend_an_attempt(std::optional<std::int64_t> ttl_s = {}) {
    finish(fb::JobResult::retry);
    wait_for_retry();
    claim(ttl_s);
  }
  void boot_on(const std::string& name, const std::string& id, const std::string& host) {
    fb::BootStartedT event;
    event.name = name;
    event.boot_id = id;
    event.pid = 7;
    event.host = host;
    event.version = "test";
    ASSERT_EQ(ask("pawld", event), Outcome::accepted);
  }
  void note_as(const std::string& boot) {
    fb::TaskNoteT note;
    note.task = raw(task);
    note.text = "late";
    machine.propose(propose_group({.boot = boot, .actor = "worker", .key = {}, .request = {}}, note));
  }
  std::int64_t ceiling_s() const { return machine.state().settings().reaper.max_running_s; }

  /// A worker takes the task's lease for a minute, loses it after `after_s`, and goes on.
  void lose_lease(std::int64_t after_s, std::optional<std::int64_t> since_s) {
    fb::LeaseAcquiredT taken;
    taken.key = task_key(task);
    taken.owner = owner("worker");
    taken.ttl = 60;
    ASSERT_EQ(ask("worker", taken), Outcome::accepted);
    const Lease lease = *machine.state().lease(taken.key);
    wait(after_s);
    fb::LeaseReclaimedT reclaimed;
    reclaimed.key = taken.key;
    reclaimed.token = raw(lease.token);
    reclaimed.reason = fb::ReclaimReason::ttl_expired;
    if (since_s) reclaimed.last_pass_s = *since_s;
    ASSERT_EQ(ask("reaper", reclaimed), Outcome::accepted);
    fb::TaskNoteT note;
    note.task = raw(task);
    note.text = "still at it";
    ASSERT_EQ(ask("worker", note), Outcome::accepted);
  }

  Streaks streaks;
};

TEST_F(IncidentsInAStory, a_hold_without_an_end_is_the_cause_of_what_stands_still) {
  finish(fb::JobResult::retry);
  fb::HoldPlacedT hold;
  hold.place = "pipeline:delivery";
  hold.reason = "the release train";
  hold.until = plus_s(machine.now(), 60 * hour_s).us;
  ASSERT_EQ(ask("operator", hold), Outcome::accepted);
  wait(48 * hour_s);
  note();
  EXPECT_EQ(incident(), "") << "it is over at its time, as planned";
  hold.until.reset();
  ASSERT_EQ(ask("operator", hold), Outcome::accepted);
  wait(48 * hour_s);
  note();
  EXPECT_TRUE(incident().starts_with(
      "HoldPlaced: pipeline:delivery has been held by operator since this record: the release train"))
      << incident();
}

TEST_F(IncidentsInAStory, a_calendar_that_no_daemon_planned_is_the_cause_of_what_stands_still) {
  finish(fb::JobResult::retry);
  Pipeline pipeline = default_pipeline();
  pipeline.calendar = Calendar{.zone = "UTC", .closed = {{.from = "22:00", .until = "23:00"}}};
  ASSERT_EQ(ask("operator", pipeline_event(pipeline)), Outcome::accepted);
  wait(48 * hour_s);
  note();
  EXPECT_TRUE(incident().starts_with(
      "PipelineDefined: this definition has a calendar that no daemon has planned, which freezes pipeline:delivery"))
      << incident();
}

TEST_F(IncidentsInAStory, ceiling_that_was_set_low_is_the_cause) {
  spend_an_attempt();
  set("reaper.max_running_s", SettingValue(std::int64_t{3600}));
  wait(3630);
  ASSERT_TRUE(pass(60).reaped);
  EXPECT_TRUE(incident().starts_with("SettingChanged: reaper.max_running_s was set to 3600 by operator")) << incident();
}

TEST_F(IncidentsInAStory, job_whose_own_attempts_failed_ended_badly_by_itself) {
  finish(fb::JobResult::retry);
  while (row()->blocked.empty()) {
    wait_for_retry();
    claim();
    finish(fb::JobResult::retry);
  }
  const Incidents all = found();
  EXPECT_TRUE(all.findings.empty()) << all.findings.front().what;
  ASSERT_EQ(all.ended.size(), 1u);
  EXPECT_EQ(all.ended[0].cause, Seq{0});
  EXPECT_EQ(all.ended[0].why,
            "its own " + std::to_string(machine.state().settings().job.max_attempts) + " attempts failed");
}

TEST_F(IncidentsInAStory, restart_in_the_middle_of_a_step_that_was_let_go_is_listed_and_no_finding) {
  exited();
  world.meanwhile = [&](const std::string& what) {
    if (what == "step merge" && boot_id == "boot-1") boot("boot-2");
  };
  go();
  ASSERT_EQ(boot_id, "boot-2") << "it restarted in the middle of the step";
  fb::TaskBlockedT blocked;
  blocked.task = raw(task);
  blocked.version = raw(version());
  blocked.reason = "outcome_unknown";
  ASSERT_EQ(ask("reconciler", blocked), Outcome::accepted);
  Incidents all = found();
  ASSERT_EQ(all.findings.size(), 1u);
  EXPECT_NE(all.findings[0].what.find("the daemon was restarted"), std::string::npos) << all.findings[0].what;

  fb::TaskUnblockedT let_go;
  let_go.task = raw(task);
  ASSERT_EQ(ask("operator", let_go), Outcome::accepted);
  all = found();
  EXPECT_TRUE(all.findings.empty()) << all.findings.front().what;
  ASSERT_EQ(all.ended.size(), 1u);
  EXPECT_NE(all.ended[0].cause, Seq{0});
  EXPECT_EQ(all.ended[0].why, "the daemon was restarted");
}

// One name on several hosts. The text of a host says which start of the machine it is.

TEST_F(IncidentsInAStory, machine_that_is_started_again_and_again_is_no_second_machine) {
  for (int start = 2; start <= 6; ++start) {
    boot_on("worker", "worker-" + std::to_string(start), "beta kernel-" + std::to_string(start));
    if (start > 2) note_as("worker-" + std::to_string(start - 1));  // a request that was under way
  }
  EXPECT_EQ(incident(), "");
}

TEST_F(IncidentsInAStory, two_machines_of_one_name_are_found_by_their_names_or_as_one_comes_back) {
  for (const char* other : {"gamma kernel-1", "beta kernel-9"}) {
    SCOPED_TRACE(other);
    const std::string name = std::string("worker of ") + other;
    for (int turn = 0; turn < 3; ++turn) {
      boot_on(name, name + std::to_string(turn), "beta kernel-1");
      boot_on(name, name + std::to_string(turn) + "b", other);
    }
    const Incidents all = found();
    ASSERT_FALSE(all.findings.empty());
    EXPECT_NE(all.findings.back().what.find("two machines use the name '" + name + "'"), std::string::npos);
  }
}

// A quiet stretch in which a limit passed: the count of a clock that never leaps tells what it was.

TEST_F(IncidentsInAStory, ceiling_passed_by_far_a_minute_after_the_pass_before_is_a_leap_of_the_clock) {
  spend_an_attempt();
  wait(ceiling_s() + 3 * hour_s);
  ASSERT_TRUE(pass(61).reaped);
  EXPECT_TRUE(incident().starts_with("JobReaped: the clock leapt in the ")) << incident();
  EXPECT_NE(incident().find("passed by 180 min, although the reaper's pass before was only 61 s earlier"),
            std::string::npos)
      << incident();
}

TEST_F(IncidentsInAStory, ceiling_passed_by_what_the_count_covers_is_a_daemon_that_did_not_run) {
  spend_an_attempt();
  wait(ceiling_s() + 3 * hour_s);
  ASSERT_TRUE(pass(3 * hour_s + 30).reaped);
  EXPECT_TRUE(incident().starts_with("JobReaped: the daemon did not run for 180 min before this record")) << incident();
}

TEST_F(IncidentsInAStory, without_a_count_a_limit_passed_by_far_is_taken_for_a_leap) {
  spend_an_attempt();
  wait(ceiling_s() + 3 * hour_s);
  ASSERT_TRUE(pass({}).reaped);
  EXPECT_TRUE(incident().starts_with("JobReaped: the clock leapt by ")) << incident();
}

TEST_F(IncidentsInAStory, long_silence_of_an_agent_is_neither) {
  spend_an_attempt();
  wait(ceiling_s() + 40);
  ASSERT_TRUE(pass(60).reaped);
  EXPECT_TRUE(incident().starts_with("JobClaimed: the agent of job 1, which began here, did not end within"))
      << incident();
}

TEST_F(IncidentsInAStory, finalizer_that_was_deferred_to_for_long_is_no_leap) {
  spend_an_attempt();
  fb::RunExitedT event;
  event.job = raw(job);
  event.attempt = 2;
  event.exit_code = 1;
  ASSERT_EQ(ask("monitor", event), Outcome::accepted);
  fb::LeaseAcquiredT taken;
  taken.key = task_key(task);
  taken.owner = owner("monitor");
  ASSERT_EQ(ask("monitor", taken), Outcome::accepted);
  wait(hour_s);
  ASSERT_TRUE(pass(60).deferred);
  fb::LeaseReleasedT released;
  released.key = taken.key;
  released.token = raw(machine.state().lease(taken.key)->token);
  ASSERT_EQ(ask("monitor", released), Outcome::accepted);
  wait(60);
  ASSERT_TRUE(pass(60).reaped);
  EXPECT_EQ(incident().find("clock"), std::string::npos) << incident();
}

TEST_F(IncidentsInAStory, reaper_that_was_off_proves_neither) {
  spend_an_attempt();
  set("reaper.enabled", SettingValue(false));
  wait(ceiling_s() + 3 * hour_s);
  set("reaper.enabled", SettingValue(true));
  ASSERT_TRUE(pass(ceiling_s() + 3 * hour_s).reaped);
  EXPECT_EQ(incident().find("clock"), std::string::npos) << incident();
  EXPECT_EQ(incident().find("daemon did not run"), std::string::npos) << incident();
}

TEST_F(IncidentsInAStory, lease_whose_ttl_ran_out_in_a_leap_was_lost_by_the_leap) {
  lose_lease(2 * hour_s, 30);
  EXPECT_TRUE(incident().starts_with("LeaseReclaimed: the clock leapt in the 120 min before this record"))
      << incident();
}

TEST_F(IncidentsInAStory, lease_whose_ttl_ran_out_while_the_daemon_slept_was_lost_by_that) {
  lose_lease(2 * hour_s, 2 * hour_s + 10);
  EXPECT_TRUE(incident().starts_with("LeaseReclaimed: the daemon did not run for 120 min")) << incident();
}

TEST_F(IncidentsInAStory, lease_that_another_took_over_after_the_daemon_slept_is_judged_by_the_next_pass) {
  fb::LeaseAcquiredT taken;
  taken.key = "repo:depot";
  taken.owner = owner("worker");
  taken.ttl = 60;
  ASSERT_EQ(ask("worker", taken), Outcome::accepted);
  lose_lease(2 * hour_s, {});
  EXPECT_TRUE(incident().starts_with("LeaseReclaimed: the clock leapt by 120 min")) << incident();
  fb::LeaseReclaimedT reclaimed;
  reclaimed.key = taken.key;
  reclaimed.token = raw(machine.state().lease(taken.key)->token);
  reclaimed.reason = fb::ReclaimReason::ttl_expired;
  reclaimed.last_pass_s = 2 * hour_s + 10;
  ASSERT_EQ(ask("reaper", reclaimed), Outcome::accepted);
  EXPECT_TRUE(incident().starts_with("LeaseReclaimed: the daemon did not run for 120 min")) << incident();
}

TEST_F(IncidentsInAStory, lease_whose_ttl_was_too_short_is_the_cause_itself) {
  lose_lease(100, 60);
  EXPECT_TRUE(incident().starts_with("LeaseAcquired: worker took the lease")) << incident();
}

TEST_F(IncidentsInAStory, claim_whose_end_is_passed_by_far_ran_out_in_a_leap) {
  spend_an_attempt(600);
  wait(600 + 2 * hour_s);
  ASSERT_TRUE(pass(20).reaped);
  EXPECT_TRUE(incident().starts_with("JobReaped: the clock leapt in the 130 min before this record")) << incident();
}

TEST_F(IncidentsInAStory, claim_that_its_live_owner_did_not_renew_in_time_is_no_leap) {
  spend_an_attempt(600);
  wait(601);
  ASSERT_TRUE(pass(41).reaped);
  fb::RunExitedT late;
  late.job = raw(job);
  late.attempt = 2;
  ASSERT_NE(ask("executor", late), Outcome::accepted) << "it was alive";
  EXPECT_TRUE(incident().starts_with("JobReaped: executor did not renew its claim on job 1")) << incident();
}

}  // namespace
}  // namespace pawl
