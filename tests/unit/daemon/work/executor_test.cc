// What the executor does with jobs and tasks, from their first stage to their last.
#include <sys/wait.h>

#include <array>
#include <csignal>

#include "daemon/work/stored_output.h"
#include "tests/unit/daemon/work/desk_between.h"
#include "tests/unit/daemon/work/executor_stage.h"

namespace pawl {
namespace {

constexpr const char* whole_way = R"(name: test
agents:
  worker: {run: 'echo "agent $PAWL_STAGE $PAWL_WORK_ITEM $PAWL_JOB $PAWL_ATTEMPT" | tee -a $1/trace', timeout_s: 60}
stages:
  - name: work
    agent: worker
    gate: {run: 'echo gate >> $1/trace', timeout_s: 60}
    to: ship
  - name: ship
    agent: worker
    to: out
    guarded: true
    steps:
      - {name: retest, run: 'echo "retest $PAWL_STEP_KEY" >> $1/trace', timeout_s: 60}
      - {name: merge, run: 'echo "merge $PAWL_EDGE ${PAWL_TOKEN:+token}" >> $1/trace', timeout_s: 60, irreversible: true,
         exclusive: repo}
    rollback: work
  - name: out
    to: done
    guarded: true
    steps:
      - {name: deploy, run: 'echo deploy >> $1/trace', timeout_s: 60, irreversible: true}
)";

TEST_F(ExecutorTest, task_is_driven_from_its_first_stage_to_done) {
  define(whole_way);
  execute();
  const TaskId id = submit();
  ASSERT_TRUE(reaches(id, "done"));
  EXPECT_EQ(contents(at("trace")),
            "agent work W-1 1 1\ngate\nagent ship W-1 2 1\nretest 1-2-retest\nmerge ship->out token\ndeploy\n");
  EXPECT_EQ(contents(at("data/logs/job-1-1.log")), "agent work W-1 1 1\n");
  EXPECT_EQ(count(fb::Event::StepStarted), 3u);
  EXPECT_EQ(count(fb::Event::StageTransition), 3u);
  EXPECT_TRUE(comes_true([&] { return !fs::exists(worktree(1)); }));
  EXPECT_TRUE(comes_true([&] { return fs::is_empty(at("data/steps")) && fs::is_empty(at("data/runs")); }));
}

/// A desk at which an outside worker always wins the first job that the executor tries to claim.
class QuickerWorker final : public DeskBetween {
 public:
  QuickerWorker(Sequencer& sequencer, Requester requester, std::string boot)
      : DeskBetween(sequencer), requester_(std::move(requester)), boot_(std::move(boot)) {}

  Decision propose(Group group) override {
    const fb::JobClaimed* claim = group.front().record().event_as_JobClaimed();
    if (claim && !std::exchange(has_come_, true)) {
      fb::JobClaimedT first;
      first.job = claim->job();
      first.owner = std::make_unique<fb::OwnerT>();
      first.owner->boot_id = boot_;
      first.owner->actor = "worker";
      EXPECT_EQ(DeskBetween::propose(propose_group(requester_, first)).outcome, Outcome::accepted);
    }
    return DeskBetween::propose(std::move(group));
  }

