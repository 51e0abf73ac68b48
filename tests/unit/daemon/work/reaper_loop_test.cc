// The reaper's passes over the real sequencer and world. The test advances the time; processes are real.
#include "daemon/work/reaper_loop.h"

#include <signal.h>
#include <sys/wait.h>

#include <future>

#include "daemon/work/process_table.h"
#include "daemon/work/real_world.h"
#include "tests/unit/daemon/work/executor_stage.h"

namespace pawl {
namespace {

/// An idle process on this machine, to be watched in place of others.
class Idler {
 public:
  Idler() : pid_(::fork()) {
    if (pid_ == 0) {
      ::execlp("sleep", "sleep", "1000", nullptr);
      ::_exit(127);
    }
    start_ = pid_start_of(pid_).value_or(0);
  }
  Idler(const Idler&) = delete;
  Idler& operator=(const Idler&) = delete;
  ~Idler() { end(); }
  void end() {
    if (pid_ == 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    pid_ = 0;
  }
  pid_t pid() const { return pid_; }
  std::int64_t start() const { return start_; }

 private:
  pid_t pid_;
  std::int64_t start_ = 0;
};

/// A machine whose monotonic clock the test sets ahead.
class AheadSystem : public RealSystem {
 public:
  using RealSystem::RealSystem;
  Deadline now() const override { return RealSystem::now() + seconds(ahead_s); }
  std::atomic<std::int64_t> ahead_s{0};
};

class ReaperLoopTest : public ExecutorTest {
 protected:
  void TearDown() override {
    go_off();
    ExecutorTest::TearDown();
  }

  /// A pipeline whose agents run outside, with gates from this test.
  void define_outside(const std::string& gate) {
    define("name: test\nagents:\n  outsider:\nstages:\n  - name: work\n    agent: outsider\n    gate: {run: '" + gate +
           "', timeout_s: 60}\n    to: next\n  - {name: next, agent: outsider, to: done}\n");
    set("queue.max_concurrency", SettingValue(std::int64_t{9}));
    set("queue.serial_per_repo", SettingValue(false));
    set("reaper.finalize_grace_s", SettingValue(std::int64_t{0}));
  }
  /// The reaper alone: the rest of the executor would act first.
  void watch() {
    auto system = std::make_unique<AheadSystem>(RealSystem::Options{.data_folder = data()});
    monotonic_ahead_s_ = &system->ahead_s;
    system_ = std::move(system);
    executor_ = std::make_unique<Executor>(*sequencer_, *system_,
                                           Executor::Options{.boot_id = boot_id_, .archive = *log_, .warn = {}});
    reaper_ = std::make_unique<ReaperLoop>(*sequencer_, *system_, executor_->machine(), executor_->world(),
                                           ReaperLoop::Options{.boot_id = boot_id_,
                                                               .warn =
                                                                   [this](const std::string& text) {
                                                                     const std::lock_guard lock(warnings_mutex_);
                                                                     warnings_.push_back(text);
                                                                   },
                                                               .rows_per_look = rows_per_look_});
    reaper_->start();
  }
  void go_off() {
    if (executor_) executor_->stop();
    reaper_.reset();
    executor_.reset();
  }
  ReaperPass pass() {
    std::promise<ReaperPass> done;
    reaper_->pass_now([&done](const ReaperPass& pass) { done.set_value(pass); });
    return done.get_future().get();
  }

  void register_worker(const std::string& boot, pid_t pid, std::int64_t start) {
    fb::BootStartedT event;
    event.name = boot;
    event.boot_id = boot;
    event.pid = pid;
    event.pid_start = start;
    event.host = this_host();
    event.version = "1";
    ASSERT_EQ(tell(event).outcome, Outcome::accepted);
  }
  static std::unique_ptr<fb::OwnerT> owner(const std::string& boot, pid_t pid) {
    auto row = std::make_unique<fb::OwnerT>();
    row->boot_id = boot;
    row->pid = pid;
    row->actor = "worker";
    return row;
  }
  void claim(std::uint64_t job, const std::string& boot, pid_t pid) {
    fb::JobClaimedT event;
    event.job = job;
    event.owner = owner(boot, pid);
    ASSERT_EQ(tell(event, "worker").outcome, Outcome::accepted);
  }
  void exit_with(std::uint64_t job, std::int64_t code) {
    fb::RunExitedT event;
    event.job = job;
    event.attempt = 1;
    event.exit_code = code;
    ASSERT_EQ(tell(event, "worker").outcome, Outcome::accepted);
  }
  void lease(const std::string& key, const std::string& boot, pid_t pid, std::optional<std::int64_t> ttl_s = {}) {
    fb::LeaseAcquiredT event;
    event.key = key;
    event.owner = owner(boot, pid);
    if (ttl_s) event.ttl = *ttl_s;
    ASSERT_EQ(tell(event, "worker").outcome, Outcome::accepted);
  }
  bool is_held(const std::string& key) {
    return sequencer_->ask([&](const State& state) { return state.lease(key) != nullptr; });
  }

