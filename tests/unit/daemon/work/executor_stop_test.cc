// STOP: what a cancel ends, with real processes and a real git repository.
#include <algorithm>
#include <future>

#include "daemon/work/process.h"
#include "tests/unit/daemon/work/cancel_stage.h"
#include "tests/unit/store/commit/another_writer.h"

namespace pawl {
namespace {

class ExecutorStopTest : public CancelStage {
 protected:
  /// Moves it by hand from its first stage.
  void move(TaskId id, const std::string& to) {
    fb::StageTransitionT event;
    event.task = raw(id);
    event.to = to;
    event.expected_version = 1;
    ASSERT_EQ(tell(event).outcome, Outcome::accepted);
  }
  pid_t agent() { return std::stoi(contents(at("pid"))); }
};

TEST_F(ExecutorStopTest, superseded_daemon_ends_its_agents_and_writes_nothing_more) {
  define(waiting_pipeline);
  execute();
  submit();
  ASSERT_TRUE(agent_is_up());
  const pid_t pid = agent();
  write_as_another(*log_, boot_id_);
  const Seq last = log_->last_seq();
  fb::TaskNoteT note;
  note.task = 1;
  note.text = "too late";
  EXPECT_EQ(tell(note).source, Decision::AnswerSource::superseded);
  executor_.reset();
  EXPECT_TRUE(comes_true([&] { return ::kill(pid, 0) != 0; }));
  sequencer_->stop();
  EXPECT_EQ(log_->last_seq(), last);
}

TEST_F(ExecutorStopTest, agent_that_ignores_sigterm_is_killed) {
  define(R"(name: test
agents:
  worker: {run: 'trap "echo asked >> $1/trace" TERM; echo $$ > $1/pid; while :; do sleep 0.02; done', timeout_s: 600}
stages:
  - {name: work, agent: worker, to: done}
)");
  execute();
  const TaskId id = submit();
  ASSERT_TRUE(agent_is_up());
  const pid_t pid = agent();
  cancel(id);
  ASSERT_TRUE(comes_true([&] { return contents(at("trace")) == "asked\n"; })) << "SIGTERM comes first";
  ASSERT_TRUE(reaches(id, "cancelled"));
  EXPECT_FALSE(pid_start_of(pid)) << "its job keeps running until the process is gone";
  EXPECT_EQ(count(fb::Event::JobFinished), 1u);
}

TEST_F(ExecutorStopTest, a_task_that_was_moved_by_hand_has_one_agent_at_a_time_and_a_cancel_ends_it) {
  define(R"(name: test
agents:
  worker: {run: 'echo $$ > $1/pid-$PAWL_JOB; until [ -e $1/go ]; do sleep 0.02; done', timeout_s: 600}
stages:
  - {name: work, agent: worker, to: more}
  - {name: more, agent: worker, to: done}
)");
  set("queue.max_concurrency", 2);
  set("queue.serial_per_repo", false);
  execute();
  const TaskId id = submit();
  const auto is_up = [&](const char* file) { return comes_true([&] { return contents(at(file)).ends_with("\n"); }); };
  ASSERT_TRUE(is_up("pid-1"));
  move(id, "more");
  submit("W-2");
  ASSERT_TRUE(is_up("pid-3")) << "the job behind the waiting one";
  EXPECT_EQ(contents(at("pid-2")), "") << "two agents would share one folder";
  cancel(id);
  EXPECT_TRUE(reaches(id, "cancelled"));
}

/// The agent of an outside worker: a process that this test started, and that only SIGKILL ends.
class OutsideAgentTest : public ExecutorStopTest {
 protected:
  void SetUp() override {
    ExecutorStopTest::SetUp();
    define(R"(name: test
agents:
  outsider:
stages:
  - {name: work, agent: outsider, to: done}
)");
  }
  std::unique_ptr<Child> begin() {
    const Launch launch{
        .command = {"/bin/sh", "-c", "trap 'echo asked >> trace' TERM; echo up >> up; while :; do sleep 0.02; done"},
        .folder = folder_.string(),
        .environment = clean_environment(),
        .output = &output_};
    Result<std::unique_ptr<Child>> child = ForkedChild::fork_stopped(launch);
    EXPECT_TRUE(child) << child.error().message;
    (*child)->release();
    EXPECT_TRUE(comes_true([&] { return contents(at("up")).ends_with("\n"); }));
    fs::remove(at("up"));
    return std::move(*child);
  }
  void register_worker(const std::string& worker, pid_t pid, const std::string& host) {
    fb::BootStartedT boot;
    boot.name = worker;
    boot.boot_id = worker;
    boot.pid = pid;
    boot.host = host;
    boot.version = "1";
    ASSERT_EQ(tell_as(boot_id_, boot).outcome, Outcome::accepted);
  }
  /// A worker of that host, whose process is this one, claims a job and reports the agent as its process.
  void claim_for(const Child& agent, std::uint64_t job_id, const std::string& worker, const std::string& host,
                 std::int64_t start_off_by = 0) {
    register_worker(worker, ::getpid(), host);
    report(agent, job_id, worker, start_off_by);
  }
  void report(const Child& agent, std::uint64_t job_id, const std::string& worker, std::int64_t start_off_by = 0) {
    ASSERT_EQ(claim_again(job_id, worker).outcome, Outcome::accepted);
    fb::RunStartedT started;
    started.job = job_id;
    started.attempt = 1;
    started.pid = agent.pid();
    started.pid_start = agent.pid_start() + start_off_by;
    ASSERT_EQ(tell_as(worker, started).outcome, Outcome::accepted);
  }
  Decision claim_again(std::uint64_t job_id, const std::string& worker) {
    fb::JobClaimedT claim;
    claim.job = job_id;
    claim.owner = std::make_unique<fb::OwnerT>();
    claim.owner->boot_id = worker;
    claim.owner->actor = "worker";
    return tell_as(worker, claim);
  }
  void reap_at_ceiling(std::uint64_t job_id) {
    fb::JobReapedT reaped;
    reaped.job = job_id;
    reaped.attempt = 1;
    reaped.tier = fb::Tier::ceiling;
    reaped.outcome = fb::JobResult::retry;
    ASSERT_EQ(tell(reaped).outcome, Outcome::accepted);
  }
  template <class Event>
  Decision tell_as(const std::string& boot, const Event& event) {
    return sequencer_->propose(
        propose_group({.boot = boot, .actor = "worker", .key = {}, .request = {}, .principal = principal_}, event));
  }
  static bool ends(Child& child) {
    return child.wait(steady_clock::now() + seconds(120), nullptr) == Child::Wake::ended;
  }
  static bool lives(Child& child) { return child.wait(steady_clock::now(), nullptr) != Child::Wake::ended; }