 private:
  Requester requester_;
  std::string boot_;
  bool has_come_ = false;  // the executor claims from one thread
};

TEST_F(ExecutorTest, job_behind_one_that_a_worker_was_quicker_with_is_claimed_all_the_same) {
  define(whole_way);
  set("queue.max_concurrency", std::int64_t{2});
  set("queue.serial_per_repo", false);
  fb::BootStartedT worker;
  worker.name = "worker";
  worker.boot_id = "w1";
  worker.host = "elsewhere";
  worker.version = "1";
  ASSERT_EQ(tell(worker).outcome, Outcome::accepted);
  submit("W-1", "first");
  const TaskId second = submit("W-2", "second");
  desk_ = std::make_unique<QuickerWorker>(*sequencer_, requester("worker"), "w1");
  execute();
  EXPECT_TRUE(reaches(second, "done"));
  EXPECT_EQ(job(1)->run->owner.boot_id, "w1");
}

TEST_F(ExecutorTest, task_submitted_before_the_start_is_found) {
  define(whole_way);
  const TaskId id = submit();
  execute();
  EXPECT_TRUE(reaches(id, "done"));
}

TEST_F(ExecutorTest, red_gate_rolls_back_with_its_last_words) {
  define(R"(name: test
agents:
  first:
  worker: {run: 'true', timeout_s: 60}
stages:
  - {name: work, agent: first, to: check}
  - name: check
    agent: worker
    gate: {run: 'echo noise; printf "2 of 5 tests failed: \303\274\033[1m\n"; exit 1', timeout_s: 60}
    to: done
    rollback: work
)");
  execute();
  const TaskId id = submit();
  fb::StageTransitionT forward;
  forward.task = raw(id);
  forward.to = "check";
  forward.expected_version = 1;
  ASSERT_EQ(tell(forward).outcome, Outcome::accepted);
  ASSERT_TRUE(comes_true([&] { return task(id)->version == Version{3}; }));
  EXPECT_EQ(task(id)->stage, "work");
  EXPECT_EQ(task(id)->gate->reason, "2 of 5 tests failed: \u00FC\\x1b[1m");
  EXPECT_EQ(task(id)->gate->passed, false);
}

TEST_F(ExecutorTest, failed_step_is_told_with_its_last_words_and_each_run_has_a_log_of_its_own) {
  define(R"(name: test
agents:
  worker: {run: 'true', timeout_s: 60}
stages:
  - name: work
    agent: worker
    gate: {run: 'echo "asked $PAWL_RUN"', timeout_s: 60}
    to: done
    guarded: true
    steps: [{name: retest, run: 'echo noise; echo "3 of 7 tests failed" >&2; echo; exit 4', timeout_s: 60}]
)");
  set("job.max_attempts", 2);
  set("job.retry_delay_s", 0);
  execute();
  const TaskId id = submit();
  ASSERT_TRUE(comes_true([&] { return !task(id)->blocked.empty(); }));
  EXPECT_EQ(task(id)->gate->reason.substr(0, 6), "asked ");
  std::vector<std::string> gates;
  std::vector<std::string> steps;
  for (const auto& entry : fs::directory_iterator(at("data/logs/task-1"))) {
    const auto name = read_log_name(id, entry.path().filename().string());
    ASSERT_TRUE(name) << entry.path();
    EXPECT_EQ(name->stage, "work");
    (name->what == LogOf::gate ? gates : steps).push_back(contents(entry.path()));
  }
  ASSERT_EQ(gates.size(), 2u);
  EXPECT_NE(gates[0], gates[1]);
  EXPECT_EQ(steps, std::vector<std::string>(2, "noise\n3 of 7 tests failed\n\n"));
}

TEST_F(ExecutorTest, each_command_has_its_own_bound_of_output_or_that_of_the_settings) {
  set("output.max_bytes", 400'000);
  define(R"(name: test
agents:
  worker: {run: 'head -c 1000000 /dev/zero', timeout_s: 60, output_max_bytes: 100000}
stages:
  - name: work
    agent: worker
    gate: {run: 'head -c 1000000 /dev/zero', timeout_s: 60, output_max_bytes: 200000}
    to: done
    guarded: true
    steps:
      - name: retest
        run: 'head -c 1000000 /dev/zero'
        timeout_s: 60
        output_max_bytes: 300000
      - {name: report, run: 'head -c 1000000 /dev/zero', timeout_s: 60}
      - {name: halt, run: 'exit 1', timeout_s: 60, irreversible: true}
)");
  execute();
  const TaskId id = submit();
  ASSERT_TRUE(comes_true([&] { return !task(id)->blocked.empty(); }));
  std::map<std::string, std::int64_t> kept;
  kept["agent"] = StoredOutput::look_at(at("data/logs/job-1-1.log")).value().kept();
  for (const auto& entry : fs::directory_iterator(at("data/logs/task-1"))) {
    const auto name = read_log_name(id, entry.path().filename().string());
    if (name) kept[name->what == LogOf::gate ? "gate" : name->step] = StoredOutput::look_at(entry).value().kept();
  }
  for (const auto& [command, bound] : std::map<std::string, std::int64_t>{
           {"agent", 100'000}, {"gate", 200'000}, {"retest", 300'000}, {"report", 400'000}}) {
    EXPECT_LE(kept[command], bound) << command;
    EXPECT_GT(kept[command], bound * 3 / 4) << command;
  }
}

TEST_F(ExecutorTest, step_that_blocks_says_why) {
  define(R"(name: test
stages:
  - name: work
    to: done
    guarded: true
    steps:
      - {name: merge, run: 'true', timeout_s: 60, irreversible: true}
      - {name: announce, run: 'echo "nobody listens"; exit 1', timeout_s: 60}
)");
  execute();
  const TaskId id = submit();
  ASSERT_TRUE(comes_true([&] { return !task(id)->blocked.empty(); }));
  EXPECT_EQ(task(id)->blocked, "step_failed: announce: nobody listens");
}

TEST_F(ExecutorTest, step_over_its_time_is_told_so_whatever_it_said_last) {
  define(R"(name: test
stages:
  - name: work
    to: done
    guarded: true
    steps:
      - {name: merge, run: 'true', timeout_s: 60, irreversible: true}
      - {name: announce, run: 'echo "all is well"; exec sleep 1000', timeout_s: 1}
)");
  execute();
  const TaskId id = submit();
  ASSERT_TRUE(comes_true([&] { return !task(id)->blocked.empty(); }));
  EXPECT_EQ(task(id)->blocked, "step_failed: announce: timed out");
}

TEST_F(ExecutorTest, without_room_nothing_is_claimed_until_there_is_some) {
  define(R"(name: test
agents:
  worker: {run: 'true', timeout_s: 60}
stages:
  - {name: work, agent: worker, to: done}
)");
  has_room_ = false;
  execute();
  const TaskId id = submit();
  ASSERT_TRUE(comes_true([&] { return room_asked_ > 1; })) << "free space is checked again";
  EXPECT_EQ(task(id)->stage, "work");
  EXPECT_EQ(count(fb::Event::JobClaimed), 0u);
  has_room_ = true;
  EXPECT_TRUE(reaches(id, "done"));
}

TEST_F(ExecutorTest, red_gate_of_a_stage_without_an_agent_waits_for_the_next_pass) {
  define(R"(name: test
stages:
  - name: work
    gate: {run: 'echo asked >> $1/trace; exit 1', timeout_s: 60}
    to: done
    guarded: true
    steps: [{name: deploy, run: 'true', timeout_s: 60}]
)");
  execute();
  ASSERT_TRUE(comes_true([&] { return executor_->reconciler_totals().passes == 1; }));
  const TaskId first = submit();
  ASSERT_TRUE(comes_true([&] { return task(first)->gate.has_value(); }));
  // By the time another task has been checked in turn, the first would have been checked again.
  const TaskId second = submit("W-2");
  ASSERT_TRUE(comes_true([&] { return task(second)->gate.has_value(); }));
  EXPECT_TRUE(comes_true([&] { return count(fb::Event::LeaseReleased) >= 2; }));
  EXPECT_EQ(contents(at("trace")), "asked\nasked\n");
  EXPECT_EQ(task(first)->blocked, "");
}

TEST_F(ExecutorTest, failing_agent_is_tried_again_until_its_budget_is_spent) {
  define(R"(name: test
agents:
  worker: {run: 'echo "try $PAWL_ATTEMPT"; exit 3', timeout_s: 60}
stages:
  - {name: work, agent: worker, to: done}
)");
  execute();
  const TaskId id = submit();
  ASSERT_TRUE(comes_true([&] { return task(id)->blocked == "job_failed"; }));
  EXPECT_EQ(job(1)->attempts, 2u);
  EXPECT_EQ(job(1)->run->exit_code, 3);
  EXPECT_EQ(contents(at("data/logs/job-1-1.log")), "try 1\n");
  EXPECT_EQ(contents(at("data/logs/job-1-2.log")), "try 2\n");
}

TEST_F(ExecutorTest, agent_that_cannot_be_started_fails_and_its_log_says_why) {
  define(R"(name: test
agents:
  worker: {run: [/no/such/program], timeout_s: 60}
stages:
  - {name: work, agent: worker, to: done}
)");
  execute();
  const TaskId id = submit();
  ASSERT_TRUE(comes_true([&] { return !task(id)->blocked.empty(); }));
  EXPECT_EQ(job(1)->run->exit_code, 127);
  EXPECT_NE(contents(at("data/logs/job-1-1.log")).find("/no/such/program"), std::string::npos);
  EXPECT_EQ(count(fb::Event::RunStarted), 0u);
}

TEST_F(ExecutorTest, agent_over_its_time_is_ended) {
  define(R"(name: test
agents:
  worker: {run: 'sleep 1000', timeout_s: 1}
stages:
  - {name: work, agent: worker, to: done}
)");
  set("job.max_attempts", 1);
  execute();
  const TaskId id = submit();
  ASSERT_TRUE(comes_true([&] { return !task(id)->blocked.empty(); }));
  EXPECT_EQ(job(1)->run->exit_code, 124);
}

constexpr const char* sleeper = R"(name: test
agents:
  worker: {run: 'echo $$ > $1/pid; exec sleep 1000', timeout_s: 600}
stages:
  - {name: work, agent: worker, to: done}
)";

TEST_F(ExecutorTest, cancel_ends_the_agent_and_then_the_task) {
  define(sleeper);
  execute();
  const TaskId id = submit();
  ASSERT_TRUE(comes_true([&] { return contents(at("pid")).ends_with("\n"); }));
  cancel(id);
  ASSERT_TRUE(reaches(id, "cancelled"));
  EXPECT_FALSE(pid_start_of(std::stoi(contents(at("pid")))));
  EXPECT_EQ(count(fb::Event::TaskCancelled), 1u);
  EXPECT_EQ(count(fb::Event::JobFinished), 1u);
}

TEST_F(ExecutorTest, job_cut_off_by_the_daemons_end_is_run_again_by_the_next_boot) {
  define(R"(name: test
agents:
  worker: {run: 'if [ -e $1/pid ]; then exit 0; fi; echo $$ > $1/pid; exec sleep 1000', timeout_s: 600}
stages:
  - {name: work, agent: worker, to: done}
)");
  execute();
  const TaskId id = submit();
  ASSERT_TRUE(comes_true([&] { return contents(at("pid")).ends_with("\n"); }));
  shut_down();
  EXPECT_FALSE(pid_start_of(std::stoi(contents(at("pid")))));
  EXPECT_EQ(count(fb::Event::RunExited), 0u) << "the job did not fail";
  boot();
  EXPECT_EQ(job(1)->interruptions, 1u);
  execute();
  EXPECT_TRUE(reaches(id, "done"));
}

TEST_F(ExecutorTest, what_an_earlier_boot_left_running_is_ended_before_anything_is_claimed) {
  // As after kill -9: the process goes on, and only its note tells of it.
  RunRequest request;
  request.command = {"/bin/sh", "-c", "echo $$ > pid; exec sleep 1000"};
  request.folder = folder_.string();
  request.environment = {"PATH=/usr/bin:/bin"};
  request.purpose = "job 1 attempt 1";
  RealSystem system({.data_folder = data()});
  Result<PreparedProcess> run = PreparedProcess::prepare(system, request, open_log(at("log").string()).value());
  ASSERT_TRUE(run) << run.error().message;
  std::thread nobody([&] { run->start_and_wait({600, 1}, nullptr); });
  ASSERT_TRUE(comes_true([&] { return contents(at("pid")).ends_with("\n"); }));
  execute();
  EXPECT_FALSE(pid_start_of(std::stoi(contents(at("pid")))));
  EXPECT_TRUE(noted_runs(data()).empty());
  nobody.join();
}

TEST_F(ExecutorTest, job_is_passed_over_while_an_earlier_process_cannot_be_shown_to_be_gone) {
  define(R"(name: test
agents:
  worker: {run: 'true', timeout_s: 60}
stages:
  - {name: work, agent: worker, to: done}
)");
  // Held by this process, which no one ends.
  std::unique_ptr<RunFile> held = std::move(new_run(data(), "job 1 attempt 1").value());
  const TaskId id = submit();
  const TaskId other = submit("W-2");
  execute();
  ASSERT_TRUE(reaches(other, "done"));
  EXPECT_TRUE(executor_->is_skipped(JobId{1}));
  EXPECT_EQ(executor_->skipped(), std::vector<JobId>{JobId{1}});
  EXPECT_EQ(job(1)->status, JobStatus::queued);
  held.reset();
  EXPECT_TRUE(reaches(id, "done"));
  EXPECT_TRUE(comes_true([&] { return !executor_->is_skipped(JobId{1}); }));
}

TEST_F(ExecutorTest, exit_of_somebody_elses_run_is_seen_to) {
  define(R"(name: test
agents:
  outsider:
stages:
  - name: work
    agent: outsider
    gate: {run: 'echo gate >> $1/trace', timeout_s: 60}
    to: done
)");
  execute();
  const TaskId id = submit();
  fb::BootStartedT worker;
  worker.name = "worker";
  worker.boot_id = "w1";
  worker.pid = ::getpid();
  worker.host = this_host();
  worker.version = "1";
  ASSERT_EQ(tell(worker).outcome, Outcome::accepted);
  fb::JobClaimedT claim;
  claim.job = 1;
  claim.owner = std::make_unique<fb::OwnerT>();
  claim.owner->boot_id = "w1";
  claim.owner->pid = ::getpid();
  claim.owner->actor = "worker";
  ASSERT_EQ(tell(claim, "worker").outcome, Outcome::accepted);
  fb::RunExitedT exited;
  exited.job = 1;
  exited.attempt = 1;
  exited.exit_code = 0;
  ASSERT_EQ(tell(exited, "worker").outcome, Outcome::accepted);
  EXPECT_TRUE(reaches(id, "done"));
  EXPECT_EQ(contents(at("trace")), "gate\n");
}

TEST_F(ExecutorTest, exclusive_steps_take_turns_and_none_is_lost) {
  define(R"(name: test
stages:
  - name: work
    to: done
    guarded: true
    steps:
      - name: merge
        run: 'mkdir $1/turn && sleep 0.2 && rmdir $1/turn'
        timeout_s: 60
        irreversible: true
        exclusive: repo
)");
  execute();
  std::vector<TaskId> tasks;
  for (int i = 0; i < 5; ++i) tasks.push_back(submit("W-" + std::to_string(i)));
  for (const TaskId id : tasks) EXPECT_TRUE(reaches(id, "done"));
  EXPECT_EQ(count(fb::Event::StepStarted), 5u);
  EXPECT_EQ(count(fb::Event::TaskBlocked), 0u);
}

TEST_F(ExecutorTest, exit_that_was_refused_when_ownership_was_switched_on_is_seen_to_at_once) {
  define(R"(name: test
agents:
  worker: {run: 'true', timeout_s: 600}
stages:
  - name: work
    agent: worker
    to: done
    guarded: true
    steps:
      - {name: retest, run: 'echo >> $1/began; until [ -e $1/go ]; do sleep 0.02; done', timeout_s: 600}
)");
  set("reconciler.interval_s", 86400);
  set("ownership.enabled", false);
  execute();
  const TaskId id = submit();
  ASSERT_TRUE(comes_true([&] { return fs::exists(at("began")); }));
  set("ownership.enabled", true);
  std::ofstream(at("go")) << "";
  EXPECT_TRUE(reaches(id, "done")) << "the placeholder token was stale, and no freed lease signals that";
}

TEST_F(ExecutorTest, path_goes_on_as_soon_as_a_hold_ends_by_itself) {
  define(R"(name: test
agents:
  worker: {run: 'true', timeout_s: 600}
stages:
  - name: work
    agent: worker
    to: ship
  - name: ship
    steps:
      - {name: merge, run: 'true', timeout_s: 60}
    to: done
)");
  set("reconciler.interval_s", 86400);
  execute();
  fb::HoldPlacedT hold;
  hold.place = "stage:ship";
  hold.until = sequencer_->now().us + 300'000;
  ASSERT_EQ(tell(hold).outcome, Outcome::accepted);
  EXPECT_TRUE(reaches(submit(), "done")) << "no record says that it is over, and no pass is due";
}

TEST_F(ExecutorTest, exit_that_waits_for_a_crossing_hears_of_its_end_with_ownership_off) {
  define(R"(name: test
agents:
  worker: {run: 'true', timeout_s: 600}
stages:
  - name: build
    to: work
  - name: work
    agent: worker
    gate: {run: 'echo >> $1/began; until [ -e $1/go ]; do sleep 0.02; done; exit 1', timeout_s: 600}
    to: done
    rollback: build
    guarded: true
    steps:
      - {name: merge, run: 'true', timeout_s: 60, irreversible: true}
)");
  set("reconciler.interval_s", 86400);
  set("ownership.enabled", false);
  execute();
  const TaskId id = submit();
  ASSERT_TRUE(comes_true([&] { return fs::exists(at("began")); }));
  fb::StepStartedT started;
  started.task = raw(id);
  started.version = 2;
  started.to = "done";
  started.step = "merge";
  const Decision start = tell(started);
  ASSERT_EQ(start.outcome, Outcome::accepted) << "an outsider crosses beside the gate";
  std::ofstream(at("go")) << "";
  ASSERT_TRUE(comes_true([&] { return count(fb::Event::StageTransition, Outcome::committed) == 1; }));
  fb::StepFinishedT finished;
  finished.task = raw(id);
  finished.version = 2;
  finished.step = "merge";
  finished.started = raw(start.seq);
  finished.outcome = fb::StepOutcome::done;
  finished.by = fb::StepBy::command;
  ASSERT_EQ(tell(finished).outcome, Outcome::accepted);
  fb::StageTransitionT transition;
  transition.task = raw(id);
  transition.to = "done";
  ASSERT_EQ(tell(transition).outcome, Outcome::accepted);
  EXPECT_TRUE(comes_true([&] { return executor_->jobs_at_work() == 0; })) << "no freed lease signals that";
}

TEST_F(ExecutorTest, unknown_end_of_an_irreversible_step_is_settled_by_its_probe) {
  define(R"(name: test
stages:
  - name: work
    to: done
    guarded: true
    steps:
      - {name: merge, run: 'touch $1/merged; exit 9', probe: 'test -e $1/merged', timeout_s: 60, irreversible: true}
)");
  execute();
  EXPECT_TRUE(reaches(submit(), "done"));
  EXPECT_EQ(count(fb::Event::StepStarted), 1u);
}

TEST_F(ExecutorTest, step_waits_for_the_lock_of_its_place) {
  define(R"(name: test
stages:
  - name: work
    to: done
    guarded: true
    steps:
      - {name: merge, run: 'true', timeout_s: 60, irreversible: true}
)");
  set("stop.kill_after_s", 600);
  // As happens for a moment while another thread forks: still held, although its holder has released it.
  auto place = lock_step(data(), {TaskId{1}, Version{1}, "merge"});
  ASSERT_TRUE(place) << place.error().message;
  execute();
  const TaskId id = submit();
  ASSERT_TRUE(comes_true([&] { return count(fb::Event::LeaseAcquired) == 1; }));
  place->reset();
  EXPECT_TRUE(reaches(id, "done"));
}

TEST_F(ExecutorTest, without_a_probe_it_blocks_until_somebody_says) {
  define(R"(name: test
stages:
  - name: work
    to: done
    guarded: true
    steps:
      - {name: merge, run: 'exit 9', timeout_s: 60, irreversible: true}
)");
  execute();
  const TaskId id = submit();
  ASSERT_TRUE(comes_true([&] { return task(id)->blocked == "outcome_unknown"; }));
  const StepRow open = task(id)->steps.front();
  std::promise<std::shared_ptr<StepLock>> lock;
  executor_->lock_step({id, open.version, open.step}, open.run, [&](auto got) { lock.set_value(std::move(got)); });
  EXPECT_NE(lock.get_future().get(), nullptr);
  fb::StepFinishedT finished;
  finished.task = raw(id);
  finished.version = raw(open.version);
  finished.step = open.step;
  finished.started = raw(open.started);
  finished.outcome = fb::StepOutcome::done;
  finished.by = fb::StepBy::operator_;
  fb::TaskUnblockedT unblocked;
  unblocked.task = raw(id);
  ASSERT_EQ(sequencer_->propose(propose_group(requester("operator"), finished, unblocked)).outcome, Outcome::accepted);
  EXPECT_TRUE(reaches(id, "done"));
  EXPECT_EQ(count(fb::Event::StepStarted), 1u);
}

TEST_F(ExecutorTest, a_step_that_is_under_way_is_not_ended_for_a_word_that_it_did_not_happen) {
  define(R"(name: test
stages:
  - name: work
    to: done
    guarded: true
    steps:
      - {name: merge, run: 'echo $$ >$1/pid; until test -e $1/go; do sleep 0.02; done', timeout_s: 60, irreversible: true}
)");
  set("stop.kill_after_s", 0);
  execute();
  const TaskId id = submit();
  ASSERT_TRUE(comes_true([&] { return contents(at("pid")).ends_with("\n"); }));
  const auto step = static_cast<pid_t>(std::stol(contents(at("pid"))));
  const auto began = pid_start_of(step);
  const StepRow open = task(id)->steps.front();
  std::promise<std::shared_ptr<StepLock>> lock;
  executor_->lock_step({id, open.version, open.step}, open.run, [&](auto got) { lock.set_value(std::move(got)); });
  EXPECT_EQ(lock.get_future().get(), nullptr) << "its process is alive, and may still take effect";
  EXPECT_EQ(pid_start_of(step), began) << "the step was killed";
  std::ofstream(at("go")) << "go";
  EXPECT_TRUE(reaches(id, "done"));
}

TEST_F(ExecutorTest, no_of_a_probe_about_somebody_elses_step_blocks) {
  define(R"(name: test
stages:
  - name: work
    to: done
    guarded: true
    steps:
      - {name: merge, run: 'touch $1/merged', probe: 'test -e $1/merged', timeout_s: 60, irreversible: true}
)");
  const TaskId id = submit();
  // Under the daemon's own boot, as for any request without Pawl-Boot, but the daemon did not fork it.
  fb::LeaseAcquiredT acquire;
  acquire.key = task_key(id);
  acquire.owner = std::make_unique<fb::OwnerT>();
  acquire.owner->boot_id = boot_id_;
  acquire.owner->pid = ::getpid();
  acquire.owner->actor = "outsider";
  const Decision lease = tell(acquire, "outsider");
  fb::StepStartedT start;
  start.task = raw(id);
  start.version = 1;
  start.to = "done";
  start.step = "merge";
  start.token = raw(*lease.granted(acquire.key));
  start.run = "somebody-elses";
  ASSERT_EQ(tell(start, "outsider").outcome, Outcome::accepted);
  {
    // An earlier run of this start's held the place, and is gone: that says nothing about the other one.
    RealSystem system({.data_folder = data()});
    const auto place = system.lock_step({id, Version{1}, "merge"});
    ASSERT_TRUE(place) << place.error().message;
    ASSERT_TRUE(system.note_place(**place, "earlier", ""));
  }
  shut_down();
  boot();
  execute();
  ASSERT_TRUE(comes_true([&] { return task(id)->blocked == "outcome_unknown"; }));
  EXPECT_FALSE(fs::exists(at("merged")));
  EXPECT_EQ(count(fb::Event::StepStarted), 1u);
}

TEST_F(ExecutorTest, a_start_that_names_the_run_of_something_else_ends_nothing_of_it) {
  define(sleeper);
  execute();
  submit();
  ASSERT_TRUE(comes_true([&] { return contents(at("pid")).ends_with("\n"); }));
  const auto agent = static_cast<pid_t>(std::stol(contents(at("pid"))));
  const auto began = pid_start_of(agent);
  const std::vector<RunNote> runs = noted_runs(data());
  ASSERT_EQ(runs.size(), 1U);
  std::promise<std::shared_ptr<StepLock>> lock;
  executor_->lock_step({TaskId{7}, Version{1}, "merge"}, runs.front().run,
                       [&](auto got) { lock.set_value(std::move(got)); });
  lock.get_future().wait();
  EXPECT_EQ(pid_start_of(agent), began) << "the agent of task 1 was killed for a step of task 7";
}

TEST_F(ExecutorTest, what_merely_bears_the_name_of_a_run_counts_as_alive_and_is_left_alone) {
  define(sleeper);
  set("stop.kill_after_s", 0);
  execute();
  const pid_t bearer = ::fork();
  if (bearer == 0) {
    std::string name = "PAWL_RUN=made-up";
    const std::array<char*, 2> environment = {name.data(), nullptr};
    ::execle("/bin/sleep", "sleep", "1000", nullptr, environment.data());
    ::_exit(127);
  }
  // It has its environment only after exec.
  ASSERT_TRUE(comes_true([&] {
    ProcessMarkers signs;
    signs.run = "made-up";
    return !processes_of(signs, "").empty();
  }));
  std::promise<std::shared_ptr<StepLock>> lock;
  executor_->lock_step({TaskId{7}, Version{1}, "merge"}, "made-up", [&](auto got) { lock.set_value(std::move(got)); });
  EXPECT_EQ(lock.get_future().get(), nullptr) << "the step's process is not known to be gone";
  EXPECT_TRUE(pid_start_of(bearer).has_value()) << "the process was killed";
  ::kill(bearer, SIGKILL);
  ::waitpid(bearer, nullptr, 0);
}

TEST_F(ExecutorTest, advance_on_request_is_answered_and_leased_to_the_daemon) {
  define(R"(name: test
agents:
  outsider:
stages:
  - name: work
    agent: outsider
    gate: {run: 'echo "not yet"; exit 1', timeout_s: 60}
    to: done
)");
  execute();
  const TaskId id = submit();
  std::promise<AdvanceAnswer> answered;
  executor_->advance(
      {.task = id,
       .version = Version{1},
       .requester = {.boot = "elsewhere", .actor = "operator", .key = "key", .request = 7, .principal = "uid:1"}},
      [&](AdvanceAnswer answer) { answered.set_value(std::move(answer)); });
  const AdvanceAnswer answer = answered.get_future().get();
  EXPECT_EQ(answer.result, AdvanceResult::gate_red);
  EXPECT_NE(answer.reason.find("not yet"), std::string::npos);
  EXPECT_EQ(count(fb::Event::GateEvaluated), 1u);
}

TEST_F(ExecutorTest, folders_of_finished_tasks_are_removed_at_the_start) {
  define(sleeper);
  const TaskId id = submit();
  cancel(id);
  fs::create_directories(worktree(1) / "deep");
  fs::create_directories(worktree(77));  // never issued: not ours to remove
  execute();
  EXPECT_FALSE(fs::exists(worktree(1)));
  EXPECT_TRUE(fs::exists(worktree(77)));
}

TEST_F(ExecutorTest, lock_files_that_were_held_when_their_task_was_finished_go_at_the_next_start) {
  define(sleeper);
  cancel(submit());
  submit("W-2");
  std::unique_ptr<Handle> held = std::move(lock_step(data(), {TaskId{1}, Version{1}, "merge"}).value());
  ASSERT_TRUE(lock_step(data(), {TaskId{2}, Version{1}, "merge"}));
  ASSERT_TRUE(lock_step(data(), {TaskId{77}, Version{1}, "merge"}));  // never given out
  execute();
  const auto has = [&](const std::string& name) { return fs::exists(at("data/steps") / name); };
  EXPECT_TRUE(has("1-1-merge.lock"));
  shut_down();
  held.reset();
  boot();
  execute();
  EXPECT_FALSE(has("1-1-merge.lock"));
  EXPECT_TRUE(has("2-1-merge.lock") && has("77-1-merge.lock"));
}

}  // namespace
}  // namespace pawl
