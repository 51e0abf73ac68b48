// Time in which no one could act: what it shifts, what it leaves, and what is not such a gap. SPEC §4, §5.
#include <limits>

#include "tests/unit/engine/rules.h"

namespace pawl {
namespace {

constexpr std::int64_t hour_s = 3600;

class TimeGap : public Rules {
 protected:
  static fb::TimeGapT gap(std::int64_t us) {
    fb::TimeGapT event;
    event.us = us;
    return event;
  }
  /// No one acts for that long, and the daemon records it.
  void sleep_s(std::int64_t seconds) {
    pass_s(seconds);
    must(gap(seconds * us_per_s));
  }
  const Lease& lease_row(const std::string& key) const { return *state.lease(key); }
};

TEST_F(TimeGap, not_daemon) {
  pass_s(hour_s);
  refuses(Outcome::not_daemon, gap(us_per_s), worker);
  refuses(Outcome::not_daemon, gap(-1), worker);
}

TEST_F(TimeGap, bad_value) {
  pass_s(hour_s);
  refuses(Outcome::bad_value, gap(0));
  pass_s(hour_s);
  refuses(Outcome::bad_value, gap(-1));
  pass_s(hour_s);
  refuses(Outcome::bad_value, gap(std::numeric_limits<std::int64_t>::max()));
  pass_s(hour_s);
  refuses(Outcome::bad_value, gap(std::numeric_limits<std::int64_t>::min()));
}

TEST_F(TimeGap, is_not_longer_than_the_time_since_the_record_before) {
  pass_s(hour_s);
  refuses(Outcome::bad_value, gap(hour_s * us_per_s + 1));  // an actor in that time would have left a record
  refuses(Outcome::bad_value, gap(1));
  pass_s(hour_s);
  must(gap(hour_s * us_per_s));
}

TEST_F(TimeGap, a_job_and_its_exit_are_as_old_as_they_were) {
  const TaskId id = create();
  const JobId running = claim(id);
  pass_s(60);
  must(run_started(running, 1), worker);
  pass_s(60);
  must(run_exited(running, 1), worker);
  const auto before = *job(running).run;
  pass_s(30);
  must(task_note(id));
  sleep_s(2 * hour_s);
  const auto& after = *job(running).run;
  EXPECT_EQ(after.claimed, plus_s(before.claimed, 2 * hour_s));
  EXPECT_EQ(after.started, plus_s(*before.started, 2 * hour_s));
  EXPECT_EQ(after.exited, plus_s(*before.exited, 2 * hour_s));
}

TEST_F(TimeGap, a_lease_lives_on_for_what_it_had_left) {
  lease("slot", worker, 600);
  pass_s(200);
  must(task_note(create()));
  sleep_s(2 * hour_s);
  pass_s(399);
  refuses(Outcome::lease_held, lease_acquired("slot"));
  pass_s(1);
  EXPECT_EQ(types_of(must(lease_acquired("slot"))), (std::vector<std::string>{"LeaseReclaimed", "LeaseAcquired"}));
}

TEST_F(TimeGap, a_lease_that_had_run_out_before_it_is_not_revived) {
  lease("slot", worker, 600);
  pass_s(600);
  must(task_note(create()));
  sleep_s(2 * hour_s);
  must(lease_acquired("slot"));
}

TEST_F(TimeGap, nothing_is_said_to_begin_in_the_future) {
  const JobId running = claim(create());
  lease("slot", worker, 600);
  pass_s(hour_s);
  // As far as the log shows, the gap began at the last record: nothing is older than that.
  must(gap(hour_s * us_per_s));
  EXPECT_EQ(job(running).run->claimed, now);
  EXPECT_EQ(lease_row("slot").renewed, now);
}

TEST_F(TimeGap, a_pause_lasts_for_what_was_left_of_it) {
  set("job.retry_delay_s", std::int64_t{10});
  const TaskId id = create();
  must(job_finished(claim(id), 1, fb::JobResult::retry), worker);
  const TimeUs end = *job(job_of(id)).not_before;
  pass_s(4);
  must(task_note(id));
  sleep_s(hour_s);
  EXPECT_EQ(job(job_of(id)).not_before, plus_s(end, hour_s));
  pass_s(5);
  refuses(Outcome::retry_delay, job_claimed(job_of(id), worker));
  pass_s(1);
  claim(id);
}

TEST_F(TimeGap, a_pause_that_was_over_before_it_stays_over) {
  set("job.retry_delay_s", std::int64_t{10});
  const TaskId id = create();
  must(job_finished(claim(id), 1, fb::JobResult::retry), worker);
  pass_s(hour_s);
  must(task_note(id));
  sleep_s(hour_s);
  claim(id);
}

TEST_F(TimeGap, a_pause_that_ended_within_it_goes_on) {
  set("job.retry_delay_s", std::int64_t{10});
  const TaskId id = create();
  must(job_finished(claim(id), 1, fb::JobResult::retry), worker);
  sleep_s(hour_s);
  refuses(Outcome::retry_delay, job_claimed(job_of(id), worker));
  pass_s(10);
  claim(id);
}

TEST_F(TimeGap, two_of_a_group_shift_no_further_than_now) {
  lease("slot", worker, 600);
  pass_s(60);
  const Decided& both = ask(propose_group(requester({}), gap(60 * us_per_s), gap(60 * us_per_s)));
  EXPECT_EQ(both.outcome, Outcome::accepted);
  EXPECT_EQ(lease_row("slot").renewed, now);
}

TEST_F(TimeGap, a_refused_group_takes_it_back) {
  lease("slot", worker, 600);
  const TimeUs renewed = lease_row("slot").renewed;
  pass_s(60);
  EXPECT_EQ(ask(propose_group(requester({}), gap(60 * us_per_s), task_note(TaskId{99}))).outcome,
            Outcome::unknown_task);
  EXPECT_EQ(lease_row("slot").renewed, renewed);
}

TEST_F(TimeGap, the_end_of_time_is_no_harm) {
  set("job.retry_delay_s", std::int64_t{10});
  const TaskId id = create();
  must(job_finished(claim(id), 1, fb::JobResult::retry), worker);
  lease("slot", worker, 600);
  const std::int64_t last_us = now.us;
  now.us = std::numeric_limits<std::int64_t>::max();
  must(gap(now.us - last_us));
  EXPECT_EQ(job(job_of(id)).not_before, now);
  EXPECT_EQ(lease_row("slot").renewed, now);
}

TEST_F(TimeGap, is_seen_by_the_recovery_of_its_own_group) {
  const TaskId id = create();
  const JobId running = claim(id);
  pass_s(hour_s);
  const Decided& start = ask(propose_group(requester({.boot = "daemon-2"}), boot_started("daemon-2", "pawld"),
                                           gap(hour_s * us_per_s), boot_ended(worker.boot)));
  EXPECT_EQ(start.outcome, Outcome::accepted);
  EXPECT_EQ(types_of(start), (std::vector<std::string>{"BootStarted", "TimeGap", "BootEnded", "JobReaped"}));
  EXPECT_EQ(job(running).interruptions, 1u);
}

}  // namespace
}  // namespace pawl