  std::string principal_ = "token:workers";  // of all workers; empty: a log of before principals
  const LogFile output_{Descriptor(::open("/dev/null", O_RDWR | O_CLOEXEC)), "/dev/null"};
};

TEST_F(OutsideAgentTest, cancel_ends_it_on_this_host_and_the_task_with_its_report) {
  set("queue.max_concurrency", 2);
  set("queue.serial_per_repo", false);
  execute();
  const TaskId id = submit();
  const TaskId other = submit("W-2");
  const std::unique_ptr<Child> agent = begin();
  const std::unique_ptr<Child> elsewhere = begin();
  claim_for(*agent, 1, "w1", this_host());
  claim_for(*elsewhere, 2, "w2", "another");
  cancel(other);
  cancel(id);
  EXPECT_TRUE(ends(*agent));
  EXPECT_EQ(contents(at("trace")), "asked\n") << "SIGTERM comes first";
  EXPECT_TRUE(lives(*elsewhere)) << "its pid means nothing on this host";
  EXPECT_EQ(task(id)->stage, "work") << "its slot is taken until its end is known";
  fb::RunExitedT exited;
  exited.job = 1;
  exited.attempt = 1;
  exited.exit_code = 137;
  ASSERT_EQ(tell_as("w1", exited).outcome, Outcome::accepted);
  EXPECT_TRUE(reaches(id, "cancelled"));
}

TEST_F(OutsideAgentTest, cancel_ends_each_that_a_task_has) {
  define(R"(name: test
agents:
  outsider:
stages:
  - {name: work, agent: outsider, to: more}
  - {name: more, agent: outsider, to: done}
)");
  set("queue.max_concurrency", 2);
  set("queue.serial_per_repo", false);
  execute();
  const TaskId id = submit();
  const std::unique_ptr<Child> first = begin();
  const std::unique_ptr<Child> second = begin();
  claim_for(*first, 1, "w1", this_host());
  move(id, "more");
  claim_for(*second, 2, "w2", this_host());
  cancel(id);
  EXPECT_TRUE(ends(*first));
  EXPECT_TRUE(ends(*second));
}

TEST_F(OutsideAgentTest, cancel_ends_the_agent_of_the_daemon_too_that_a_task_has_beside_it) {
  define(R"(name: test
agents:
  outsider:
  worker: {run: 'echo $$ > $1/pid; until [ -e $1/go ]; do sleep 0.02; done', timeout_s: 600}
stages:
  - {name: work, agent: outsider, to: more}
  - {name: more, agent: worker, to: done}
)");
  set("queue.max_concurrency", 2);
  set("queue.serial_per_repo", false);
  execute();
  const TaskId id = submit();
  const std::unique_ptr<Child> first = begin();
  claim_for(*first, 1, "w1", "another");
  move(id, "more");
  ASSERT_TRUE(agent_is_up());
  cancel(id);
  EXPECT_TRUE(comes_true([&] { return job(2)->status == JobStatus::cancelled; }));
  EXPECT_FALSE(pid_start_of(agent()));
}

TEST_F(OutsideAgentTest, cancel_that_stands_at_a_start_is_carried_out) {
  const TaskId id = submit();
  const std::unique_ptr<Child> agent = begin();
  claim_for(*agent, 1, "w1", this_host());
  cancel(id);
  EXPECT_TRUE(lives(*agent));
  execute();
  EXPECT_TRUE(ends(*agent));
}

TEST_F(OutsideAgentTest, reaped_job_leaves_no_agent_behind) {
  execute();
  submit();
  const std::unique_ptr<Child> agent = begin();
  claim_for(*agent, 1, "w1", this_host());
  fb::JobReapedT reaped;
  reaped.job = 1;
  reaped.attempt = 1;
  reaped.tier = fb::Tier::ceiling;
  reaped.outcome = fb::JobResult::retry;
  ASSERT_EQ(tell(reaped, "reaper").outcome, Outcome::accepted);
  EXPECT_TRUE(ends(*agent));
}

TEST_F(OutsideAgentTest, next_attempt_waits_until_the_process_of_the_last_one_is_gone) {
  set("job.retry_delay_s", 0);
  execute();
  const TaskId id = submit();
  const std::unique_ptr<Child> agent = begin();
  claim_for(*agent, 1, "w1", this_host());
  reap_at_ceiling(1);
  EXPECT_EQ(claim_again(1, "w1").outcome, Outcome::previous_alive) << "SIGTERM does not end it";
  EXPECT_TRUE(ends(*agent));
  EXPECT_TRUE(comes_true([&] { return claim_again(1, "w1").outcome == Outcome::accepted; }));
  EXPECT_EQ(count(fb::Event::PreviousGone), 1u);
  EXPECT_EQ(task(id)->stage, "work");
}

TEST_F(OutsideAgentTest, what_was_told_to_end_is_seen_to_its_end_also_when_its_task_has_ended) {
  set("stop.kill_after_s", 600);
  execute();
  const TaskId id = submit();
  const std::unique_ptr<Child> agent = begin();
  claim_for(*agent, 1, "w1", this_host());
  reap_at_ceiling(1);
  ASSERT_TRUE(comes_true([&] { return contents(at("trace")) == "asked\n"; }));
  cancel(id);
  ASSERT_TRUE(reaches(id, "cancelled"));
  set("stop.kill_after_s", 0);
  EXPECT_TRUE(ends(*agent));
}

TEST_F(OutsideAgentTest, next_attempt_waits_also_over_a_restart) {
  set("job.retry_delay_s", 0);
  set("stop.kill_after_s", 0);
  submit();
  const std::unique_ptr<Child> agent = begin();
  claim_for(*agent, 1, "w1", this_host());
  reap_at_ceiling(1);
  shut_down();
  boot();
  EXPECT_EQ(claim_again(1, "w1").outcome, Outcome::previous_alive);
  EXPECT_TRUE(lives(*agent));
  execute();
  EXPECT_TRUE(ends(*agent));
  EXPECT_TRUE(comes_true([&] { return claim_again(1, "w1").outcome == Outcome::accepted; }));
}

/// The agent is of this process, which is worker `w2`; `w1` reports it, whose process has nothing to do with it.
TEST_F(OutsideAgentTest, what_is_of_another_worker_is_left_alone_also_after_a_restart) {
  set("stop.kill_after_s", 0);
  submit();
  const std::unique_ptr<Child> victim = begin();
  const std::unique_ptr<Child> liar = begin();
  register_worker("w1", liar->pid(), this_host());
  register_worker("w2", ::getpid(), this_host());
  report(*victim, 1, "w1");
  reap_at_ceiling(1);
  shut_down();
  boot();
  execute();
  const std::string warned = "process " + std::to_string(victim->pid()) +
                             ", which a worker left behind, holds up its task and is not ended: it was not seen to "
                             "belong to the worker that reported it";
  EXPECT_TRUE(comes_true([&] {
    const std::vector<std::string> told = warnings();
    return std::find(told.begin(), told.end(), warned) != told.end() || !lives(*victim);
  }));
  EXPECT_TRUE(lives(*victim));
  EXPECT_EQ(claim_again(1, "w2").outcome, Outcome::previous_alive);
}

TEST_F(OutsideAgentTest, in_a_log_of_before_principals_any_worker_of_this_host_counts_as_its_own) {
  principal_.clear();
  set("job.retry_delay_s", 0);
  set("stop.kill_after_s", 0);
  submit();
  const std::unique_ptr<Child> agent = begin();
  claim_for(*agent, 1, "w1", this_host());
  reap_at_ceiling(1);
  shut_down();
  boot();
  execute();
  EXPECT_TRUE(ends(*agent));
}

TEST_F(OutsideAgentTest, process_that_is_another_by_now_bars_nothing_and_is_left_alone) {
  set("job.retry_delay_s", 0);
  execute();
  submit();
  const std::unique_ptr<Child> stranger = begin();
  claim_for(*stranger, 1, "w1", this_host(), -1);
  reap_at_ceiling(1);
  EXPECT_TRUE(comes_true([&] { return claim_again(1, "w1").outcome == Outcome::accepted; }));
  EXPECT_TRUE(lives(*stranger));
}

TEST_F(OutsideAgentTest, path_waits_for_what_an_attempt_left_behind) {
  define(R"(name: test
agents:
  outsider:
stages:
  - {name: work, agent: outsider, to: more}
  - {name: more, to: done}
)");
  set("stop.kill_after_s", 3);
  const TaskId id = submit();
  const std::unique_ptr<Child> agent = begin();
  claim_for(*agent, 1, "w1", this_host());
  move(id, "more");
  reap_at_ceiling(1);
  execute();
  std::promise<AdvanceAnswer> answered;
  executor_->advance({.task = id, .version = Version{2}, .requester = {"elsewhere", "operator", "key", 7}},
                     [&](AdvanceAnswer given) { answered.set_value(std::move(given)); });
  const AdvanceAnswer answer = answered.get_future().get();
  EXPECT_EQ(answer.result, AdvanceResult::waiting);
  EXPECT_EQ(answer.reason, "previous_alive");
  EXPECT_EQ(answer.awaited, Awaited::previous);
  EXPECT_TRUE(ends(*agent));
  EXPECT_TRUE(reaches(id, "done")) << "retried once the process is gone";
}

TEST_F(OutsideAgentTest, process_that_is_another_by_now_is_left_alone) {
  set("queue.max_concurrency", 2);
  set("queue.serial_per_repo", false);
  execute();
  const TaskId first = submit();
  const TaskId second = submit("W-2");
  const std::unique_ptr<Child> stranger = begin();
  const std::unique_ptr<Child> agent = begin();
  claim_for(*stranger, 1, "w1", this_host());
  fb::RunStartedT earlier;
  earlier.job = 1;
  earlier.attempt = 1;
  earlier.pid = stranger->pid();
  earlier.pid_start = stranger->pid_start() - 1;
  ASSERT_EQ(tell_as("w1", earlier).outcome, Outcome::accepted);
  claim_for(*agent, 2, "w2", this_host());
  cancel(first);
  cancel(second);
  EXPECT_TRUE(ends(*agent));
  EXPECT_TRUE(lives(*stranger));
}

TEST_F(ExecutorStopTest, cancel_ends_the_gate_of_a_task_that_has_no_job) {
  define(R"(name: test
agents: {}
stages:
  - {name: work, gate: {run: 'echo $$ > $1/pid; sleep 600', timeout_s: 900}, to: done}
)");
  execute();
  const TaskId id = submit();
  ASSERT_TRUE(agent_is_up());
  cancel(id);
  EXPECT_TRUE(reaches(id, "cancelled"));
}

TEST_F(ExecutorStopTest, switched_off_it_ends_and_deletes_nothing) {
  make_origin();
  set("stop.delete_branch", std::string("always"));
  define(waiting_pipeline);
  execute();
  const TaskId id = submit();
  ASSERT_TRUE(agent_is_up());
  set("stop.enabled", false);
  cancel(id);
  EXPECT_EQ(task(id)->cancel_requested, "not wanted");
  std::ofstream(at("go")) << "";
  ASSERT_TRUE(reaches(id, "cancelled")) << "once the agent has finished by itself";
  EXPECT_EQ(contents(at("data/logs/job-1-1.log")), "") << "it was not called off";
  // The next task ends after the clean-up of the first would have run.
  ASSERT_TRUE(reaches(submit("W-2", "other"), "done"));
  ASSERT_TRUE(folder_goes(2));
  EXPECT_TRUE(has_branch("feature"));
  EXPECT_TRUE(fs::exists(worktree(1) / "file"));

  set("stop.enabled", true);
  shut_down();
  boot();
  execute();
  ASSERT_TRUE(folder_goes(1)) << "the first start with it switched on catches up";
  EXPECT_FALSE(has_branch("feature"));
}

}  // namespace
}  // namespace pawl
