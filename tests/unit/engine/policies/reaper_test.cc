// A pass of the reaper over one job, in cases that the decision table alone does not cover.
#include "tests/unit/engine/story.h"

namespace pawl {
namespace {

/// A process that has the job in hand, or drives its task: no pass may run anything beside it.
class BusyWorld final : public World {
 public:
  bool in_hand = false;
  bool path_is_taken = false;

  std::unique_ptr<PathHold> enter_path(TaskId task) override {
    return path_is_taken ? nullptr : World::enter_path(task);
  }
  bool has_in_hand(JobId) override { return in_hand; }
  bool is_alive(const Owner&, const Boot&) override { return true; }
  Liveness life_of(const Run&, const Boot&) override { return Liveness::unknown; }
  GateAnswer run_gate(const Gate&, const CommandContext&) override {
    ADD_FAILURE() << "a gate runs";
    return {};
  }
  bool can_run(const PipelineStep&) override { return true; }
  EndedStart end_and_lock(const StepKey&, const std::string&, const Boot*) override { return {}; }
  Held hold_step(const PipelineStep&, const CommandContext&, const std::string&) override {
    ADD_FAILURE() << "a step begins";
    return {.status = Held::Status::cannot_start, .step = nullptr, .why = {}};
  }
  Verdict probe(const PipelineStep&, const CommandContext&) override { return Verdict::unknown; }
};

/// The caller sleeps for a day right after it is shown a task.
class SleepyMachine final : public Machine {
 public:
  explicit SleepyMachine(DirectMachine& machine) : machine_(machine) {}
  Decision propose(Group group) override { return machine_.propose(std::move(group)); }
  std::optional<TaskView> view(TaskId task) override {
    std::optional<TaskView> view = machine_.view(task);
    machine_.set_now(plus_s(machine_.now(), 24 * 60 * 60));
    return view;
  }
  TimeUs now() const override { return machine_.now(); }

 private:
  DirectMachine& machine_;
};

class ReaperPass : public Story {
 protected:
  void exit_with_zero() { exit_with(0); }
  void exit_with(std::int64_t code) {
    fb::RunExitedT event;
    event.job = raw(job);
    event.attempt = 1;
    event.exit_code = code;
    ASSERT_EQ(ask("monitor", event), Outcome::accepted);
    machine.set_now(plus_s(machine.now(), 300));
  }
  template <class Event>
  Outcome ask(const std::string& actor, const Event& event) {
    return machine.propose(propose_group(requester(actor), event)).outcome;
  }
  /// The task is moved by hand while a worker's job for it runs, which then hits the ceiling.
  TaskId leave_behind() {
    set("queue.max_concurrency", std::int64_t{4});
    set("queue.serial_per_repo", false);
    fb::BootStartedT boot;
    boot.name = "worker";
    boot.boot_id = "worker-1";
    boot.pid = 500;
    boot.host = "host";
    boot.version = "test";
    EXPECT_EQ(ask("operator", boot), Outcome::accepted);
    fb::TaskCreatedT created;
    created.work_item = "left";
    created.repo = "shop";
    created.branch = "w";
    created.stage = "testing";
    const Decision decision = machine.propose(propose_group(requester("operator"), created));
    task = TaskId{decision.effects.front().id};
    left = JobId{decision.effects.back().id};
    fb::JobClaimedT claim;
    claim.job = raw(left);
    claim.owner = owner("worker");
    claim.owner->boot_id = "worker-1";
    EXPECT_EQ(ask("operator", claim), Outcome::accepted);
    fb::RunStartedT started;
    started.job = raw(left);
    started.attempt = 1;
    started.pid = 4242;
    EXPECT_EQ(ask("operator", started), Outcome::accepted);
    fb::StageTransitionT moved;
    moved.task = raw(task);
    moved.to = "deploy-staging";
    moved.expected_version = 1;
    EXPECT_EQ(ask("operator", moved), Outcome::accepted);
    job = machine.state().open_job(*row())->id;
    claim.job = raw(job);
    claim.owner = owner("executor");
    EXPECT_EQ(ask("executor", claim), Outcome::accepted);
    fb::JobReapedT reaped;
    reaped.job = raw(left);
    reaped.attempt = 1;
    reaped.tier = fb::Tier::ceiling;
    reaped.outcome = fb::JobResult::retry;
    EXPECT_EQ(ask("reaper", reaped), Outcome::accepted);
    return task;
  }
  void let_go() {
    fb::PreviousGoneT gone;
    gone.job = raw(left);
    gone.pid = 4242;
    EXPECT_EQ(ask("executor", gone), Outcome::accepted);
  }
  Reaped pass(JobId of) { return reap_job(machine, world, task, of, streaks, requester("reaper"), 1); }