  /// `last_pass_s` of each record of that type.
  std::vector<std::optional<std::int64_t>> counts_in(fb::Event type) {
    std::vector<std::optional<std::int64_t>> found;
    const auto keep = [&](flatbuffers::Optional<std::int64_t> count) {
      found.push_back(count ? std::optional(*count) : std::nullopt);
    };
    EXPECT_TRUE(log_->read(Seq{1}, [&](RecordBytes bytes) {
      const fb::Record& record = *fb::GetRecord(bytes.data());
      if (record.event_type() != type) return true;
      if (const auto* reaped = record.event_as_JobReaped()) keep(reaped->evidence()->last_pass_s());
      if (const auto* reclaimed = record.event_as_LeaseReclaimed()) keep(reclaimed->last_pass_s());
      return true;
    }));
    return found;
  }

  std::atomic<std::int64_t>* monotonic_ahead_s_ = nullptr;
  std::size_t rows_per_look_ = limits::rows_per_read_max;  // before watch()
  std::unique_ptr<ReaperLoop> reaper_;
};

TEST_F(ReaperLoopTest, pass_looks_at_jobs_and_leases_page_by_page) {
  define_outside("true");
  rows_per_look_ = 1;
  watch();
  const Idler worker;
  register_worker("w1", worker.pid(), worker.start());
  for (std::uint64_t job = 1; job <= 3; ++job) {
    submit("W-" + std::to_string(job));
    claim(job, "w1", worker.pid());
    lease("any:" + std::to_string(job), "w1", worker.pid(), 1);
  }
  ahead_s_ = 10;
  const ReaperPass done = pass();
  EXPECT_EQ(done.jobs, 3u);
  EXPECT_EQ(done.leases_reclaimed, 3u);
}

TEST_F(ReaperLoopTest, local_worker_that_dies_loses_its_job_and_its_leases_at_once) {
  define_outside("true");
  submit();
  watch();
  Idler worker;
  register_worker("w", worker.pid(), worker.start());
  claim(1, "w", worker.pid());
  lease("cellar", "w", worker.pid());
  worker.end();
  // Long before the first pass is due.
  EXPECT_TRUE(comes_true([&] { return job(1)->status == JobStatus::queued; }));
  EXPECT_TRUE(comes_true([&] { return !is_held("cellar"); }));
  EXPECT_EQ(count(fb::Event::JobReaped), 1u);
}

TEST_F(ReaperLoopTest, what_a_pass_writes_says_when_the_pass_before_was) {
  using Counts = std::vector<std::optional<std::int64_t>>;
  define_outside("true");
  set("reaper.enabled", SettingValue(false));
  submit("W-1");
  submit("W-2");
  submit("W-3");
  watch();
  Idler first;
  Idler second;
  register_worker("w1", first.pid(), first.start());
  register_worker("w2", second.pid(), second.start());
  claim(1, "w1", first.pid());
  lease("cellar", "w1", first.pid());
  claim(2, "w2", second.pid());
  lease("attic", "w2", second.pid());
  claim(3, boot_id_, ::getpid());
  first.end();
  EXPECT_EQ(pass().reaped, 1u);
  EXPECT_EQ(counts_in(fb::Event::JobReaped), Counts{std::nullopt}) << "the first since the start";
  EXPECT_EQ(counts_in(fb::Event::LeaseReclaimed), Counts{std::nullopt});

  second.end();
  exit_with(3, 0);
  *monotonic_ahead_s_ = 1000;
  ahead_s_ = 5000;
  const ReaperPass next = pass();
  EXPECT_EQ(next.reaped, 1u);
  EXPECT_EQ(next.finishing, 1u);
  EXPECT_TRUE(reaches(TaskId{3}, "next"));
  const auto is_near = [](std::optional<std::int64_t> count) { return count && *count >= 1000 && *count < 1100; };
  const Counts reaped = counts_in(fb::Event::JobReaped);
  ASSERT_EQ(reaped.size(), 3u);
  EXPECT_TRUE(is_near(reaped[1])) << "by the monotonic clock, whatever the records' time is";
  EXPECT_TRUE(is_near(reaped[2])) << "on another thread";
  const Counts reclaimed = counts_in(fb::Event::LeaseReclaimed);
  ASSERT_EQ(reclaimed.size(), 2u);
  EXPECT_TRUE(is_near(reclaimed[1]));
}

TEST_F(ReaperLoopTest, worker_that_died_before_the_start_is_found) {
  define_outside("true");
  submit();
  Idler worker;
  register_worker("w", worker.pid(), worker.start());
  claim(1, "w", worker.pid());
  worker.end();
  watch();
  EXPECT_TRUE(comes_true([&] { return job(1)->status == JobStatus::queued; }));
}

TEST_F(ReaperLoopTest, switched_off_it_runs_only_when_asked) {
  define_outside("true");
  set("reaper.enabled", SettingValue(false));
  submit();
  watch();
  Idler worker;
  register_worker("w", worker.pid(), worker.start());
  claim(1, "w", worker.pid());
  worker.end();
  set("reaper.interval_s", SettingValue(std::int64_t{1}));
  EXPECT_EQ(job(1)->status, JobStatus::running);
  EXPECT_EQ(reaper_->totals().passes, 0u);
  EXPECT_EQ(pass().reaped, 1u);
  EXPECT_EQ(job(1)->status, JobStatus::queued);
}

TEST_F(ReaperLoopTest, gate_that_hangs_holds_up_its_own_job_only) {
  define_outside("while [ ! -e $1/go ]; do sleep 0.05; done");
  submit("W-1");
  submit("W-2");
  claim(1, boot_id_, ::getpid());
  claim(2, boot_id_, ::getpid());
  exit_with(1, 0);
  exit_with(2, 5);
  watch();
  const ReaperPass first = pass();
  EXPECT_EQ(first.jobs, 2u);
  EXPECT_EQ(first.finishing, 1u);
  EXPECT_EQ(first.reaped, 1u);
  EXPECT_EQ(job(2)->status, JobStatus::queued);
  const ReaperPass second = pass();
  EXPECT_EQ(second.jobs, 0u) << "the first job is still being handled";
  std::ofstream(at("go")) << "go";
  EXPECT_TRUE(reaches(TaskId{1}, "next"));
  EXPECT_EQ(count(fb::Event::GateEvaluated), 1u);
}

TEST_F(ReaperLoopTest, gate_that_cannot_start_is_told_counted_and_no_end_of_the_pass) {
  define(R"(name: test
agents:
  outsider:
stages:
  - name: work
    agent: outsider
    gate: {run: [$1/no-such-program], timeout_s: 60}
    to: done
)");
  set("reaper.finalize_grace_s", SettingValue(std::int64_t{0}));
  submit();
  claim(1, boot_id_, ::getpid());
  exit_with(1, 0);
  watch();
  EXPECT_EQ(pass().finishing, 1u);
  EXPECT_TRUE(comes_true([&] { return reaper_->totals().troubles == 1u; }));
  ASSERT_EQ(warnings().size(), 1u);
  EXPECT_NE(warnings()[0].find("job 1: the gate of work is in error"), std::string::npos) << warnings()[0];
  EXPECT_EQ(job(1)->status, JobStatus::queued) << "by the retry rule";
}

TEST_F(ReaperLoopTest, ceiling_ends_what_is_alive_and_leased) {
  define_outside("true");
  submit();
  claim(1, boot_id_, ::getpid());
  lease("task:1", boot_id_, ::getpid());
  watch();
  EXPECT_EQ(pass().reaped, 0u);
  EXPECT_EQ(reaper_->totals().oldest_past_ceiling_s, 0);
  ahead_s_ = 5400 + 7;
  EXPECT_EQ(pass().reaped, 1u);
  EXPECT_GE(reaper_->totals().oldest_past_ceiling_s, 7);
  EXPECT_EQ(job(1)->status, JobStatus::queued);
  EXPECT_FALSE(is_held("task:1"));
  EXPECT_EQ(pass().oldest_past_ceiling_s, 0);
}

TEST_F(ReaperLoopTest, ceiling_ends_the_running_step_of_an_outsiders_job_too) {
  define(R"(name: test
agents:
  outsider:
stages:
  - name: work
    agent: outsider
    to: done
    guarded: true
    steps:
      - {name: retest, run: 'echo $$ > $1/pid; exec sleep 600', timeout_s: 700}
)");
  const TaskId id = submit();
  set("reconciler.enabled", false);  // It would drive the finished work on from here.
  watch();
  executor_->start();
  claim(1, boot_id_, ::getpid());
  exit_with(1, 0);
  ASSERT_TRUE(comes_true([&] { return contents(at("pid")).ends_with("\n"); }));
  ahead_s_ = 5400;
  EXPECT_EQ(pass().reaped, 1u);
  EXPECT_EQ(job(1)->status, JobStatus::done) << "work that exited with 0 is not redone";
  EXPECT_TRUE(comes_true([&] { return !pid_start_of(std::stoi(contents(at("pid")))); }));
  EXPECT_TRUE(comes_true([&] { return !open_step(*task(id)); }));
  EXPECT_FALSE(is_held("task:1"));
}

TEST_F(ReaperLoopTest, lease_whose_ttl_ran_out_is_reclaimed_and_a_live_one_is_not) {
  lease("short", boot_id_, ::getpid(), 60);
  lease("long", boot_id_, ::getpid(), 600);
  lease("for-good", boot_id_, ::getpid());
  watch();
  ahead_s_ = 61;
  EXPECT_EQ(pass().leases_reclaimed, 1u);
  EXPECT_FALSE(is_held("short"));
  EXPECT_TRUE(is_held("long") && is_held("for-good"));
}

TEST_F(ReaperLoopTest, claim_that_is_not_renewed_is_reaped_at_its_end_without_waiting_for_the_next_pass) {
  define_outside("true");
  set("reaper.interval_s", SettingValue(std::int64_t{86400}));
  submit();
  watch();
  pass();
  register_worker("far", ::getpid(), 1);
  fb::JobClaimedT event;
  event.job = 1;
  event.owner = owner(boot_id_, ::getpid());
  event.ttl = 1;
  ASSERT_EQ(tell(event, "worker").outcome, Outcome::accepted);
  EXPECT_TRUE(comes_true([&] { return count(fb::Event::JobReaped) == 1; }));
  EXPECT_EQ(job(1)->reason, "ttl_expired");
}

TEST_F(ReaperLoopTest, live_owner_who_finishes_is_deferred_to_and_counted) {
  define_outside("true");
  submit();
  claim(1, boot_id_, ::getpid());
  exit_with(1, 0);
  lease("task:1", boot_id_, ::getpid());
  watch();
  EXPECT_EQ(pass().deferred, 1u);
  EXPECT_EQ(pass().deferred, 1u);
  EXPECT_EQ(reaper_->totals().defers, 2u);
  EXPECT_EQ(count(fb::Event::JobReaped), 0u);
}

TEST_F(ReaperLoopTest, silence_when_nothing_is_wrong) {
  define_outside("true");
  submit();
  claim(1, boot_id_, ::getpid());
  lease("cellar", boot_id_, ::getpid());
  watch();
  const Seq before = sequencer_->durable_seq();
  for (int i = 0; i < 3; ++i) pass();
  EXPECT_EQ(sequencer_->durable_seq(), before);
  EXPECT_TRUE(warnings().empty());
}

TEST_F(ReaperLoopTest, step_that_is_held_when_the_daemon_is_to_end_is_waited_for) {
  RealSystem system({.data_folder = data()});
  OriginWeather weather(system);
  RealWorld world(system, weather, boot_id_);
  const PipelineStep step{.name = "merge", .run = {"/bin/sh", "-c", "exit 0"}, .timeout_s = 600};
  const CommandContext context{.task = TaskId{1}, .repo = "shop", .version = Version{1}, .step = "merge"};
  Held held = world.hold_step(step, context, {});
  ASSERT_EQ(held.status, Held::Status::held) << held.why;
  world.set_kill_after_s(600);
  std::thread ending([&world] {
    world.drain();
    world.await_idle(no_deadline);
    world.call_off_all();
  });
  // A called-off gate shows that the shutdown has begun.
  const Gate gate{.run = {"/bin/sh", "-c", "sleep 600"}};
  EXPECT_TRUE(comes_true([&] { return world.run_gate(gate, context).reason == "called off"; }));
  const CommandExit exit = held.step->start_and_wait();
  EXPECT_EQ(exit.how, CommandExit::How::exited) << "its start was in the log, and it had time";
  held.step.reset();
  ending.join();
}

// A cancel that came between preparing and recording a second start once left its step in doubt for good: only an
// operator's word counted any more.
TEST_F(ReaperLoopTest, run_that_held_its_place_is_known_to_be_gone_after_starts_that_were_refused) {
  RealSystem system({.data_folder = data()});
  OriginWeather weather(system);
  RealWorld world(system, weather, boot_id_);
  const PipelineStep step{.name = "merge", .run = {"/bin/sh", "-c", "exit 0"}, .timeout_s = 600};
  const CommandContext context{.task = TaskId{1}, .repo = "shop", .version = Version{1}, .step = "merge"};
  const StepKey place{TaskId{1}, Version{1}, "merge"};
  std::string recorded;
  {
    const Held held = world.hold_step(step, context, {});
    ASSERT_EQ(held.status, Held::Status::held) << held.why;
    recorded = held.step->run();
    held.step->start_and_wait();
  }
  for (int refused = 0; refused < 2; ++refused) {
    ASSERT_EQ(world.hold_step(step, context, recorded).status, Held::Status::held);
  }
  EXPECT_TRUE(world.end_and_lock(place, recorded, nullptr).gone);

  const std::string of_another_folder = "0123456789abcdef0123456789abcdef";
  EXPECT_FALSE(world.end_and_lock(place, of_another_folder, nullptr).gone);
  ASSERT_EQ(world.hold_step(step, context, of_another_folder).status, Held::Status::held);
  EXPECT_FALSE(world.end_and_lock(place, of_another_folder, nullptr).gone) << "it never held this place";
}

TEST_F(ReaperLoopTest, gate_whose_keeper_was_killed_is_not_told_as_called_off) {
  RealSystem system({.data_folder = data()});
  OriginWeather weather(system);
  RealWorld world(system, weather, boot_id_);
  const CommandContext context{.task = TaskId{1}, .repo = "shop", .version = Version{1}};
  const Gate gate{.run = {"/bin/sh", "-c", "kill -9 $PPID; sleep 600"}};
  const GateAnswer answer = world.run_gate(gate, context);
  EXPECT_EQ(answer.passed, std::nullopt);
  EXPECT_EQ(answer.reason, "its keeper was killed");
}

TEST_F(ReaperLoopTest, child_whose_exit_a_thread_will_record_is_alive_till_then) {
  RealSystem system({.data_folder = data()});
  OriginWeather weather(system);
  RealWorld world(system, weather, boot_id_);
  Idler agent;
  pawl::Run run;
  run.owner = {.boot_id = boot_id_, .pid = ::getpid(), .actor = "executor"};
  run.pid = agent.pid();
  run.pid_start = agent.start();
  const Boot boot{.boot_id = boot_id_, .name = "pawld", .host = this_host(), .version = {}};
  {
    const RealWorld::OwnAgent running(world, agent.pid());
    agent.end();
    EXPECT_EQ(world.life_of(run, boot), Liveness::alive);
  }
  EXPECT_EQ(world.life_of(run, boot), Liveness::dead);
}

TEST_F(ExecutorTest, finalizer_is_marked_with_the_exit_and_only_where_marks_count) {
  define(R"(name: test
agents:
  worker: {run: 'true', timeout_s: 60}
stages:
  - {name: work, agent: worker, to: deploy-staging}
  - {name: deploy-staging, agent: worker, to: done}
)");
  execute();
  EXPECT_TRUE(reaches(submit(), "done"));
  EXPECT_EQ(count(fb::Event::RunExited), 2u);
  EXPECT_EQ(count(fb::Event::FinalizerMarked), 1u);
}

TEST_F(ExecutorTest, mark_is_cleared_when_only_somebody_else_can_go_on) {
  define(R"(name: test
agents:
  worker: {run: 'true', timeout_s: 60}
stages:
  - name: deploy-staging
    agent: worker
    to: done
    guarded: true
    steps:
      - {name: merge, timeout_s: 60, irreversible: true}
)");
  execute();
  submit();
  EXPECT_TRUE(comes_true([&] { return count(fb::Event::FinalizerCleared) == 1; }));
  EXPECT_FALSE(job(1)->run->marked);
  EXPECT_EQ(job(1)->status, JobStatus::running);
}

}  // namespace
}  // namespace pawl