  Streaks streaks;
  JobId left{};  // the job that leave_behind() reaped
};

TEST_F(ReaperPass, task_that_is_gone_is_no_work) {
  task = TaskId{99};
  EXPECT_FALSE(pass(job).reaped);
}

TEST_F(ReaperPass, sleep_after_the_look_makes_nobody_older) {
  SleepyMachine sleepy(machine);
  EXPECT_FALSE(reap_job(sleepy, world, task, job, streaks, requester("reaper"), 1).reaped);
}

TEST_F(ReaperPass, run_that_looked_dead_is_looked_at_closely_once_it_lives_so_that_its_streak_ends) {
  BusyWorld alive;
  BootCopies boots;
  const WatchedRun run = watched_run(machine.state(), *machine.state().jobs.find(job), boots);
  const Settings& settings = machine.state().settings();
  EXPECT_TRUE(is_left_alone(run, settings, alive, machine.now(), streaks));
  streaks[job] = {.attempt = 1, .passes = 1, .first_dead = machine.now()};
  EXPECT_FALSE(is_left_alone(run, settings, alive, machine.now(), streaks));
  EXPECT_FALSE(reap_job(machine, alive, task, job, streaks, requester("reaper"), 1).reaped);
  EXPECT_TRUE(streaks.empty());
  EXPECT_FALSE(is_left_alone(run, settings, alive, plus_s(machine.now(), 90 * 60), streaks)) << "the ceiling";
}

TEST_F(ReaperPass, each_of_two_running_jobs_of_a_task_is_looked_at_for_itself) {
  set("queue.max_concurrency", std::int64_t{3});
  set("queue.serial_per_repo", false);
  stand_on("development");
  const JobId old = job;
  fb::StageTransitionT move;
  move.task = raw(task);
  move.to = "review";
  move.expected_version = 1;
  const Decision moved = machine.propose(propose_group(requester("operator"), move));
  ASSERT_EQ(moved.outcome, Outcome::accepted);
  job = machine.state().open_job(*row())->id;
  fb::JobClaimedT claim;
  claim.job = raw(job);
  claim.owner = owner("executor");
  ASSERT_EQ(ask("executor", claim), Outcome::accepted);
  exit_with_zero();
  EXPECT_TRUE(pass(job).reaped);
  EXPECT_EQ(stage(), "testing");
  EXPECT_EQ(machine.state().jobs.find(old)->status, JobStatus::running);
}

TEST_F(ReaperPass, exit_zero_on_a_stage_without_a_gate_needs_none) {
  Pipeline pipeline = pipeline_with_probe();
  for (Stage& each : pipeline.stages) each.gate.reset();
  ask("operator", pipeline_event(pipeline));
  set("queue.max_concurrency", std::int64_t{2});
  set("queue.serial_per_repo", false);
  stand_on("testing");
  exit_with_zero();
  EXPECT_TRUE(pass(job).reaped);
  EXPECT_EQ(stage(), "deploy-staging");
  EXPECT_TRUE(world.ran.empty());
}

TEST_F(ReaperPass, exit_zero_of_a_crossing_that_is_committed_goes_on_though_it_is_cancelled) {
  struct Crash {};
  world.meanwhile = [](const std::string& what) {
    if (what == "step merge") throw Crash{};
  };
  EXPECT_THROW(go(), Crash);
  world.meanwhile = nullptr;
  for (const std::string& key : {task_key(task), repo_key("shop")}) {
    fb::LeaseReclaimedT event;
    event.key = key;
    event.token = raw(machine.state().lease(key)->token);
    event.reason = fb::ReclaimReason::forced;
    ASSERT_EQ(ask("operator", event), Outcome::accepted);
  }
  request_cancel();
  exit_with_zero();
  EXPECT_TRUE(pass(job).reaped);
  EXPECT_EQ(count("step merge"), 1u) << "the probe says that it happened";
  EXPECT_EQ(stage(), "archived");
  EXPECT_EQ(machine.archive()[0].task.stage, "cancelled");
}

TEST_F(ReaperPass, with_ownership_off_a_live_lease_is_in_nobodys_way) {
  ASSERT_EQ(acquire(task_key(task), "webhook").outcome, Outcome::accepted);
  set("ownership.enabled", false);
  exit_with_zero();
  EXPECT_TRUE(pass(job).reaped);
  EXPECT_EQ(stage(), "deploy");
}

TEST_F(ReaperPass, exit_that_this_process_has_in_hand_is_its_own) {
  BusyWorld busy;
  busy.in_hand = true;
  exit_with_zero();
  EXPECT_TRUE(reap_job(machine, busy, task, job, streaks, requester("reaper"), 1).deferred);
  EXPECT_EQ(job_status(), JobStatus::running);
  EXPECT_FALSE(held(task_key(task)));
}

TEST_F(ReaperPass, exit_of_another_code_that_this_process_has_in_hand_is_its_own_too) {
  BusyWorld busy;
  busy.in_hand = true;
  exit_with(1);
  EXPECT_TRUE(reap_job(machine, busy, task, job, streaks, requester("reaper"), 1).deferred);
  EXPECT_EQ(job_status(), JobStatus::running);
}

TEST_F(ReaperPass, task_that_another_path_of_this_process_drives_is_left_to_it) {
  BusyWorld busy;
  busy.path_is_taken = true;
  exit_with_zero();
  for (const bool checked : {true, false}) {
    set("ownership.enabled", checked);
    EXPECT_TRUE(reap_job(machine, busy, task, job, streaks, requester("reaper"), 1).deferred);
    EXPECT_EQ(job_status(), JobStatus::running);
  }
}

TEST_F(ReaperPass, old_lease_that_is_no_tasks_is_not_the_ceilings) {
  Lease lease{.key = repo_key("shop"), .token = Token{1}, .owner = {}, .acquired = machine.now()};
  Settings settings;
  settings.lease.reclaim_enabled = false;
  const TimeUs late = plus_s(machine.now(), settings.reaper.max_running_s);
  EXPECT_EQ(reclaim_reason(lease, settings, late, true, false), std::nullopt);
  lease.key = task_key(task);
  EXPECT_EQ(reclaim_reason(lease, settings, late, true, false), fb::ReclaimReason::reaped);
  EXPECT_EQ(reclaim_reason(lease, settings, late, true, true), std::nullopt) << "the job's own ceiling covers it";
}

TEST_F(ReaperPass, lease_of_a_boot_that_nobody_knows_is_not_live) {
  Lease lease{.key = "any", .token = Token{1}, .owner = {.boot_id = "gone", .pid = 1, .actor = "worker"}};
  EXPECT_FALSE(machine.state().is_live(lease, machine.now()));
  lease.owner.boot_id = boot_id;
  EXPECT_TRUE(machine.state().is_live(lease, machine.now()));
}

TEST_F(ReaperPass, exit_zero_beside_what_an_attempt_left_behind_is_deferred_and_takes_no_lease) {
  const TaskId of = leave_behind();
  exit_with_zero();
  EXPECT_TRUE(pass(job).deferred);
  EXPECT_FALSE(held(task_key(of)));
  EXPECT_EQ(count("gate"), 0u);
  let_go();
  EXPECT_TRUE(pass(job).reaped);
}

TEST_F(ReaperPass, path_beside_what_an_attempt_left_behind_waits_before_it_takes_a_lease) {
  leave_behind();
  exit_with_zero();
  const std::size_t records = machine.lines().size();
  const AdvanceAnswer answer = go();
  EXPECT_EQ(answer.result, AdvanceResult::waiting);
  EXPECT_EQ(answer.reason, "previous_alive");
  EXPECT_EQ(machine.lines().size(), records);
  let_go();
  EXPECT_EQ(go().result, AdvanceResult::advanced);
}

}  // namespace
}  // namespace pawl
